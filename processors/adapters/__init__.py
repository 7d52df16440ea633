"""Everything of the processor that touches the outside."""
