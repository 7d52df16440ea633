"""What a meter should draw: the band that a page shows. Decisions come from the charts, not from here.

    expected = median of the hour-of-week bin × the day's predicted total ÷ the mean of the day's bins
    lo, hi   = expected ± 1.645 × spread of the bin

The bin medians are taken over the last calm days only, so that waste is never learned. The spread joins the
one-ahead deviations of the hour's mean with the scatter of the quarter-hours inside it. Source: docs/detection.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from processors.pure.hours import BINS
from processors.pure.outputs import QUARTER_HOUR_S, ExpectedPower
from processors.pure.robust import median

KEPT = 8
"""So many calm visits of a bin are kept."""
WEIGHT = 0.2
BAND = 1.645
LEAST_SPREAD = 0.01


@dataclass(frozen=True, slots=True)
class Shape:
    """The calm week. Lists have one entry per bin and are never changed in place; kW and kW².

    `values` are the last calm means of the bin, `mean` their median, `deviation` 1.25 × the smoothed absolute
    one-ahead deviation, `scatter` the smoothed mean square deviation inside the hour.
    """

    values: list[tuple[float, ...]]
    mean: list[float]
    deviation: list[float]
    scatter: list[float]


def blank() -> Shape:
    """Return the shape of a week nothing is known of."""
    return Shape([()] * BINS, [0.0] * BINS, [0.0] * BINS, [0.0] * BINS)


def add(shape: Shape, hours: Iterable[tuple[int, float]], scatter: Iterable[float]) -> Shape:
    """Return the shape with the (bin, kW) of one calm day more.

    >>> week = blank()
    >>> for kw in (4.0, 5.0, 9.0): week = add(week, [(0, kw)], [0.25])
    >>> week.mean[0], week.scatter[0], week.values[0]
    (5.0, 0.25, (4.0, 5.0, 9.0))
    """
    values, mean = shape.values.copy(), shape.mean.copy()
    deviation, inside = shape.deviation.copy(), shape.scatter.copy()
    for (b, kw), square in zip(hours, scatter, strict=True):
        visits = len(values[b])
        if visits:
            weight = max(WEIGHT, 1 / visits)
            away = 1.25 * abs(kw - mean[b])
            if visits >= 4:
                away = min(away, 4 * deviation[b]) if deviation[b] > 0 else away
            deviation[b] += weight * (away - deviation[b])
        inside[b] += max(WEIGHT, 1 / (visits + 1)) * (square - inside[b])
        values[b] = (*values[b], kw)[-KEPT:]
        mean[b] = median(values[b])
    return Shape(values, mean, deviation, inside)


def restart(shape: Shape, days: Iterable[Iterable[tuple[int, float]]]) -> Shape:
    """Return the shape with the bins of the days given learned anew from them alone (a new normal)."""
    fresh: dict[int, list[float]] = {}
    for day in days:
        for b, kw in day:
            fresh.setdefault(b, []).append(kw)
    values, mean = shape.values.copy(), shape.mean.copy()
    for b, kws in fresh.items():
        values[b] = tuple(kws[-KEPT:])
        mean[b] = median(values[b])
    return Shape(values, mean, shape.deviation, shape.scatter)


def usual(shape: Shape, b: int, level: float) -> float:
    """Return the calm power of a bin; for one never visited that of the nearest known hour of its day, else `level`."""
    if shape.values[b]:
        return shape.mean[b]
    row, hour = b - b % 24, b % 24
    known = [other for other in range(row, row + 24) if shape.values[other]]
    return shape.mean[min(known, key=lambda other: abs(other - row - hour))] if known else level


def day_ahead(meter: str, shape: Shape, hours: Iterable[tuple[int, int]], *, level: float, total_kw: float) -> tuple[ExpectedPower, ...]:
    """Return the expected power of every quarter-hour of the (start ms, bin) hours of one day.

    `total_kw` is the predicted mean of the day, `level` the scale of the meter, both kW; results are W.
    """
    day = [(start_ms, b, usual(shape, b, level)) for start_ms, b in hours]
    mean = sum(kw for _, _, kw in day) / len(day)
    ratio = min(4.0, max(0.25, total_kw / mean)) if mean > 0 and total_kw > 0 else 1.0
    typical = median(shape.deviation)
    points: list[ExpectedPower] = []
    for start_ms, b, kw in day:
        hourly = max(shape.deviation[b], typical / 2, LEAST_SPREAD * level)
        half = BAND * math.sqrt(hourly * hourly + shape.scatter[b]) * 1000
        w = kw * ratio * 1000
        points += [ExpectedPower(meter, start_ms + q * QUARTER_HOUR_S * 1000, w, max(0.0, w - half), w + half) for q in range(4)]
    return tuple(points)
