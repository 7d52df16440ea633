"""Meters that answer like the real ones, with seeded load."""
