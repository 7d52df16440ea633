"""What detection remembers of a meter beyond the open day: the last days, the charts and the level of learning."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from processors.pure.baseline import TERMS
from processors.pure.channels import CHANNELS, Chart, Seen
from processors.pure.expected import Shape
from processors.pure.hours import HOUR_MS
from processors.pure.schedule import Schedule

DAYS = 60
"""So many past valid days are kept."""


@dataclass(frozen=True, slots=True)
class Past:
    """One valid day that is over.

    `at` are hours since `start_ms` (bytes), `bins` their hour-of-week bins (bytes), `kw` their mean powers.
    `ys` and `rs` are value and residual per channel in the order of CHANNELS, in shares of L, None where the
    channel had too few hours; `thetas` are the baselines after it, without trailing zeros. `weekday` is the
    row of the week used, `group` 0 for working days, else 1.
    """

    ordinal: int
    start_ms: int
    weekday: int
    group: int
    z: tuple[float, ...]
    at: bytes
    bins: bytes
    kw: tuple[float, ...]
    ys: tuple[float | None, ...] = ()
    rs: tuple[float | None, ...] = ()
    thetas: tuple[tuple[float, ...], ...] = ()
    cache: list[bytes] = field(default_factory=list, compare=False, repr=False)

    def but(self, **changes: Any) -> Past:
        """Return the day with some fields changed; kept bytes do not follow."""
        return replace(self, cache=[], **changes)

    def hours(self) -> list[tuple[int, int, float]]:
        """Return (start ms, bin, kW) of the good hours."""
        return [(self.start_ms + at * HOUR_MS, b, kw) for at, b, kw in zip(self.at, self.bins, self.kw, strict=True)]


@dataclass(frozen=True, slots=True)
class Memory:
    """Changes once a day. `days` are the last valid days, oldest first; before `schedule` is learned, the buffer.

    `valid_days` counts all valid days ever, `first` is the ordinal of the first. `work` and `off` are the means
    of working and free days in kW with their weights' counts; `production` the mean of the driver over the
    learning period with its count of days; `weather` the last known CDD/10 and HDD/10.
    `readiness` is the state last told. `false_alarms` counts dismissed events.
    """

    days: tuple[Past, ...] = ()
    valid_days: int = 0
    first: int = 0
    schedule: Schedule | None = None
    charts: tuple[Chart, ...] = tuple(Chart() for _ in CHANNELS)
    shape: Shape | None = None
    work: float = 0.0
    works: int = 0
    off: float = 0.0
    offs: int = 0
    production: float = 0.0
    productions: int = 0
    weather: tuple[float, float] = (0.0, 0.0)
    readiness: str = ""
    false_alarms: int = 0
    cache: list[bytes] = field(default_factory=list, compare=False, repr=False)

    def but(self, **changes: Any) -> Memory:
        """Return the memory with some fields changed; kept bytes do not follow."""
        return replace(self, cache=[], **changes)

    def clean_before(self, ordinal: int) -> tuple[tuple[float, ...], ...]:
        """Return θ of every channel as it was before a day: the clean reference of what began on it."""
        found = self.days[0].thetas if self.days else ()
        for day in self.days:
            if day.ordinal >= ordinal:
                break
            found = day.thetas
        return tuple(theta + (0.0,) * (TERMS - len(theta)) for theta in found)

    def noted(self) -> Memory:
        """Return the memory with the present baselines noted as those after the last day."""
        last = self.days[-1].but(thetas=tuple(_trimmed(chart.ridge.theta) for chart in self.charts))
        return self.but(days=(*self.days[:-1], last))

    def seen(self, channel: int) -> list[Seen]:
        """Return the last days as the chart of one channel (its place in CHANNELS) saw them."""
        found = []
        for day in self.days:
            if len(day.ys) > channel:
                y, r = day.ys[channel], day.rs[channel]
                if y is not None and r is not None:
                    found.append(Seen(day.ordinal, day.z, y, r, day.group))
        return found


def _trimmed(theta: tuple[float, ...]) -> tuple[float, ...]:
    kept = len(theta)
    while kept and theta[kept - 1] == 0.0:
        kept -= 1
    return theta[:kept]
