"""Repeatable chance: numbers that look random and depend on nothing but their keys, in any order of asking."""

from __future__ import annotations

_MASK = (1 << 64) - 1


def uniform(seed: int, position: int) -> float:
    """Return a number in [−1, 1) for a seed and a position (splitmix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + position * 0xD1342543DE82EF95) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return (x ^ (x >> 31)) / 9.223372036854775808e18 - 1.0


def smooth(seed: int, position: int, step: int) -> float:
    """Return a number in [−1, 1) that wanders: chance at every `step` positions, a straight line between."""
    left, rest = divmod(position, step)
    before = uniform(seed, left)
    return before + (uniform(seed, left + 1) - before) * rest / step
