"""The shared language of driftwatt: quantities, readings, topics, wire, clock and errors."""

__version__ = "0.1.0"
