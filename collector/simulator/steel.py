"""The recorded year of a steel plant as a load that goes on for ever. Source and licence: data/ATTRIBUTION.txt.

The recording keeps its own wall clock: 2018-01-01 00:00 in Seoul is a Monday, and it is served on a Monday at
00:00 of the plant's wall clock, moved by whole weeks. After 52 weeks it begins again; its last day is not used.
"""

from __future__ import annotations

import csv
import gzip
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files

RECORDED_MONDAY = date(2018, 1, 1)
SHIFT_WEEKS = 417
WEEKS = 52
_SLOTS_A_DAY = 96
_SLOTS_A_WEEK = 7 * _SLOTS_A_DAY
_MONDAY_DAY = (RECORDED_MONDAY - date(1970, 1, 1)).days
_SEOUL = timedelta(hours=9)


@dataclass(frozen=True, slots=True)
class SteelYear:
    """The recording: kWh per quarter-hour from its first local midnight on, and its holidays (recorded dates)."""

    kwh: array[float]
    holidays: frozenset[date]

    def mean_w(self, local_slot: int) -> float:
        """Return the mean power in W of a quarter-hour, counted since 1970 on the plant's wall clock."""
        return self.kwh[_recorded_slot(local_slot)] * 4000.0

    def holidays_between(self, first: date, last: date) -> Iterator[date]:
        """Yield the plant's dates from `first` to `last` on which the recording has a holiday."""
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            if recorded_date(day) in self.holidays:
                yield day


def recorded_date(day: date) -> date:
    """Return the date of 2018 whose load is served on a plant's date; the weekday is the same."""
    slot = _recorded_slot((day - date(1970, 1, 1)).days * _SLOTS_A_DAY)
    return RECORDED_MONDAY + timedelta(days=slot // _SLOTS_A_DAY)


def load_year() -> SteelYear:
    """Return the recording that is shipped with the package."""
    kwh = array("d")
    holidays = set()
    packed = files("collector.simulator").joinpath("data/steel_2018.csv.gz").read_bytes()
    for row in csv.DictReader(gzip.decompress(packed).decode().splitlines()):
        kwh.append(float(row["value"]))
        if row["holiday"] == "1":
            holidays.add((datetime.fromisoformat(row["timestamp"].removesuffix("Z")) + _SEOUL).date())
    return SteelYear(kwh, frozenset(holidays))


def _recorded_slot(local_slot: int) -> int:
    week, within = divmod(local_slot - _MONDAY_DAY * _SLOTS_A_DAY, _SLOTS_A_WEEK)
    return (week - SHIFT_WEEKS) % WEEKS * _SLOTS_A_WEEK + within
