"""Power over time: energy where no counter tells it, and a second opinion on the counter that does.

Integration is the trapezoid rule between neighbouring readings, import and export apart. It never bridges a gap.
"""

from __future__ import annotations

from typing import NamedTuple

from processors.pure.counters import MS_PER_HOUR

LARGEST_W = 1e12
WATCH_MS = MS_PER_HOUR
_ENOUGH_READINGS = 60
_ODD = 1.8
_ODD_HOURS = 3
_WEIGHT = 0.2


class Integral(NamedTuple):
    """Power over time. `import_wh` and `export_wh` add up since the beginning; gaps add nothing.

    The unbroken run up to `t_ms` began at `since_ms`, when `import_wh` was `run_wh`. -1 is a time that never was.
    """

    t_ms: int = -1
    w: float = 0.0
    since_ms: int = -1
    run_wh: float = 0.0
    import_wh: float = 0.0
    export_wh: float = 0.0


class Watch(NamedTuple):
    """Counter against power since the last look: what was counted, integrated and read, and the usual ratio (0 is unknown)."""

    next_ms: int = -1
    counted: float = 0.0
    integrated: float = 0.0
    readings: int = 0
    ratio: float = 0.0
    odd_hours: int = 0


def integrate(integral: Integral, t_ms: int, w: float | None, gap_ms: int) -> Integral:
    """Take the power read at a later instant; None or nonsense changes nothing."""
    if w is None or not -LARGEST_W <= w <= LARGEST_W:
        return integral
    hours = (t_ms - integral.t_ms) / MS_PER_HOUR
    if integral.t_ms < 0 or t_ms - integral.t_ms > gap_ms:
        return Integral(t_ms, w, t_ms, integral.import_wh, integral.import_wh, integral.export_wh)
    before = integral.w
    return Integral(
        t_ms,
        w,
        integral.since_ms,
        integral.run_wh,
        integral.import_wh + (max(before, 0.0) + max(w, 0.0)) / 2 * hours,
        integral.export_wh - (min(before, 0.0) + min(w, 0.0)) / 2 * hours,
    )


def look(watch: Watch, t_ms: int, counted: float, integrated: float, *, least: float) -> tuple[Watch, float | None]:
    """Compare counter and power once an hour; both are totals. Returns by how much their ratio changed, or None.

    An hour counts with 60 readings and at least `least` Wh on both sides. Three hours in a row in which the ratio
    is 1.8 times off are a change, and the new ratio is the usual one from then on.
    """
    if t_ms < watch.next_ms:
        return Watch(watch.next_ms, watch.counted, watch.integrated, watch.readings + 1, watch.ratio, watch.odd_hours), None
    gained, summed = counted - watch.counted, integrated - watch.integrated
    fresh = Watch(t_ms + WATCH_MS, counted, integrated, 0, watch.ratio, watch.odd_hours)
    if watch.next_ms < 0 or watch.readings < _ENOUGH_READINGS or gained < least or summed < least:
        return fresh, None
    now = gained / summed
    if watch.ratio == 0:
        return fresh._replace(ratio=now), None
    change = now / watch.ratio
    if 1 / _ODD < change < _ODD:
        return fresh._replace(ratio=watch.ratio + _WEIGHT * (now - watch.ratio), odd_hours=0), None
    if watch.odd_hours + 1 < _ODD_HOURS:
        return fresh._replace(odd_hours=watch.odd_hours + 1), None
    return fresh._replace(ratio=now, odd_hours=0), change
