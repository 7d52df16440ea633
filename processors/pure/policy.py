"""What the engine has to know of one meter: decided by people, read from files, never changed by readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo

from driftwatt.wire import CounterFacts, HelloMeter
from processors.pure.calendar import DayCalendar
from processors.pure.drivers import Driven
from processors.pure.price import FactorBook, TariffBook
from processors.pure.settings import Settings

DEFAULT_MAX_POWER_W = 20e6
"""Upper bound of a feeder whose rating nobody wrote down; only steps above it are called implausible."""
UNTOLD_EVERY_MS = 10_000
"""Pause between the polls of a meter of which its edge said nothing yet."""
_GAP_POLLS, _GAP_MS = 3, 20 * 60_000


@dataclass(frozen=True, slots=True)
class MeterPolicy:
    """The policy of one meter.

    `ct_ratio` × `pt_ratio` and `sign` turn what the meter says into what flows; they apply to every reading,
    whatever the meter already applied itself. `max_power_w` (primary side) bounds what a counter can have
    counted. `counters` holds modulus and resolution of counter registers by quantity, `every_ms` and `serial`
    are the edge's word (see `with_hello`). `tariff` and `factors` are None where the plant has none. `ratio` is the
    factor of power and energy; `drivers` explain the meter's use. A step longer than `gap_ms` (three polls, at least 20 minutes) is a gap.
    """

    meter: str
    site: str
    zone: tzinfo
    calendar: DayCalendar
    settings: Settings
    tariff: TariffBook | None = None
    factors: FactorBook | None = None
    ct_ratio: float = 1.0
    pt_ratio: float = 1.0
    sign: int = 1
    max_power_w: float = DEFAULT_MAX_POWER_W
    every_ms: int = UNTOLD_EVERY_MS
    counters: Mapping[str, CounterFacts] = field(default_factory=dict)
    serial: str | None = None
    drivers: Driven | None = field(default=None, compare=False, repr=False)

    ratio: float = field(init=False)
    gap_ms: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", self.ct_ratio * self.pt_ratio)
        object.__setattr__(self, "gap_ms", max(_GAP_POLLS * self.every_ms, _GAP_MS))

    def with_hello(self, said: HelloMeter) -> MeterPolicy:
        """Return the policy with what the edge said about this meter."""
        return replace(self, every_ms=said.every_ms, counters=dict(said.counters), serial=said.serial)
