"""A float16 or float32 in the digits that it has, not with the tail of a double: 50.02, not 50.02000045776367.

A momentary value keeps 7 digits (float32) or 5 (float16): a change below a millionth of it, far below what any meter
resolves. A counter keeps as many as it takes to be the same float again, so that no difference of two readings gains or
loses anything. The order of values stays as it is in both cases, and nothing is rounded to a resolution that a document
claims: a meter may say more. Why at all: the tails make a row a quarter longer on the wire and in the outbox.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import floor, frexp, log10

_DIGITS = {"float16": 5, "float32": 7}
_WHOLE = 1.5 * 2.0**52
"""Added and taken away again, it leaves a number without its fraction, rounded to even."""
_LEAST, _MOST = -149, 129
"""Exponents that `frexp` gives for a float32."""
_MOST_PLACES = 22
"""Up to here a power of ten is exact, so that a whole number divided by it is the double nearest to the decimal."""
_EXPONENTS = (*range(_MOST + 1), *range(_LEAST, 0))
"""Negative exponents stand at the end, where a negative index finds them."""
_POWERS: list[float] = [10.0 ** min(max(6 - floor((exponent - 1) * log10(2)), 0), _MOST_PLACES) for exponent in _EXPONENTS]
"""By exponent of a float32: the power of ten that moves seven digits in front of the point; 1 where all are already there."""
_HALF_BIT = [2.0 ** (exponent - 25) for exponent in _EXPONENTS]
"""What is nearer than this to a float32 of an exponent is that float and no other."""


def digits_kept(type_: str, *, counter: bool) -> int | None:
    """Return to how many significant digits a value is rounded; None when it is not."""
    return None if counter and type_ == "float32" else _DIGITS.get(type_)


def in_its_digits(type_: str, factor: float, divisor: float, *, counter: bool) -> Callable[[float], float] | None:
    """Return the function from a raw float to raw × factor ÷ divisor in its digits; None for types that have no tail."""
    digits = digits_kept(type_, counter=counter)
    if digits is not None:
        return partial(_short, f"%.{digits}g", factor, divisor)
    return partial(_same_float, factor, divisor) if type_ in _DIGITS else None


def _short(form: str, factor: float, divisor: float, raw: float) -> float:
    return float(form % (raw * factor / divisor))


def _same_float(factor: float, divisor: float, raw: float) -> float:
    exponent = frexp(raw)[1]
    power = _POWERS[exponent]
    if power == 1:
        return raw * factor / divisor
    whole = raw * power + _WHOLE - _WHOLE
    if abs(whole / power - raw) >= _HALF_BIT[exponent]:
        power *= 10.0  # one digit more is always enough
        whole = raw * power + _WHOLE - _WHOLE
    return whole * factor / (power * divisor)
