"""The fast off-hours test: hour by hour, so that one weekend is enough.

    s = max(v_b, ṽ/2, 0.02 L)
    off bin:      F ← max(0, F + clip((x − m_b)/s, ±4) − 1),  fast = F/10 from the second hour of F above zero
    running bin:  F ← 0
    every day:    r = clip(x − m_b, ±3s);  m_b ← m_b + 0.2 r;  v_b ← v_b + 0.2 (1.25 |r| − v_b)

Start: m_b the median of the bin, v_b 1.25 × its mean absolute deviation. The hours of a day teach their bins when
the day is over (a bin is visited once a day), and ṽ, the median of v_b, is taken then. One hour adds at most 3: an
alarm (6.0) needs 20 off-hours in a row. Source: docs/detection.md, "Tests". The test is never frozen: it is a chart
against the last weeks, not against a reference.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from processors.pure.hours import BINS
from processors.pure.robust import median

WEIGHT = 0.2
DIVISOR = 10.0
ADVICE_SCORE = 2.5
_KEPT = np.dtype(np.float32)
_CLIP, _STEP, _SPREAD_STEP, _STAY = (np.array(factor, _KEPT) for factor in (3.0, WEIGHT, 1.25 * WEIGHT, 1.0 - WEIGHT))
"""Factors as arrays of no dimension: numpy need not convert them every day."""
_new = tuple.__new__
_SURELY = 1 - 1e-6
"""What float32 may round away."""


class Usual(NamedTuple):
    """What the hours of the last weeks drew: m_b and v_b per bin (float32), ṽ, and 0.02 L. Never changed in place."""

    mean: array[float]
    spread: array[float]
    typical: float
    floor: float

    def learned(self, bins: bytes, kw: array[float]) -> Usual:
        """Return the bins after the good hours of one day; of hours that share a bin the last one counts."""
        mean, spread, typical, floor = self
        mean, spread = mean[:], spread[:]
        means, spreads, first = np.frombuffer(mean, _KEPT), np.frombuffer(spread, _KEPT), bins[0]
        even = bins[-1] - first == 23 and len(bins) == 24
        chosen: Any = slice(first, first + 24) if even else np.frombuffer(bins, np.uint8)
        m, v = means[chosen], spreads[chosen]
        most = np.maximum(v, np.array(max(typical / 2, floor), _KEPT))
        most *= _CLIP
        r = np.frombuffer(kw, _KEPT) - m
        size = np.abs(r)
        np.minimum(size, most, out=size)
        np.copysign(size, r, out=r)
        r *= _STEP
        m += r
        size *= _SPREAD_STEP
        v *= _STAY
        v += size
        if not even:  # picked one by one they are copies, in a row they are the bins themselves
            means[chosen], spreads[chosen] = m, v
        ascending = spreads.copy()
        ascending.sort()
        low, high = ascending.item(BINS // 2 - 1), ascending.item(BINS // 2)
        return _new(Usual, (mean, spread, (low + high) / 2, floor))

    def quiet_up_to(self, off: bytes, base: int, most: float) -> tuple[float, ...]:
        """Return the highest powers of the bins from `base` on at which F stays zero: m_b + s where `off`, else `most`.

        `off` has one code per bin, 0 for a running hour.
        """
        row, least = slice(base, base + len(off)), max(self.typical / 2, self.floor)
        week = zip(off, self.mean[row], [v if v > least else least for v in self.spread[row]], strict=True)  # noqa: FURB136 – max costs more
        return tuple([top if idle and (top := mean + _SURELY * s) < most else most for idle, mean, s in week])

    def scale(self, b: int) -> float:
        """Return s of a bin."""
        return max(self.spread[b], self.typical / 2, self.floor)

    def forgiven(self, lift: Mapping[int, float]) -> Usual:
        """Return the bins after an answer: those of `lift` expect at least the level given."""
        mean = self.mean[:]
        for b, level in lift.items():
            mean[b] = max(mean[b], level)
        return self._replace(mean=mean)


class Fast(NamedTuple):
    """The test itself: `total` is F.

    `since_ms`, `hours`, `kwh` and `usual_kwh` describe the present run of F above zero; `advised` tells that this
    run was already mentioned.
    """

    total: float = 0.0
    since_ms: int = 0
    hours: int = 0
    kwh: float = 0.0
    usual_kwh: float = 0.0
    advised: bool = False

    @property
    def score(self) -> float:
        """F/10 from the second hour of a run on, else 0."""
        return self.total / DIVISOR if self.hours >= 2 else 0.0


CALM = Fast()


def begin(hours: Iterable[tuple[int, float]], level: float) -> Usual:
    """Return the bins as started from (bin, kW) of the days the schedule was learned from.

    >>> start = begin([(0, 1.0), (0, 1.2), (0, 1.4)], level=5.0)
    >>> round(start.mean[0], 3), round(start.spread[0], 4), start.mean[7]
    (1.2, 0.1667, 5.0)
    """
    seen: dict[int, list[float]] = {}
    for b, kw in hours:
        seen.setdefault(b, []).append(kw)
    mean, spread = [level] * BINS, [0.0] * BINS
    for b, values in seen.items():
        mean[b] = median(values)
        spread[b] = 1.25 * sum(abs(value - mean[b]) for value in values) / len(values)
    typical = median([spread[b] for b in seen])
    for b in range(BINS):
        if b not in seen:
            spread[b] = typical
    return Usual(array("f", mean), array("f", spread), typical, 0.02 * level)


def step(fast: Fast, usual: Usual, kw: float, b: int, at_ms: int, *, off: bool) -> Fast:
    """Return the test after one good hour that starts at `at_ms`.

    >>> week = Usual(array("f", [4.0] * 168), array("f", [0.5] * 168), 0.5, 0.1)
    >>> one, two = step(CALM, week, 4.2, 0, 0, off=True), step(CALM, week, 11.0, 0, 0, off=True)
    >>> one.total, two.total, step(two, week, 9.0, 1, 1, off=False).total
    (0.0, 3.0, 0.0)
    """
    if not off:
        return CALM
    total, since_ms, hours, kwh, usual_kwh, advised = fast
    mean, s = usual.mean[b], usual.scale(b)
    if s <= 0:
        return CALM
    before, add = total, (kw - mean) / s
    total += (-4.0 if add < -4.0 else min(4.0, add)) - 1.0
    if total <= 0.0:
        return CALM
    if before <= 0.0:
        return _new(Fast, (total, at_ms, 1, kw, mean, False))
    return _new(Fast, (total, since_ms, hours + 1, kwh + kw, usual_kwh + mean, advised))
