"""A plant of synthetic meters under a real judge: hourly counters, day after day, with faults, answers and windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from zoneinfo import ZoneInfo

from driftwatt.alerts import Alert
from driftwatt.readings import Reading
from processors.pure.alerts import AlertContext
from processors.pure.board import Answer, AnswerWord
from processors.pure.calendar import DayCalendar, Shift
from processors.pure.judge import Judge
from processors.pure.policy import MeterPolicy
from processors.pure.price import FactorBook, FactorVersion, PriceVersion, TariffBook
from processors.pure.products import Products
from processors.pure.settings import Settings
from tests.support.loads import DAY_MS, MONDAY_MS, Load

HOUR_MS = 3_600_000
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
SHIFTS = dict.fromkeys(range(6), (Shift(360, 1320, "ca"),))
ALWAYS = dict.fromkeys(range(7), (Shift(0, 1440, "ca"),))
TARIFF = TariffBook(ZONE, name="flat", currency="VND", prices=[PriceVersion(0, "2025-05-10", 2000.0)])
FACTORS = FactorBook("grid", (FactorVersion(0, "2023", 0.6592),))
Extra = Callable[[float], float]
"""Extra kW by days since the start."""


def day_ms(day: float, hour: float = 0) -> int:
    """Return an instant by days since the first Monday."""
    return MONDAY_MS + round(day * DAY_MS + hour * 3_600_000)


def calendar(*holidays: date, always: bool = False) -> DayCalendar:
    """Return a six-day calendar, or one that runs day and night."""
    return DayCalendar(ZONE, frozenset() if always else frozenset(holidays), week=ALWAYS if always else SHIFTS)


@dataclass
class PlantDays:
    """`loads` by meter; `feeds` makes parents of which the reading is the sum of their children (and of their own load, the rest)."""

    loads: Mapping[str, Load]
    feeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    calendars: Mapping[str, DayCalendar] = field(default_factory=dict)
    extra: dict[str, Extra] = field(default_factory=dict)
    closed: Mapping[str, frozenset[date]] = field(default_factory=dict)
    floor: float = 0.0
    day: int = 0

    def __post_init__(self) -> None:
        self.judge = self.fresh()
        self.products = Products()
        self._wh = dict.fromkeys(self.loads, 1e6)
        self._series = {meter: replace(load, quarters=4).intervals(400) for meter, load in self.loads.items()}

    def fresh(self) -> Judge:
        """Return a judge that knows nothing yet."""
        made = {}
        for meter in self.loads:
            days = self.calendars.get(meter, calendar())
            made[meter] = MeterPolicy(meter, "plant", ZONE, days, Settings(meter, ZONE, days), TARIFF, FACTORS, every_ms=HOUR_MS)
        context = AlertContext(
            "plant", feeds=self.feeds, tariff=TARIFF, factors=FACTORS, medium_per_month=0.0, high_per_month=1e12, meters=tuple(self.loads)
        )
        return Judge(made, replace(context, floor_per_month=self.floor))

    def run(self, until: int) -> None:
        """Let days pass up to (not including) day `until`."""
        while self.day < until:
            for hour in range(24):
                self._hour(self.day + hour / 24)
            self.day += 1

    def _hour(self, at: float) -> None:
        kw = {meter: next(series).import_wh / 1000 for meter, series in self._series.items()}
        for meter, fault in self.extra.items():
            kw[meter] += fault(at)
        for parent, children in self.feeds.items():
            kw[parent] += sum(kw[child] for child in children)
        end_ms = day_ms(at) + HOUR_MS
        for meter, now in kw.items():
            self._wh[meter] += max(0.0, now) * 1000
            self.judge.on_readings([Reading(meter, end_ms, {"active_power": now * 1000, "import_energy": self._wh[meter]})], self.products)
        self.judge.on_tick(end_ms, dict.fromkeys(kw, end_ms), self.products)

    def alerts(self, meter: str | None = None) -> list[Alert]:
        """Return waste alerts, the oldest first."""
        found = [each for each in self.judge.book.values() if each.kind == "waste" and meter in (None, each.meter)]
        return sorted(found, key=lambda each: each.opened_ms)

    def first(self, meter: str) -> Alert:
        """Return the first waste alert of a meter."""
        return self.alerts(meter)[0]

    def say(self, alert: Alert, what: AnswerWord, **more: str | int) -> Alert:
        """Answer an alert now."""
        return self.judge.on_answer(Answer(alert.id, what, "lan", day_ms(self.day), **more), self.products)  # type: ignore[arg-type]
