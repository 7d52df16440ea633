"""What explains use: outdoor temperature and production, by quarter-hour, from a meter's register, an MQTT topic or a file.

A temperature is the mean of the values in a quarter-hour. Production is counted: the step of a total (a pulse counter
never falls; a step down is a reset and counts nothing), or the units of a message. A quarter-hour without any value is
unknown, not zero. A meter's quarter-hour is judged with what is known when it closes, two minutes after its end.

>>> line = Series("production")
>>> line.total(0, 100.0); line.total(600_000, 130.0); line.total(1_500_000, 150.0)
>>> line.at(0), line.at(900_000), line.at(1_800_000)
(30.0, 20.0, None)
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from driftwatt.readings import Reading
from processors.pure.outputs import DriverHour

QUARTER_MS, QUARTERS, KEPT = 900_000, 4, 100 * 96
"""A hundred days are kept."""
LONGEST_STEP_MS = 3_600_000
"""A total that was silent for longer is not spread over the hours between."""
COLDEST, HOTTEST = -60.0, 70.0
"""°C outdoors. A sensor that is cut off says -127, one that has just started 85."""
MOST_BYTES = 4096
_ROW = struct.Struct("<qdd")
Kind = Literal["temperature", "production"]


@dataclass(slots=True)
class Series:
    """One driver: sum and count of its values by quarter-hour; `changed` since it was last kept.

    `fresh` tells of a new quarter-hour since `hours` was asked, `told` up to which hour it answered.
    """

    kind: Kind
    quarters: dict[int, tuple[float, float]] = field(default_factory=dict)
    last: tuple[int, float] | None = None
    changed: bool = False
    fresh: bool = False
    told: int = 0

    def add(self, t_ms: int, value: float) -> None:
        """Take a value that stands for the time just before `t_ms`: a temperature, or units made."""
        if self.kind == "temperature" and not COLDEST <= value <= HOTTEST:
            return
        key = (t_ms - 1) // QUARTER_MS
        total, count = self.quarters.get(key, (0.0, 0.0))
        if key not in self.quarters:
            self.changed = self.fresh = True
            while len(self.quarters) >= KEPT:
                del self.quarters[min(self.quarters)]
        self.quarters[key] = total + value, count + 1

    def total(self, t_ms: int, count: float) -> None:
        """Take the total of a counter."""
        last, self.last = self.last, (t_ms, count)
        if last is not None and 0 < t_ms - last[0] <= LONGEST_STEP_MS:
            self.add(t_ms, max(0.0, count - last[1]))

    def at(self, start_ms: int) -> float | None:
        """Return the mean temperature or the units of a quarter-hour, None where nothing is known."""
        found = self.quarters.get(start_ms // QUARTER_MS)
        if found is None:
            return None
        return found[0] / found[1] if self.kind == "temperature" else found[0]

    def units(self, start_ms: int, end_ms: int) -> tuple[float, float]:
        """Return the units made in a span and the share 0…1 of its quarter-hours that are known."""
        keys = range(start_ms // QUARTER_MS, max(start_ms // QUARTER_MS + 1, -(-end_ms // QUARTER_MS)))
        known = [self.quarters[key][0] for key in keys if key in self.quarters]
        return sum(known), len(known) / len(keys)

    def hours(self, driver: str) -> list[DriverHour]:
        """Return the hours that are over since this was last asked, oldest first: a value of a later one is there."""
        if not self.fresh:
            return []
        self.fresh = False
        newest, out = max(self.quarters) // QUARTERS, []
        for hour in range(max(self.told, min(self.quarters) // QUARTERS), newest):
            known = [each for key in range(QUARTERS * hour, QUARTERS * (hour + 1)) if (each := self.at(key * QUARTER_MS)) is not None]
            if known:
                value = sum(known) / len(known) if self.kind == "temperature" else sum(known)
                out.append(DriverHour(driver, hour * QUARTERS * QUARTER_MS, value, len(known) / QUARTERS))
        self.told = newest
        return out

    def dump(self) -> bytes:
        """Return what is known as bytes."""
        self.changed = False
        last = self.last or (-1, 0.0)
        rows = [(-1, float(last[0]), last[1]), *((key, *self.quarters[key]) for key in sorted(self.quarters))]
        return zlib.compress(b"".join(_ROW.pack(*row) for row in rows))

    def load(self, data: bytes) -> None:
        """Take over what was dumped; what is damaged is nothing known."""
        try:
            rows = list(_ROW.iter_unpack(zlib.decompress(data)))
        except (zlib.error, struct.error):
            return
        self.quarters = {key: (total, count) for key, total, count in rows if key >= 0}
        self.fresh = bool(self.quarters)
        for key, t_ms, count in rows:
            if key < 0 <= t_ms:
                self.last = int(t_ms), count


@dataclass(slots=True)
class Drivers:
    """All drivers of a plant by id; `sources` are registers (meter, quantity), `topics` MQTT topics, with the id they feed."""

    series: dict[str, Series] = field(default_factory=dict)
    sources: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)

    def feed(self, readings: Iterable[Reading]) -> None:
        """Take what meters said that drive others; quantities that count are totals."""
        for reading in readings:
            for quantity, driver in self.sources.get(reading.meter, ()):
                value = reading.values.get(quantity)
                if value is not None:
                    self._take(driver, reading.t_ms, value)

    def message(self, topic: str, payload: bytes, now_ms: int) -> bool:
        """Take a message of a driver's topic; False for any other. What is not a number is nothing."""
        driver = self.topics.get(topic)
        if driver is None:
            return False
        told = _number(payload)
        if told is None:
            return True
        value, counted = told
        if counted:
            self._take(driver, now_ms, value)
        elif value >= 0:
            self.series[driver].add(now_ms, value)
        return True

    def _take(self, driver: str, t_ms: int, value: float) -> None:
        line = self.series[driver]
        if line.kind == "production":
            line.total(t_ms, value)
        else:
            line.add(t_ms, value)

    def hours(self) -> list[DriverHour]:
        """Return the hours of all drivers that are over since this was last asked, of a new life once more: a store keeps the first."""
        return [hour for driver, line in self.series.items() for hour in line.hours(driver)]

    def inherit(self, before: Drivers | None) -> None:
        """Go on with what was known before the plant file was read again."""
        for driver, line in (before.series if before else {}).items():
            mine = self.series.get(driver)
            if mine is not None and mine.kind == line.kind and not mine.quarters:
                mine.quarters, mine.last, mine.changed, mine.told = line.quarters, line.last, True, line.told

    def parts(self) -> dict[tuple[str, str], bytes]:
        """Return what has to be kept, as parts of the state beside those of the meters."""
        return {(f"~{driver}", "driver"): line.dump() for driver, line in self.series.items() if line.changed}

    def restore(self, parts: Mapping[str, Mapping[str, bytes]]) -> None:
        """Go on with what was kept; what a file already said stays."""
        for driver, line in self.series.items():
            kept = parts.get(f"~{driver}", {}).get("driver")
            if kept and not line.quarters:
                line.load(kept)


@dataclass(frozen=True, slots=True)
class Driven:
    """The drivers of one meter, and the book they are part of."""

    book: Drivers
    temperature: Series | None = None
    production: Series | None = None

    def at(self, start_ms: int) -> tuple[float | None, float | None]:
        """Return (temperature °C, units made) of a quarter-hour, None where nothing is known."""
        return (
            self.temperature.at(start_ms) if self.temperature else None,
            self.production.at(start_ms) if self.production else None,
        )


def _number(payload: bytes) -> tuple[float, bool] | None:
    """Return (value, whether it is a total or temperature rather than units just made), None for what says no number.

    >>> _number(b"12.5"), _number(b'{"value": 7}'), _number(b'{"units": 3}'), _number(b"NaN"), _number(b"[]")
    ((12.5, True), (7.0, True), (3.0, False), None, None)
    """
    if len(payload) > MOST_BYTES:
        return None
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    counted = not (isinstance(told, dict) and "units" in told)
    value = told.get("value" if counted else "units") if isinstance(told, dict) else told
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value), counted
