"""What detection remembers of a meter beyond the open day: the last days, the charts and the level of learning.

Numbers of days that are over are kept as float32, and everything computed from them later starts from those, so
that a state read back from bytes goes on exactly as one that was never written.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from processors.pure.baseline import TERMS
from processors.pure.channels import CHANNELS, Chart, Seen
from processors.pure.expected import Shape
from processors.pure.fast import Usual
from processors.pure.gate import Profile
from processors.pure.heard import Heard
from processors.pure.hours import HOUR_MS, DayClass, places_of
from processors.pure.schedule import Schedule
from processors.pure.yearly import Yearly

DAYS = 60
"""So many past valid days are kept."""
COPIES_DAILY, COPIES_WEEKLY = 14, 70
COPIES_MOST = 30
"""Copies of all baselines are kept for so many days: of each day, then of the last of each week and of each re-base."""
_new = tuple.__new__
REST_CLASSES = ("saturday", "off")


class Past(NamedTuple):
    """One valid day that is over.

    `at` has a bit for each good hour since `start_ms`, `bins` are their hour-of-week bins (bytes), `kw` their mean
    powers (float32). `day_class` may be `off` by inference. `ys` and `rs` are value and residual per channel in the order
    of CHANNELS, in shares of L; a value is None where the channel had too few hours; both are empty before there is a schedule.
    """

    ordinal: int
    start_ms: int
    day_class: DayClass
    z: tuple[float, ...]
    at: int
    bins: bytes
    kw: array[float]
    ys: tuple[float | None, ...] = ()
    rs: array[float] = array("f")

    @property
    def group(self) -> int:
        """0 for working days, else 1."""
        return 1 if self.day_class in REST_CLASSES else 0

    @property
    def weekday(self) -> int:
        """The row of the week used."""
        return self.bins[0] // 24

    def hours(self) -> list[tuple[int, int, float]]:
        """Return (start ms, bin, kW) of the good hours."""
        return [(self.start_ms + at * HOUR_MS, b, kw) for at, b, kw in zip(places_of(self.at), self.bins, self.kw, strict=True)]

    def pairs(self) -> list[tuple[int, float]]:
        """Return (bin, kW) of the good hours."""
        return list(zip(self.bins, self.kw, strict=True))


class Copy(NamedTuple):
    """The baselines of all channels as they were after a day, one after the other (float32).

    7 terms each. `moved`: a chart was re-based on that day, so no other copy stands for it.
    """

    ordinal: int
    theta: array[float]
    moved: bool = False


Means = tuple[float, int, float, int, Heard]
"""The slow means of a Memory, `work` to `heard`."""


class Memory(NamedTuple):
    """Changes once a day, and by answers. `days` are the last valid days, oldest first; before `schedule` is learned, the buffer.

    `valid_days` counts all valid days ever, `first` is the ordinal of the first. `charts` has one per channel,
    `copies` the baselines of earlier weeks. `shape` is the calm week, `profile` the gate's, `usual` that of the
    fast test. `work` and `off` are the means of working and free days in kW with their weights' counts, `heard` is what
    its drivers said. `readiness` is the state last told. `false_alarms` counts dismissed events. `yearly`
    is the reference of the first twelve months. `unfit` counts the valid days in a row on which the meter was not fit and its
    total frozen.
    """

    days: tuple[Past, ...] = ()
    valid_days: int = 0
    first: int = 0
    schedule: Schedule | None = None
    charts: tuple[Chart, ...] = tuple(Chart() for _ in CHANNELS)
    copies: tuple[Copy, ...] = ()
    shape: Shape | None = None
    profile: Profile = Profile()
    usual: Usual | None = None
    work: float = 0.0
    works: int = 0
    off: float = 0.0
    offs: int = 0
    heard: Heard = Heard()
    readiness: str = ""
    false_alarms: int = 0
    yearly: Yearly = Yearly()
    unfit: int = 0

    @property
    def means(self) -> Means:
        """All from `work` to `heard`."""
        return self[9:14]

    def clean_before(self, ordinal: int) -> tuple[tuple[float, ...], ...]:
        """Return θ of every channel from the last copy made before a day: the clean reference of what began on it."""
        found = self.copies[0].theta
        for copy in self.copies:
            if copy.ordinal >= ordinal:
                break
            found = copy.theta
        return tuple(tuple(found[at : at + TERMS]) for at in range(0, len(found), TERMS))

    def noted(self, ordinal: int, *, moved: bool) -> Memory:
        """Return the memory with a copy of the present baselines as those after a day."""
        return self._replace(copies=with_copy(self.copies, ordinal, self.charts, moved=moved))

    def seen(self, channel: int) -> list[Seen]:
        """Return the last days as the chart of one channel (its place in CHANNELS) saw them."""
        return seen(self.days, channel)


def seen(days: Sequence[Past], channel: int) -> list[Seen]:
    """Return days as the chart of one channel saw them."""
    found = []
    for day in days:
        if len(day.ys) > channel:
            y, r = day.ys[channel], day.rs[channel]
            if y is not None:
                found.append(Seen(day.ordinal, day.z, y, r, day.group))
    return found


def with_copy(copies: tuple[Copy, ...], ordinal: int, charts: Sequence[Chart], *, moved: bool) -> tuple[Copy, ...]:
    """Return the copies with one more, or another one for the same day; older weeks are thinned out once a week."""
    terms: list[float] = []
    for chart in charts:
        terms += chart.ridge.theta
    theta = array("f", terms)
    if copies and copies[-1].ordinal == ordinal:
        copies = copies[:-1]
    if ordinal % 7 == 0:
        fresh, old = ordinal - COPIES_DAILY, ordinal - COPIES_WEEKLY
        kept = [each for each in copies if each.ordinal > fresh or ((each.moved or each.ordinal % 7 == 0) and each.ordinal > old)]
        copies = tuple(kept[-COPIES_MOST:])
    return (*copies, _new(Copy, (ordinal, theta, moved)))
