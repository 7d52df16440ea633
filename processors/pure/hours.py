"""Quarter-hours to hours to local days: the canonical step of detection is one hour of mean kW.

Source: the method of docs/detection.md, "Interval data" and "Calendar and occupancy". Instants are indexed by
UTC and classified by local time, so a doubled hour visits its bin twice and a skipped one not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Literal, Protocol

from driftwatt.readings import Quality
from processors.pure.outputs import IntervalEnergy

HOUR_MS = 3_600_000
BINS = 168
VALID_HOURS = 18
"""A local day counts from this many good hours on."""
MIN_COVERAGE = 0.5
SUNDAY = 6
WEDNESDAY = 2

DayClass = Literal["work_monday", "work", "saturday", "off"]
LEARNABLE = int(Quality.INTEGRATED | Quality.ROLLOVER | Quality.CLOCK_UNCERTAIN)
"""Quality bits that do not keep an interval from being learned: the energy itself is sound."""


class SiteCalendar(Protocol):
    """What detection has to know of the plant's calendar."""

    def day_class(self, day: date) -> DayClass:
        """Return the class of a local day; holidays and Sundays are `off`, swap days `work`."""

    def closed(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether `[start_ms, end_ms)` touches an announced shutdown: stored, not learned, not judged."""
