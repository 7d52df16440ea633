"""What a meter should draw: the band that a page shows. Decisions come from the charts, not from here.

    expected = median of the hour-of-week bin × the day's predicted total ÷ the mean of the day's bins
    lo, hi   = expected ± 1.645 × spread of the bin

The bin medians are taken over the last calm days only, so that waste is never learned. The spread joins the mean
absolute deviation of the hour's means (× 1.25) with the scatter of the quarter-hours inside it. Calm days are only
put away; medians are taken when somebody asks. Source: docs/detection.md.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from processors.pure.hours import BINS
from processors.pure.outputs import QUARTER_HOUR_S, ExpectedPower
from processors.pure.robust import median

KEPT = 6
"""So many calm days of each row of the week are kept."""
WEIGHT = 0.2
BAND = 1.645
LEAST_SPREAD = 0.01
_ROWS = 7
_QUARTER_MS = QUARTER_HOUR_S * 1000


class Calm(NamedTuple):
    """One calm day: its bins and their mean kW (float32)."""

    bins: bytes
    kw: array[float]


class Shape(NamedTuple):
    """The calm week, never changed in place.

    `rows` are the last calm days of each row of the week, newest last; `scatter` is the smoothed mean square
    deviation inside the hours of each bin, kW² (float32).
    """

    rows: tuple[tuple[Calm, ...], ...] = ((),) * _ROWS
    scatter: array[float] = array("f", bytes(4 * BINS))

    def bins(self, row: int) -> dict[int, list[float]]:
        """Return the calm means of each bin of a row of the week, those ever seen."""
        found: dict[int, list[float]] = {}
        for bins, kws in self.rows[row]:
            for b, kw in zip(bins, kws, strict=True):
                found.setdefault(b, []).append(kw)
        return found


def add(shape: Shape, bins: bytes, kw: array[float], scatter: Sequence[float]) -> Shape:
    """Return the shape with one calm day more; `scatter` is that of its hours, empty when there was none.

    >>> week = Shape()
    >>> for kw in (4.0, 5.0, 9.0): week = add(week, bytes(1), array("f", [kw]), [0.25])
    >>> usual(week, 0, 1.0), week.scatter[0], usual(week, 30, 1.0)
    (5.0, 0.25, 1.0)
    """
    row = bins[0] // 24
    days = shape.rows[row]
    inside = shape.scatter
    if scatter:
        inside, weight = inside[:], max(WEIGHT, 1 / (len(days) + 1))
        for b, square in zip(bins, scatter, strict=True):
            inside[b] += weight * (square - inside[b])
    return Shape((*shape.rows[:row], (*days[-KEPT + 1 :], Calm(bins, kw)), *shape.rows[row + 1 :]), inside)


def restart(shape: Shape, days: Iterable[tuple[bytes, array[float]]]) -> Shape:
    """Return the shape with the rows of the days given learned anew from them alone (a new normal)."""
    rows = list(shape.rows)
    fresh: dict[int, list[Calm]] = {}
    for bins, kw in days:
        fresh.setdefault(bins[0] // 24, []).append(Calm(bins, kw))
    for row, found in fresh.items():
        rows[row] = tuple(found[-KEPT:])
    return shape._replace(rows=tuple(rows))


def usual(shape: Shape, b: int, level: float) -> float:
    """Return the calm power of a bin; for one never visited that of the nearest known hour of its day, else `level`."""
    return _nearest({each: median(kws) for each, kws in shape.bins(b // 24).items()}, b, level)


def week(shape: Shape, level: float) -> array[float]:
    """Return the calm power of every bin (float32)."""
    out = array("f")
    for row in range(_ROWS):
        known = {b: median(kws) for b, kws in shape.bins(row).items()}
        out.extend(_nearest(known, b, level) for b in range(24 * row, 24 * row + 24))
    return out


def _nearest(known: dict[int, float], b: int, level: float) -> float:
    if b in known or not known:
        return known.get(b, level)
    return known[min(known, key=lambda other: (abs(other - b), other))]


def day_ahead(meter: str, shape: Shape, hours: Sequence[tuple[int, int]], *, level: float, total_kw: float) -> tuple[ExpectedPower, ...]:
    """Return the expected power of every quarter-hour of the (start ms, bin) hours of one day.

    `total_kw` is the predicted mean of the day, `level` the scale of the meter, both kW; results are W.
    """
    seen = shape.bins(hours[0][1] // 24)
    known = {b: median(kws) for b, kws in seen.items()}
    spreads = {b: _spread(kws, known[b]) for b, kws in seen.items()}
    day = [_nearest(known, b, level) for _, b in hours]
    mean = sum(day) / len(day)
    ratio = min(4.0, max(0.25, total_kw / mean)) if mean > 0 and total_kw > 0 else 1.0
    least = max(median(spreads.values()) / 2 if spreads else 0.0, LEAST_SPREAD * level)
    return tuple(_quarters(meter, hours, [kw * ratio for kw in day], [max(spreads.get(b, 0.0), least) for _, b in hours], shape.scatter))


def _quarters(
    meter: str, hours: Sequence[tuple[int, int]], kw: Sequence[float], spreads: Sequence[float], scatter: Sequence[float]
) -> Iterator[ExpectedPower]:
    for (start_ms, b), power, spread in zip(hours, kw, spreads, strict=True):
        half, w = BAND * math.sqrt(spread * spread + scatter[b]) * 1000, power * 1000
        lo, hi = max(0.0, w - half), w + half
        for quarter in range(4):
            yield ExpectedPower(meter, start_ms + quarter * _QUARTER_MS, w, lo, hi)


def _spread(kws: Sequence[float], middle: float) -> float:
    """Return 1.25 × the mean absolute deviation from the median, as it is ahead of time: × n/(n − 1)."""
    if len(kws) < 2:
        return 0.0
    return 1.25 * sum(abs(kw - middle) for kw in kws) / (len(kws) - 1)
