"""The clean reference of an event: what each channel would have been without the waste, frozen when it opens.

    θ* = θ + δ,   δ = argmin Σ_d w_d (y_d − θᵀz_d − δᵀz_d)² + δᵀRδ        θ of the day before `since`
    w_d = 2^(−age/21 days) · min(1, 2 s/|residual|)                        over the remembered days before `since`

θ learns calm days only and forgets slowly; a load wanders off it. Where it stood in the last weeks, working days and
free ones, warm and cold, says more about the weeks after. Days that no chart learned count too. One robust ridge
around the baseline (prior mean θ, R of baseline.py), three steps of reweighted least squares (P. J. Huber 1964).
Days before waste that is known and still runs are lifted by its mean excess: what is new began above it.

Whether an event is over is judged against θ with its level alone moved, by 0.6 of the mean residual of 40 days: a saving
or a season moves it less. Only days since the last re-base count there, from three before it, which decided it.
"""

from __future__ import annotations

from collections.abc import Sequence

from processors.pure.baseline import Pairs, dot, pairs
from processors.pure.channels import CHANNELS
from processors.pure.cholesky import ALL, TERMS, solve
from processors.pure.memory import Memory
from processors.pure.robust import median

HALF_LIFE_DAYS = 21
DAYS_BEFORE, SHARE, DECIDED_BY = 40, 0.6, 3
LEAST_DAYS = 4
STEPS = 3
TAIL = 2.0

Row = tuple[float, tuple[float, ...], Pairs, float]
"""A day before: weight by age, z, its products, residual."""


Known = tuple[int, Sequence[float]]
"""Waste that is known and still runs: the ordinal of its first day, and its mean excess per channel."""


def clean_reference(memory: Memory, since: int, known: Sequence[Known] = ()) -> tuple[tuple[float, ...], ...]:
    """Return θ* of every channel for what began on the day `since` (ordinal).

    >>> from array import array
    >>> from processors.pure.memory import Copy, Past
    >>> z, none = (1.0,) + (0.0,) * 6, (None,) * 4
    >>> days = tuple(Past(n, 0, "work", z, 0, b"", array("f"), (3.0, *none), (0.0, *none)) for n in range(10, 20))
    >>> theta = array("f", [2.0] + [0.0] * 19)
    >>> round(clean_reference(Memory(days=days, copies=(Copy(9, theta),)), 20)[0][0], 3)
    3.0
    """
    clean = memory.clean_before(since)
    before = [(2.0 ** ((day.ordinal - since) / HALF_LIFE_DAYS), pairs(day.z), day) for day in memory.days if day.ordinal < since and day.ys]
    found: list[tuple[float, ...]] = []
    for c, theta in enumerate(clean[: len(CHANNELS)]):
        rows = [
            (w, day.z, products, y - dot(theta, day.z) + sum(excess[c] for first, excess in known if day.ordinal < first))
            for w, products, day in before
            if (y := day.ys[c]) is not None
        ]
        found.append(tuple(was + shift for was, shift in zip(theta, _shift(rows), strict=True)) if len(rows) >= LEAST_DAYS else theta)
    return tuple(found)


def level_moved(memory: Memory, since: int, channel: int) -> tuple[float, ...]:
    """Return θ of one channel before the day `since` with its level moved to where the load stood.

    >>> from array import array
    >>> from processors.pure.memory import Copy, Past
    >>> z, none = (1.0,) + (0.0,) * 6, (None,) * 4
    >>> days = tuple(Past(n, 0, "work", z, 0, b"", array("f"), (3.0, *none), (0.0, *none)) for n in range(10, 20))
    >>> level_moved(Memory(days=days, copies=(Copy(9, array("f", [2.0] + [0.0] * 19)),)), 20, 0)[0]
    2.6
    """
    theta = memory.clean_before(since)[channel]
    moved_on = max((copy.ordinal for copy in memory.copies if copy.moved), default=0)
    first = max(since - DAYS_BEFORE, moved_on - DECIDED_BY + 1)
    days = [day for day in memory.days if first <= day.ordinal < since and day.ys]
    residuals = [y - dot(theta, day.z) for day in days if (y := day.ys[channel]) is not None]
    if len(residuals) < LEAST_DAYS:
        return theta
    return (theta[0] + SHARE * sum(residuals) / len(residuals), *theta[1:])


def _shift(rows: Sequence[Row]) -> tuple[float, ...]:
    """Return δ of the days given."""
    weights = [row[0] for row in rows]
    shift: tuple[float, ...] = (0.0,) * TERMS
    for _ in range(STEPS):
        shift = _weighted(rows, weights)
        left = [abs(r - dot(shift, z)) for _, z, _, r in rows]
        limit = TAIL * 1.4826 * median(left)
        weights = [w if size <= limit else w * limit / size for (w, _, _, _), size in zip(rows, left, strict=True)]
    return shift


def _weighted(rows: Sequence[Row], weights: Sequence[float]) -> tuple[float, ...]:
    a, b = [0.0] * ALL, [0.0] * TERMS
    for (_, z, products, r), w in zip(rows, weights, strict=True):
        for place, product in products:
            a[place] += w * product
        for term, x in enumerate(z):
            b[term] += w * r * x
    return solve(a, b)
