"""The fast off-hours test: hour by hour, so that one weekend is enough.

    s = max(v_b, ṽ/2, 0.02 L)
    off bin:      F ← max(0, F + clip((x − m_b)/s, ±4) − 1),  fast = F/10 from the second off-hour in a row
    running bin:  F ← 0
    every hour:   r = clip(x − m_b, ±3s);  m_b ← m_b + 0.2 r;  v_b ← v_b + 0.2 (1.25 |r| − v_b)

Start: m_b the median of the bin, v_b 1.25 × its mean absolute deviation. ṽ, the median of v_b, is taken once a
day. One hour adds at most 3: an alarm (6.0) needs 20 off-hours in a row. Source: docs/detection.md, "Tests".
The test is never frozen: it is a chart against the last weeks, not against a reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from processors.pure.hours import BINS
from processors.pure.robust import clip, median

WEIGHT = 0.2
DIVISOR = 10.0
ADVICE_SCORE = 2.5


@dataclass(frozen=True, slots=True)
class Fast:
    """`mean` and `spread` have one number per bin and are never changed in place. `total` is F.

    `off_run` counts off-hours in a row; `since_ms`, `hours`, `kwh` and `usual_kwh` describe the present run of
    F above zero; `advised` tells that this run was already mentioned.
    """

    mean: list[float]
    spread: list[float]
    typical: float
    floor: float
    total: float = 0.0
    off_run: int = 0
    since_ms: int = 0
    hours: int = 0
    kwh: float = 0.0
    usual_kwh: float = 0.0
    advised: bool = False

    @property
    def score(self) -> float:
        """F/10 from the second off-hour in a row, else 0."""
        return self.total / DIVISOR if self.off_run >= 2 else 0.0


def begin(hours: Iterable[tuple[int, float]], level: float) -> Fast:
    """Return the test as started from (bin, kW) of the days the schedule was learned from.

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
    return Fast(mean, spread, typical, 0.02 * level)


def step(fast: Fast, kw: float, b: int, *, off: bool, at_ms: int) -> Fast:
    """Return the test after one good hour that starts at `at_ms`.

    >>> start = Fast([4.0] * 168, [0.5] * 168, 0.5, 0.1)
    >>> one = step(start, 4.2, 0, off=True, at_ms=0); two = step(start, 11.0, 0, off=True, at_ms=0)
    >>> one.total, two.total, round(two.mean[0], 2), step(two, 9.0, 1, off=False, at_ms=1).total
    (0.0, 3.0, 4.3, 0.0)
    """
    usual = fast.mean[b]
    s = max(fast.spread[b], fast.typical / 2, fast.floor)
    mean, spread = fast.mean.copy(), fast.spread.copy()
    r = clip(kw - usual, 3 * s)
    mean[b] = usual + WEIGHT * r
    spread[b] += WEIGHT * (1.25 * abs(r) - spread[b])
    total = max(0.0, fast.total + clip((kw - usual) / s, 4.0) - 1.0) if off and s > 0 else 0.0
    if not off:
        return Fast(mean, spread, fast.typical, fast.floor)
    if total <= 0.0:
        return Fast(mean, spread, fast.typical, fast.floor, off_run=fast.off_run + 1)
    fresh = fast.total <= 0.0
    return Fast(
        mean,
        spread,
        fast.typical,
        fast.floor,
        total,
        fast.off_run + 1,
        at_ms if fresh else fast.since_ms,
        1 if fresh else fast.hours + 1,
        kw if fresh else fast.kwh + kw,
        usual if fresh else fast.usual_kwh + usual,
        advised=fast.advised and not fresh,
    )


def at_day_close(fast: Fast) -> Fast:
    """Return the test with ṽ taken anew."""
    return _like(fast, typical=median(fast.spread))


def forgive(fast: Fast, lift: dict[int, float]) -> Fast:
    """Return the test after an answer: F is 0, and the bins of `lift` expect at least the level given."""
    mean = fast.mean.copy()
    for b, level in lift.items():
        mean[b] = max(mean[b], level)
    return Fast(mean, fast.spread, fast.typical, fast.floor)


def mention(fast: Fast) -> Fast:
    """Return the test with its present run marked as already mentioned."""
    return _like(fast, advised=True)


def _like(fast: Fast, *, typical: float | None = None, advised: bool | None = None) -> Fast:
    return Fast(
        fast.mean,
        fast.spread,
        fast.typical if typical is None else typical,
        fast.floor,
        fast.total,
        fast.off_run,
        fast.since_ms,
        fast.hours,
        fast.kwh,
        fast.usual_kwh,
        fast.advised if advised is None else advised,
    )
