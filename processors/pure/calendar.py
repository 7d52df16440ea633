"""Local days and the plant's calendar: where a day begins and ends, which class it has, when it is closed.

Instants are UTC milliseconds; days and shifts are the plant's (an IANA zone). Days of 23 and 25 hours are
normal days. Which dates are public holidays is decided in processors/policies.py and comes in as a set.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

DayClass = Literal["work_monday", "work", "saturday", "off"]
MONDAY, SATURDAY, SUNDAY = 0, 5, 6
DAY_MINUTES = 1440
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local(zone: tzinfo, t_ms: int) -> datetime:
    """Return an instant as wall-clock time in `zone`."""
    return (_EPOCH + timedelta(milliseconds=t_ms)).astimezone(zone)


def wall_ms(zone: tzinfo, wall: datetime) -> int:
    """Return the instant of a wall-clock time without offset; the first one where the clock shows it twice."""
    return (wall.replace(tzinfo=zone, fold=0) - _EPOCH) // timedelta(milliseconds=1)


def day_start_ms(zone: tzinfo, day: date) -> int:
    """Return the first instant of a local day. Where the clock skips midnight, that is the moment after the skip."""
    return wall_ms(zone, datetime.combine(day, time()))


def day_bounds(zone: tzinfo, t_ms: int) -> tuple[int, int]:
    """Return start and end of the local day that holds an instant: 23, 24 or 25 hours apart as a rule.

    Days follow each other without overlap; where a clock is put back over midnight, the new day keeps what it has.
    """
    day = local(zone, t_ms).date()
    start_ms, end_ms = day_start_ms(zone, day), day_start_ms(zone, day + timedelta(days=1))
    while end_ms <= t_ms:
        day += timedelta(days=1)
        start_ms, end_ms = end_ms, day_start_ms(zone, day + timedelta(days=1))
    return start_ms, end_ms


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of one weekday: minutes from that day's midnight (`end` may be over 1440) and its name."""

    begin: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class ClosedWindow:
    """An announced shutdown `[from_ms, to_ms)`: stored, not judged, not learned; from the plant file, or `set_on_page`."""

    from_ms: int
    to_ms: int
    note: str = ""
    set_on_page: bool = False


@dataclass(frozen=True, slots=True)
class DayCalendar:
    """The calendar of one meter.

    `off_days` are holidays, `work_days` swap days that are worked although they are a holiday or weekend; `week`
    maps a weekday (Monday is 0) to its shifts, empty when the plant named none. `closed_windows` are ascending
    by start.
    """

    zone: tzinfo
    off_days: frozenset[date] = frozenset()
    work_days: frozenset[date] = frozenset()
    week: Mapping[int, tuple[Shift, ...]] = field(default_factory=dict)
    closed_windows: tuple[ClosedWindow, ...] = ()

    def day_class(self, day: date) -> DayClass:
        """Return the class of a local day. Swap days are `work`; a Sunday with shifts of its own is `work`, too."""
        weekday = day.weekday()
        if day in self.work_days:
            return "work_monday" if weekday == MONDAY else "work"
        if day in self.off_days:
            return "off"
        if weekday == SATURDAY:
            return "saturday"
        if weekday == SUNDAY:
            return "work" if self.week.get(SUNDAY) else "off"
        if self.week and not self.week.get(weekday):
            return "off"
        return "work_monday" if weekday == MONDAY else "work"

    def closed(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether `[start_ms, end_ms)` touches an announced shutdown."""
        windows = self.closed_windows  # asked every hour, and mostly there is none
        return bool(windows) and any(shut.from_ms < end_ms and start_ms < shut.to_ms for shut in windows)

    def shifts(self, day: date) -> tuple[Shift, ...]:
        """Return the shifts that begin on a local day, ascending; none on days off."""
        if self.day_class(day) == "off":
            return ()
        if day in self.work_days and not self.week.get(day.weekday()):
            return self.week.get(MONDAY, ())
        return self.week.get(day.weekday(), ())

    def shift_at(self, t_ms: int) -> Shift | None:
        """Return the shift that runs at an instant, by wall clock, or None."""
        wall = local(self.zone, t_ms)
        minute = wall.hour * 60 + wall.minute
        for back in (0, 1):
            for shift in self.shifts(wall.date() - timedelta(days=back)):
                if shift.begin <= minute + back * DAY_MINUTES < shift.end:
                    return shift
        return None


def wall_changes_ms(zone: tzinfo, start_ms: int, end_ms: int, minutes: frozenset[int]) -> list[int]:
    """Return the instants in `[start_ms, end_ms)` at which the wall clock passes one of `minutes` or jumps, ascending.

    `start_ms` is always the first of them. `minutes` count from midnight, 0 ≤ minute < 1440.
    """
    day = local(zone, start_ms).date()
    found = {start_ms}
    for minute in minutes:
        for fold in (0, 1):
            wall = datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone)
            found.add((wall - _EPOCH) // timedelta(milliseconds=1))
    found.update(_jumps_ms(zone, start_ms, end_ms))
    return sorted(t_ms for t_ms in found if start_ms <= t_ms < end_ms)


def _jumps_ms(zone: tzinfo, start_ms: int, end_ms: int) -> list[int]:
    """Return the instant at which the zone's offset changes between two instants less than a few days apart."""
    before, after = local(zone, start_ms).utcoffset(), local(zone, end_ms - 1).utcoffset()
    if before == after:
        return []
    steps = range(start_ms, end_ms, 60_000)
    return [steps[bisect_right(steps, 0, key=lambda t_ms: int(local(zone, t_ms).utcoffset() != before))]]
