"""Everything that waste detection remembers of one meter."""

from __future__ import annotations

from typing import NamedTuple

from processors.pure.fast import CALM, Fast
from processors.pure.gate import Gate
from processors.pure.heard import Drivers
from processors.pure.hours import HOUR_MS, LEAST_MS, Day, bins_of, places_of
from processors.pure.ledger import Event
from processors.pure.memory import Memory

VALID_HOURS = 18
"""A local day counts from this many good hours on."""


class DetectorState(NamedTuple):
    """Immutable: a change is a new object.

    `seen_ms` is the end of the last interval taken. The hour in the making ends at `until_ms` (0: there is none);
    `kwh` over `good_ms` is the energy of its good intervals, `squares` is Σ kW²·ms of them. `day` is the local day in
    the making; `behind` counts its last hours that were plain, so that the gate was not asked about them yet; `at` has
    a bit for each good hour since its start, `kw` their mean powers in time, `scatter` the mean
    square deviation inside them (empty while all are zero), `drivers` the sums of the drivers. `gate` and `fast` go
    from hour to hour; `events` are the open waste events, oldest first. `memory` is the large part: it stays the
    same object for as long as no day is closed and nothing answered.
    """

    seen_ms: int = 0
    until_ms: int = 0
    kwh: float = 0.0
    good_ms: int = 0
    squares: float = 0.0
    day: Day | None = None
    behind: int = 0
    at: int = 0
    kw: tuple[float, ...] = ()
    scatter: tuple[float, ...] = ()
    drivers: Drivers = Drivers()
    gate: Gate = Gate()
    fast: Fast = CALM
    memory: Memory = Memory()
    events: tuple[Event, ...] = ()

    @property
    def hour_kw(self) -> float | None:
        """Mean kW of the hour in the making, None with less than half of it covered by good intervals."""
        return self.kwh * HOUR_MS / self.good_ms if self.good_ms >= LEAST_MS else None

    @property
    def today(self) -> tuple[tuple[int, int, float], ...]:
        """(start ms, bin, kW) of the good hours of the day in the making."""
        if self.day is None:
            return ()
        clock, base = self.day.clock, self.day.base
        starts = [clock.start_ms + place * HOUR_MS for place in places_of(self.at)]
        return tuple(zip(starts, bins_of(clock.hours, self.at, base), self.kw, strict=True))

    @property
    def valid(self) -> bool:
        """The day has enough good hours to be judged."""
        return len(self.kw) >= VALID_HOURS
