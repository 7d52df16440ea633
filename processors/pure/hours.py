"""Quarter-hours to hours to local days: the canonical step of detection is one hour of mean kW.

Source: docs/detection.md, "Interval data" and "Calendar". Instants are indexed by UTC and classified by local
time, so a doubled hour visits its bin twice and a skipped one not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Literal, Protocol

from driftwatt.readings import Quality
from processors.pure.outputs import IntervalEnergy

HOUR_MS = 3_600_000
BINS = 168
VALID_HOURS = 18
"""A local day counts from this many good hours on."""
MIN_COVERAGE = 0.5
WEDNESDAY, SATURDAY, SUNDAY = 2, 5, 6

DayClass = Literal["work_monday", "work", "saturday", "off"]
DOUBTFUL = ~int(Quality.INTEGRATED | Quality.ROLLOVER | Quality.CLOCK_UNCERTAIN)
"""Quality bits that keep an interval from being learned and judged; with the others the energy itself is sound."""


class SiteCalendar(Protocol):
    """What detection has to know of the plant's calendar."""

    def day_class(self, day: date) -> DayClass:
        """Return the class of a local day; holidays and Sundays are `off`, swap days `work`."""

    def closed(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether `[start_ms, end_ms)` touches an announced shutdown: stored, not learned, not judged."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour in the making or closed. `start_ms` is the local full hour, `hour` its number 0…23.

    `kwh` over `good_ms` is the energy of the good intervals; `squares` is Σ kW²·ms of them, for the scatter
    inside the hour; drivers are sums with their number of values.
    """

    start_ms: int
    ordinal: int
    hour: int
    kwh: float = 0.0
    good_ms: int = 0
    squares: float = 0.0
    temperature: float = 0.0
    temperatures: int = 0
    production: float = 0.0
    productions: int = 0

    @property
    def end_ms(self) -> int:
        """End of the hour."""
        return self.start_ms + HOUR_MS

    @property
    def kw(self) -> float | None:
        """Mean kW of the good intervals, None with less than half of the hour covered."""
        if self.good_ms < MIN_COVERAGE * HOUR_MS:
            return None
        return self.kwh * HOUR_MS / self.good_ms

    @property
    def scatter(self) -> float:
        """Mean square deviation of the intervals from the hour's mean, kW²."""
        if not self.good_ms:
            return 0.0
        mean = self.kwh * HOUR_MS / self.good_ms
        return max(0.0, self.squares / self.good_ms - mean * mean)


def hour_of(start_ms: int, zone: tzinfo) -> Hour:
    """Return the empty local hour that an instant lies in."""
    local = datetime.fromtimestamp(start_ms / 1000, zone)
    into_ms = (local.minute * 60 + local.second) * 1000 + start_ms % 1000
    return Hour(start_ms - into_ms, local.toordinal(), local.hour)


def add(hour: Hour, interval: IntervalEnergy, temperature: float | None, production: float | None) -> Hour:
    """Return the hour with one interval more; doubtful or thinly covered intervals count as missing."""
    kwh, good_ms, squares = hour.kwh, hour.good_ms, hour.squares
    if interval.coverage >= MIN_COVERAGE and not interval.quality & DOUBTFUL:
        length_ms = interval.end_ms - interval.start_ms
        energy = interval.import_wh / 1000
        kwh += energy
        good_ms += length_ms
        squares += (energy * HOUR_MS / length_ms) ** 2 * length_ms
    return Hour(
        hour.start_ms,
        hour.ordinal,
        hour.hour,
        kwh,
        good_ms,
        squares,
        hour.temperature + (temperature or 0.0),
        hour.temperatures + (temperature is not None),
        hour.production + (production or 0.0),
        hour.productions + (production is not None),
    )


@dataclass(frozen=True, slots=True)
class Day:
    """One local day in the making: its good hours in ascending time.

    `at` holds hours since the day's start, `hours` their local numbers (bytes, as both fit), `kw` their mean
    power and `scatter` the mean square deviation inside them. `weekday` is the row of the week whose bins the
    day uses: holidays use Sunday's, a worked Sunday Wednesday's.
    """

    ordinal: int
    start_ms: int
    day_class: DayClass
    weekday: int
    at: bytes = b""
    hours: bytes = b""
    kw: tuple[float, ...] = ()
    scatter: tuple[float, ...] = ()
    temperature: float = 0.0
    temperatures: int = 0
    production: float = 0.0
    productions: int = 0

    @property
    def valid(self) -> bool:
        """Enough good hours to be judged."""
        return len(self.kw) >= VALID_HOURS

    def bin(self, hour: int) -> int:
        """Return the hour-of-week bin of one of the day's hours."""
        return 24 * self.weekday + hour

    @property
    def bins(self) -> list[int]:
        """Hour-of-week bins of the good hours."""
        base = 24 * self.weekday
        return [base + hour for hour in self.hours]


def week_row(ordinal: int, day_class: DayClass) -> int:
    """Return the row of the week (Monday 0) whose bins a day of this class uses."""
    if day_class == "off":
        return SUNDAY
    weekday = (ordinal - 1) % 7
    return WEDNESDAY if weekday == SUNDAY else weekday


def day_start_ms(ordinal: int, zone: tzinfo) -> int:
    """Return the first instant of a local date."""
    day = date.fromordinal(ordinal)
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return round(midnight.timestamp() * 1000)


def day_of(hour: Hour, zone: tzinfo, calendar: SiteCalendar) -> Day:
    """Return the empty local day of an hour."""
    day_class = calendar.day_class(date.fromordinal(hour.ordinal))
    return Day(hour.ordinal, day_start_ms(hour.ordinal, zone), day_class, week_row(hour.ordinal, day_class))


def hours_of(day: Day, zone: tzinfo) -> list[tuple[int, int]]:
    """Return (start ms, bin) of every hour of a local day: 23, 24 or 25 of them."""
    found = []
    for count in range(26):
        start_ms = day.start_ms + count * HOUR_MS
        local = datetime.fromtimestamp(start_ms / 1000, zone)
        if local.toordinal() != day.ordinal:
            break
        found.append((start_ms, day.bin(local.hour)))
    return found


def append(day: Day, hour: Hour, kw: float | None) -> Day:
    """Return the day with one closed hour more. `kw` None: withheld or missing, only the drivers count."""
    kept = kw is not None
    return Day(
        day.ordinal,
        day.start_ms,
        day.day_class,
        day.weekday,
        day.at + bytes([(hour.start_ms - day.start_ms) // HOUR_MS]) if kept else day.at,
        day.hours + bytes([hour.hour]) if kept else day.hours,
        (*day.kw, kw) if kw is not None else day.kw,
        (*day.scatter, hour.scatter) if kept else day.scatter,
        day.temperature + hour.temperature,
        day.temperatures + hour.temperatures,
        day.production + hour.production,
        day.productions + hour.productions,
    )
