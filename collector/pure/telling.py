"""A whole block as text in one go: the members of a row's JSON, made without a step per value where no value needs one.

The careful way (`BlockDecoder.decode_into`) looks at each value by itself. This one serves the polls where nothing is
amiss, nearly all of them: it gives up, with no text at all, as soon as anything might be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

EXACT = "%r"
"""The form of a number that is not rounded."""
_MINUS_ZERO = '":-0,'


@dataclass(frozen=True, slots=True)
class Part:
    """One value: its quantity, the raw items that are no value, what makes a number of the others, how it is written.

    A number is raw × `factor` ÷ `divisor`, or what `number` says where there is one.
    """

    quantity: str
    absent: frozenset[Any]
    factor: float
    divisor: float
    number: Callable[[Any], float] | None
    form: str


class Telling:
    """Writes items as `"quantity":number,…`."""

    __slots__ = ("_absent", "_scales", "_steps", "_template")

    def __init__(self, parts: Sequence[Part]) -> None:
        self._template = ",".join(f'"{part.quantity}":{part.form}' for part in parts)
        # A whole number goes through here as well: it is told as a float, like any other.
        plain = all(part.factor == part.divisor == 1 and (part.number or part.form != EXACT) for part in parts)
        self._scales = () if plain else tuple((part.factor, part.divisor) for part in parts)
        self._steps = tuple((at, part.number) for at, part in enumerate(parts) if part.number is not None)
        # An item is also refused when it only looks like another one's pattern: the careful way tells them apart.
        self._absent = frozenset(item for part in parts for item in part.absent if item == item)  # noqa: PLR0124 – NaN equals nothing

    def text(self, raw: tuple[Any, ...]) -> str:
        """Return the text, "" when some item is no number, or might be none."""
        if self._absent and not self._absent.isdisjoint(raw):
            return ""
        items = raw
        if self._scales:
            items = tuple([item * factor / divisor + 0.0 for item, (factor, divisor) in zip(raw, self._scales, strict=True)])
        if self._steps:
            told = list(items)
            for at, number in self._steps:
                told[at] = number(raw[at])
            items = tuple(told)
        if not isfinite(sum(items)):
            return ""
        text = self._template % items
        return "" if _MINUS_ZERO in text or text.endswith(":-0") else text
