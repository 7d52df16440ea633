"""Everything of the collector that touches the outside."""
