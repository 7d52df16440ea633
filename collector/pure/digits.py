"""A float16 or float32 in the digits that it has, not with the tail of a double: 50.02, not 50.02000045776367.

A momentary value keeps 7 or 8 digits (float32) or 5 (float16): a change below a millionth of it, far below what any
meter resolves. A counter keeps as many as it takes to be the same float again, so that no difference of two readings
gains or loses anything. The order of values stays as it is in both cases, and nothing is rounded to a resolution that a
document claims: a meter may say more. Why at all: the tails make a row a quarter longer on the wire and in the outbox.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import floor, frexp, log10

_WHOLE = 1.5 * 2.0**52
"""Added and taken away again, it leaves a number without its fraction, rounded to even."""
_LEAST, _MOST = -149, 129
"""Exponents that `frexp` gives for a float32."""
_MOST_PLACES = 22
"""Up to here a power of ten is exact, so that a whole number divided by it is the double nearest to the decimal."""


def _powers(digits: int) -> list[float]:
    """Return, by exponent, the power of ten that moves so many digits in front of the point; 1 where all are already there.

    Negative exponents stand at the end, where a negative index finds them.
    """
    places = [digits - 1 - floor((exponent - 1) * log10(2)) for exponent in (*range(_MOST + 1), *range(_LEAST, 0))]
    return [10.0 ** min(max(place, 0), _MOST_PLACES) for place in places]


_POWERS = {"float16": _powers(5), "float32": _powers(7)}
_HALF_BIT = [2.0 ** (exponent - 25) for exponent in (*range(_MOST + 1), *range(_LEAST, 0))]
"""What is nearer than this to a float32 of an exponent is that float and no other."""


def in_its_digits(type_: str, factor: float, divisor: float, *, counter: bool) -> Callable[[float], float] | None:
    """Return the function from a raw float to raw × factor ÷ divisor in its digits; None for types that have no tail."""
    if type_ not in _POWERS:
        return None
    if counter and type_ == "float32":
        return partial(_same_float, factor, divisor)
    return partial(_short, _POWERS[type_], factor, divisor)


def _short(powers: list[float], factor: float, divisor: float, raw: float) -> float:
    power = powers[frexp(raw)[1]]
    return (raw * power + _WHOLE - _WHOLE) * factor / (power * divisor) if power > 1 else raw * factor / divisor


def _same_float(factor: float, divisor: float, raw: float) -> float:
    exponent = frexp(raw)[1]
    power = _POWERS["float32"][exponent]
    if power == 1:
        return raw * factor / divisor
    whole = raw * power + _WHOLE - _WHOLE
    if abs(whole / power - raw) >= _HALF_BIT[exponent]:
        power *= 10.0  # one digit more is always enough
        whole = raw * power + _WHOLE - _WHOLE
    return whole * factor / (power * divisor)
