"""A meter's first twelve months, kept for good: what later months are held against (year_on_year.py).

Re-basing and forgetting follow a load that creeps up, and hide what grows over many months. Here is a second baseline for each
channel that never re-bases and never forgets: ridge regression with λ = 1 over the valid days of the first year, then left as it is.

    A = Σ z zᵀ, one for all channels      b_c = Σ y_c z      θ_c = (A + R)⁻¹ b_c
    σ_c² = (Σ y_c² − 2 θ_cᵀb_c + θ_cᵀA θ_c) / n

A is shared, so a day counts when all of the meter's channels have a number, and a channel that some weekday never has is left out.
Days with open waste count: left out, half of the year would be missing, and the question is what has changed since then. A day that
passed for a holiday only because little was drawn does not count. Source: docs/detection.md, "Since last year".
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

from processors.pure.baseline import pairs
from processors.pure.cholesky import ALL, TERMS, WEEK, solve
from processors.pure.schedule import Schedule

YEAR = 365
LEAST_LEARNED = 256
"""So many days of the year have to be known, 70 of 100; a meter that has fewer goes on learning until it has them."""
_BASE, _OFF, _EDGE, _ON, _TOT = range(5)
_new = tuple.__new__


class Yearly(NamedTuple):
    """The reference. `first` and `last` are the ordinals of its first and last day, `n` how many days it has.

    `a` is A as packed lower triangle (see cholesky), `b` has 7 numbers for each of the channels that `kept` names, `squares` one.
    Arrays are never changed in place.
    """

    first: int = 0
    last: int = 0
    n: int = 0
    a: array[float] = array("d")
    b: array[float] = array("d")
    squares: array[float] = array("d")

    def complete(self, ordinal: int) -> bool:
        """Tell whether the year is over on a day."""
        return self.n >= LEAST_LEARNED and ordinal >= self.first + YEAR

    @property
    def end(self) -> int:
        """Ordinal of the last day that the year takes up."""
        return max(self.last, self.first + YEAR - 1)

    def theta(self, place: int) -> tuple[float, ...]:
        """Return θ of the channel at a place of `kept`."""
        return solve(self.a, self.b[TERMS * place : TERMS * (place + 1)])

    def sigma(self, place: int) -> float:
        """Return σ of the channel at a place of `kept`, in shares of L.

        >>> year, z = Yearly(), (1.0,) + (0.0,) * 6
        >>> for day in range(400): year = learned(year, 1000 + day, z, (1.0, None, None, None, 2.0 + day % 2), Schedule(9.0))
        >>> [round(x, 3) for x in (year.theta(1)[0], year.sigma(1), year.sigma(0))], (year.first, year.last, year.n)
        ([2.499, 0.5, 0.0], (1000, 1364, 365))
        """
        theta, a, at, fitted = self.theta(place), self.a, 0, 0.0
        for row in range(TERMS):
            for column in range(row + 1):
                if at < len(a):
                    fitted += (1 if column == row else 2) * a[at] * theta[row] * theta[column]
                at += 1
        cross = sum(t * x for t, x in zip(theta, self.b[TERMS * place :], strict=False))
        return sqrt(max(0.0, self.squares[place] - 2 * cross + fitted) / self.n)


@lru_cache(maxsize=1024)
def kept(schedule: Schedule) -> tuple[int, ...]:
    """Return which of the five channels every day of the week has, as places in their order.

    >>> kept(Schedule(9.0))
    (0, 4)
    """
    if not schedule.known:
        return _BASE, _TOT
    off, edge = [schedule.off_hours(row) for row in range(7)], [schedule.edge_hours(row) for row in range(7)]
    enough = {_OFF: min(off) >= 4, _EDGE: min(edge) >= 2, _ON: max(off) <= 20}
    return tuple(c for c in range(5) if enough.get(c, True))


def learned(year: Yearly, ordinal: int, z: tuple[float, ...], ys: Sequence[float | None], schedule: Schedule) -> Yearly:
    """Return the reference with one valid day more; the same once its year is over. `ys` has the five channels, in shares of L."""
    first, _, n, a, b, squares = year
    channels, products = kept(schedule), pairs(z)
    values = [y for c in channels if ys and (y := ys[c]) is not None]
    if year.complete(ordinal) or len(values) < len(channels):
        return year
    size = ALL if len(a) == ALL or products[-1][0] >= WEEK else WEEK
    a, b, squares = _room(a, size), _room(b, TERMS * len(values)), _room(squares, len(values))
    for at, product in products:
        a[at] += product
    terms = [(term, x) for term, x in enumerate(z) if x]
    for place, y in enumerate(values):
        squares[place] += y * y
        for term, x in terms:
            b[TERMS * place + term] += y * x
    return _new(Yearly, (first or ordinal, ordinal, n + 1, a, b, squares))


def _room(numbers: array[float], size: int) -> array[float]:
    """Return a copy with zeros up to a size."""
    return numbers[:] if len(numbers) == size else numbers + array("d", bytes(8 * (size - len(numbers))))
