"""The clean reference of an event: what each channel would have been without the waste, frozen when it opens.

    θ* = θ + δ,   δ = argmin Σ_d w_d (y_d − θᵀz_d − δᵀz_d)² + δᵀRδ        θ of the day before `since`
    w_d = 2^(−age/21 days) · min(1, 2 s/|residual|)                        over the remembered days before it is in doubt

θ learns calm days only and forgets slowly; a load wanders off it. Where it stood in the last weeks, working days and
free ones, warm and cold, says more about the weeks after. Days that no chart learned count too. One robust ridge
around the baseline (prior mean θ, R of baseline.py), three steps of reweighted least squares (P. J. Huber 1964).
Days before waste that is known and still runs are lifted by its mean excess x, what is new began above it, as far as that is
no drift of the load: by x · x²/(x² + 5 s²).

What is slow or small is found late, and the days before `since` already hold some of it. Against θ* of the days up to
three weeks before, the last days count as in doubt from which on Σ (u − κ) is largest, κ = max(0.15, a quarter of the
mean u since then): nothing is learned from them.

Whether an event is over is judged against θ with its level alone moved, by 0.6 of the mean residual of 40 days: a saving
or a season moves it less. Only days since the last re-base count there, from three before it, which decided it.
"""

from __future__ import annotations

from collections.abc import Sequence

from processors.pure.baseline import Pairs, dot, pairs
from processors.pure.channels import CHANNELS, U_CLIP, Chart
from processors.pure.cholesky import ALL, TERMS, solve
from processors.pure.memory import Memory, Past
from processors.pure.robust import clip, median

HALF_LIFE_DAYS = 21
LIFT_DRIFT = 5.0
DOUBT_DAYS, DOUBT_SHARE, DOUBT_LEAST = 21, 0.25, 0.15
DAYS_BEFORE, SHARE, DECIDED_BY = 40, 0.6, 3
LEAST_DAYS = 4
STEPS = 3
TAIL = 2.0

Row = tuple[float, tuple[float, ...], Pairs, float]
"""A day before: weight by age, z, its products, residual."""


Known = tuple[int, Sequence[float]]
"""Waste that is known and still runs: the ordinal of its first day, and its mean excess per channel."""


def clean_reference(memory: Memory, since: int, channel: int, known: Sequence[Known] = ()) -> tuple[tuple[float, ...], ...]:
    """Return θ* of every channel for what a channel's chart found to begin on the day `since` (ordinal).

    >>> from array import array
    >>> from processors.pure.memory import Copy, Past
    >>> z, none = (1.0,) + (0.0,) * 6, (None,) * 4
    >>> days = tuple(Past(n, 0, "work", z, 0, b"", array("f"), (3.0, *none), (0.0, *none)) for n in range(10, 20))
    >>> theta = array("f", [2.0] + [0.0] * 19)
    >>> round(clean_reference(Memory(days=days, copies=(Copy(9, theta),)), 20, 0)[0][0], 3)
    3.0
    """
    known = [(first, [_less_drift(x, chart) for x, chart in zip(excess, memory.charts, strict=True)]) for first, excess in known]
    first = _in_doubt(memory, since, channel, known)
    clean = memory.clean_before(first)[: len(CHANNELS)]
    return tuple(_refitted(memory, first, c, theta, known) for c, theta in enumerate(clean))


def _in_doubt(memory: Memory, since: int, channel: int, known: Sequence[Known]) -> int:
    """Return the first of the days before `since` that already stood above those three weeks before; `since` where none did."""
    far = since - DOUBT_DAYS
    theta = _refitted(memory, far, channel, memory.clean_before(since)[channel], known)
    sigma = memory.charts[channel].sigma(0)
    days = [day for day in memory.days if day.ordinal >= far and day.ys and day.ys[channel] is not None]
    us = [clip(_residual(day, channel, theta, known) / sigma, U_CLIP) for day in days]
    inside = [u for day, u in zip(days, us, strict=True) if day.ordinal >= since]
    if not inside:
        return since
    kappa = max(DOUBT_LEAST, DOUBT_SHARE * sum(inside) / len(inside))
    best, first, total = 0.0, since, 0.0
    for day, u in zip(reversed(days), reversed(us), strict=True):
        if day.ordinal < since:
            total += u - kappa
            if total > best:
                best, first = total, day.ordinal
    return first


def _refitted(memory: Memory, until: int, channel: int, theta: tuple[float, ...], known: Sequence[Known]) -> tuple[float, ...]:
    """Return θ* of one channel from the remembered days before `until`, θ itself where they are too few."""
    rows = [
        (2.0 ** ((day.ordinal - until) / HALF_LIFE_DAYS), day.z, pairs(day.z), _residual(day, channel, theta, known))
        for day in memory.days
        if day.ordinal < until and day.ys and day.ys[channel] is not None
    ]
    return theta if len(rows) < LEAST_DAYS else tuple(was + shift for was, shift in zip(theta, _shift(rows), strict=True))


def _residual(day: Past, channel: int, theta: tuple[float, ...], known: Sequence[Known]) -> float:
    """Return what a day stood above θ, had the known waste run already."""
    y = day.ys[channel] or 0.0
    return y - dot(theta, day.z) + sum(excess[channel] for first, excess in known if day.ordinal < first)


def _less_drift(excess: float, chart: Chart) -> float:
    square = excess * excess
    return excess * square / (square + LIFT_DRIFT * chart.sigma(0) ** 2)


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
