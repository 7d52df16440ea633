"""Quarter-hours to hours to local days: the canonical step of detection is one hour of mean kW.

Source: docs/detection.md, "Interval data" and "Calendar". Instants are indexed by UTC and classified by local
time, so a doubled hour visits its bin twice and a skipped one not at all. Hours are counted from the local
midnight; the clock of a local day is looked up once and shared by all meters of its zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from math import inf
from typing import Literal, NamedTuple, Protocol

from driftwatt.readings import Quality

_new = tuple.__new__
HOUR_MS = 3_600_000
BINS = 168
MIN_COVERAGE = 0.5
LEAST_MS = round(MIN_COVERAGE * HOUR_MS)
WEDNESDAY, SATURDAY, SUNDAY = 2, 5, 6

DayClass = Literal["work_monday", "work", "saturday", "off"]
DOUBTFUL = ~int(Quality.INTEGRATED | Quality.ROLLOVER | Quality.CLOCK_UNCERTAIN)
"""Quality bits that keep an interval from being learned and judged; with the others the energy itself is sound."""
EVEN = bytes(range(24))
"""The local hours of a day on which the clock does not change."""
ALL_DAY = (1 << 24) - 1


class SiteCalendar(Protocol):
    """What detection has to know of the plant's calendar."""

    def day_class(self, day: date) -> DayClass:
        """Return the class of a local day; holidays and Sundays are `off`, swap days `work`."""

    def closed(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether `[start_ms, end_ms)` touches an announced shutdown: stored, not learned, not judged."""


class Clock(NamedTuple):
    """A local date: its ordinal, its first instant, the first of the next, and the local number of each of its hours."""

    ordinal: int
    start_ms: int
    end_ms: int
    hours: bytes


Plain = tuple[int, int, float, tuple[float, ...]]
"""Where hours of a day are plain, a bare tuple as it is looked at every hour: start, end, least kW, most kW of each hour."""


class Day(NamedTuple):
    """A local day and the row of the week it uses: holidays use Sunday's, a Sunday or Saturday named as a working day Wednesday's.

    `base` is the first bin of that row. An hour inside `plain` is plain: neither the gate nor the fast test has
    anything to say about it.
    """

    clock: Clock
    day_class: DayClass
    base: int
    plain: Plain


def places_of(at: int) -> bytes:
    """Return the hours since a day's start that are set in `at`, one bit per hour.

    >>> list(places_of(0b100001)), places_of(ALL_DAY) is EVEN
    ([0, 5], True)
    """
    if not at & at + 1 and at <= ALL_DAY:  # none is missing
        return EVEN[: at.bit_length()]
    return bytes(place for place in range(at.bit_length()) if at >> place & 1)


def bins_of(hours: bytes, at: int, base: int) -> bytes:
    """Return the bins of the hours set in `at`.

    >>> list(bins_of(EVEN, 0b100001, 24))
    [24, 29]
    """
    if not at & at + 1 and hours == EVEN:
        return ROWS[base // 24][: at.bit_length()]
    return bytes([base + hours[place] for place in places_of(at)])


ROWS = tuple(bytes(range(base, base + 24)) for base in range(0, BINS, 24))


def week_row(ordinal: int, day_class: DayClass) -> int:
    """Return the row of the week (Monday 0) whose bins a day of this class uses."""
    if day_class == "off":
        return SUNDAY
    weekday = (ordinal - 1) % 7
    return WEDNESDAY if weekday == SUNDAY or (weekday == SATURDAY and day_class == "work") else weekday


@lru_cache(maxsize=4096)
def day_start_ms(ordinal: int, zone: tzinfo) -> int:
    """Return the first instant of a local date."""
    day = date.fromordinal(ordinal)
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return round(midnight.timestamp() * 1000)


@lru_cache(maxsize=4096)
def clock_of(ordinal: int, zone: tzinfo) -> Clock:
    """Return the clock of a local date: 23, 24 or 25 hours as a rule."""
    start_ms, end_ms = day_start_ms(ordinal, zone), day_start_ms(ordinal + 1, zone)
    if end_ms - start_ms == 24 * HOUR_MS:
        return Clock(ordinal, start_ms, end_ms, EVEN)
    hours = bytes(datetime.fromtimestamp(at_ms / 1000, zone).hour for at_ms in range(start_ms, end_ms, HOUR_MS))
    return Clock(ordinal, start_ms, end_ms, hours)


def day_of(t_ms: int, zone: tzinfo, calendar: SiteCalendar, before: Clock | None = None) -> Day:
    """Return the empty local day of an instant; `before` is the clock of an earlier day, mostly of the day before."""
    clock = clock_of(before.ordinal + 1, zone) if before else None
    if clock is None or not clock.start_ms <= t_ms < clock.end_ms:
        ordinal = datetime.fromtimestamp(t_ms / 1000, zone).toordinal()
        clock = clock_of(ordinal if day_start_ms(ordinal, zone) <= t_ms else ordinal - 1, zone)
    day_class = calendar.day_class(date.fromordinal(clock.ordinal))
    return _new(Day, (clock, day_class, 24 * week_row(clock.ordinal, day_class), (clock.start_ms, clock.end_ms, inf, ())))


def hours_of(day: Day) -> list[tuple[int, int]]:
    """Return (start ms, bin) of every hour of a local day."""
    return [(day.clock.start_ms + place * HOUR_MS, day.base + hour) for place, hour in enumerate(day.clock.hours)]
