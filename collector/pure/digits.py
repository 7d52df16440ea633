"""A float16 or float32 in the digits that it has, not with the tail of a double: 50.02, not 50.02000045776367.

A momentary value keeps 7 digits (float32) or 5 (float16): a change below a millionth of it, far below what any meter
resolves. A counter keeps as many as it takes to be the same float again, so that no difference of two readings gains
or loses anything. The order of values stays as it is in both cases, and nothing is rounded to a resolution that a
document claims: a meter may say more. Why at all: tails make a row 40 % longer on the wire and in the outbox.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import frexp, ldexp

from config.profiles import Register

_MOMENTARY = {"float16": "%.5g", "float32": "%.7g"}
_EXACT = {"float16": ("%.4g", "%.5g"), "float32": ("%.7g", "%.8g", "%.9g")}
"""Fewest digits first; the last always suffices."""
_HALF_BIT = {"float16": -12, "float32": -25}
"""Half of the last bit of a float m × 2^e with m in 0.5…1, as a power of two relative to 2^e."""


def rounding(register: Register) -> Callable[[float], float] | None:
    """Return what the decoder does to a scaled value of this register; None for types that have no tail."""
    if register.type not in _MOMENTARY:
        return None
    if register.counter is not None:
        return partial(_as_said, _EXACT[register.type], _HALF_BIT[register.type], register.scale)
    return partial(_in_digits, _MOMENTARY[register.type])


def _in_digits(digits: str, value: float) -> float:
    return float(digits % value)


def _as_said(exact: tuple[str, ...], half_bit: int, scale: float, value: float) -> float:
    # What lies nearer to a float than half of its last bit is that float and no other.
    said, near = value, ldexp(abs(scale), frexp(value / scale)[1] + half_bit)
    for digits in exact:
        said = float(digits % value)
        if abs(said - value) < near:
            break
    return said
