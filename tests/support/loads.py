"""Seeded synthetic loads for detection: two-shift machines and offices with drift, noise and faults."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from processors.pure.detector import DetectorState, Settings, begin, on_interval
from processors.pure.hours import DayClass
from processors.pure.outputs import IntervalEnergy, Output, WasteFinding

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
QUARTER_MS = 900_000
DAY_MS = 86_400_000
MONDAY_MS = round(datetime(2026, 7, 6, tzinfo=ZONE).timestamp() * 1000)
Fault = Callable[[float, float, bool], float]
"""Extra kW by (days since the start, usual kW, running)."""


@dataclass(frozen=True)
class PlainCalendar:
    """Sundays are off; `shut` are days announced as closed."""

    shut: frozenset[date] = frozenset()

    def day_class(self, day: date) -> DayClass:
        weekday = day.weekday()
        return "off" if weekday == 6 else "saturday" if weekday == 5 else "work_monday" if weekday == 0 else "work"

    def closed(self, start_ms: int, end_ms: int) -> bool:
        del end_ms
        return datetime.fromtimestamp(start_ms / 1000, ZONE).date() in self.shut


SETTINGS = Settings("m", ZONE, PlainCalendar())


@dataclass(frozen=True)
class Load:
    """A machine that runs 06:00–22:00 on `workdays` days a week, with noise of the quarter-hours.

    `drift` is AR(1) with ρ 0.5 from day to day; `quarters` is the number of quarter-hours per interval (1 or 4).
    """

    seed: int
    night: float = 4.1
    night_noise: float = 0.3
    run: float = 23.0
    run_noise: float = 3.0
    drift: float = 0.02
    workdays: int = 6
    quarters: int = 1

    def intervals(
        self, days: int, fault: Fault | None = None, *, first_ms: int = MONDAY_MS, scale: float = 1.0
    ) -> Iterator[IntervalEnergy]:
        rng = random.Random(self.seed)
        level = 0.0
        for day in range(days):
            level = 0.5 * level + rng.gauss(0, self.drift * math.sqrt(0.75))
            for quarter in range(0, 96, self.quarters):
                running = day % 7 < self.workdays and 24 <= quarter < 88
                mean, noise = (self.run, self.run_noise) if running else (self.night, self.night_noise)
                kw = max(0.0, mean * (1 + level) + rng.gauss(0, noise / math.sqrt(self.quarters)))
                if fault is not None:
                    kw += fault(day + quarter / 96, kw, running)
                start_ms = first_ms + day * DAY_MS + quarter * QUARTER_MS
                yield IntervalEnergy("m", "15m", start_ms, start_ms + self.quarters * QUARTER_MS, kw * 250 * self.quarters * scale)


def watch(
    intervals: Iterable[IntervalEnergy], settings: Settings = SETTINGS, state: DetectorState | None = None
) -> tuple[DetectorState, list[Output]]:
    """Show intervals to a detector and return its last state and everything it said."""
    state = begin(settings) if state is None else state
    outputs: list[Output] = []
    for interval in intervals:
        state, said = on_interval(state, interval, settings)
        outputs += said
    return state, outputs


def waste(outputs: Iterable[Output], state: str = "opened") -> list[WasteFinding]:
    """Return the waste findings of one state."""
    return [each for each in outputs if isinstance(each, WasteFinding) and each.state == state]


def nights_on(kw: float, since: float) -> Fault:
    """Leave something on outside running hours."""
    return lambda day, _usual, running: kw if day >= since and not running else 0.0


def step(kw: float, since: float, until: float = math.inf) -> Fault:
    """Add a load round the clock."""
    return lambda day, _usual, _running: kw if since <= day < until else 0.0
