"""Money and CO2e: which price holds at an instant, and what energy spread over time costs.

Prices, time-of-use schedules and emission factors are dated; every figure names the versions it used and
whether their source is confirmed. Costs are before VAT. Nothing here rounds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Literal

from processors.pure.calendar import DAY_MINUTES, day_bounds, local, wall_changes_ms

Period = Literal["peak", "normal", "off_peak"]
Status = Literal["ok", "single", "unconfirmed"]
HOUR_MS = 3_600_000
_REMEMBERED_DAYS = 400


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """Prices per kWh before VAT from an instant on. `version` is the date as written in the tariff file.

    `demand` is the charge per kW and month for the highest quarter-hour, 0 for a tariff without one.
    """

    from_ms: int
    version: str
    normal: float
    off_peak: float | None = None
    peak: float | None = None
    source: str = ""
    status: Status = "ok"
    demand: float = 0.0

    def of(self, period: Period) -> float:
        """Return the price of a period; a tariff without periods has one price."""
        priced = self.peak if period == "peak" else self.off_peak if period == "off_peak" else self.normal
        return self.normal if priced is None else priced


@dataclass(frozen=True, slots=True)
class Window:
    """Wall-clock minutes `[begin, end)` from midnight on `days` (Monday is 0); `end` is over 1440 across midnight."""

    days: frozenset[int]
    begin: int
    end: int
    period: Period


@dataclass(frozen=True, slots=True)
class ScheduleVersion:
    """Time-of-use windows from an instant on. The first window that covers a moment decides; none means normal."""

    from_ms: int
    id: str
    windows: tuple[Window, ...]
    source: str = ""
    status: Status = "ok"

    def period(self, weekday: int, minute: int) -> Period:
        """Return the period of a wall-clock minute on a weekday. A window over midnight belongs to the day it begins on."""
        for window in self.windows:
            if window.begin <= minute < window.end and weekday in window.days:
                return window.period
            if minute + DAY_MINUTES < window.end and (weekday - 1) % 7 in window.days:
                return window.period
        return "normal"


@dataclass(frozen=True, slots=True)
class PriceAt:
    """The price per kWh that holds in `[from_ms, to_ms)`, and where it comes from."""

    from_ms: int
    to_ms: int
    period: Period
    price: float
    version: str
    schedule: str
    unconfirmed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What energy costs, before VAT, with the versions used, oldest first.

    `unpriced_kwh` is the part that no tariff covers and that is not in `amount`; `by_price` splits the kWh by
    period and price.
    """

    amount: float
    currency: str
    versions: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    unpriced_kwh: float = 0.0
    by_price: dict[tuple[Period, float], float] = field(default_factory=dict)


class TariffBook:
    """The prices of one contract over time. Immutable; remembers the days it was asked for, and the last answer.

    `prices` and `schedules` are ascending by `from_ms`; a schedule that begins later replaces the one before.
    """

    __slots__ = ("_days", "_last", "_price_starts", "_schedule_starts", "currency", "name", "prices", "schedules", "vat", "zone")

    def __init__(
        self,
        zone: tzinfo,
        *,
        name: str,
        currency: str,
        prices: Sequence[PriceVersion],
        schedules: Sequence[ScheduleVersion] = (),
        vat: float = 0.0,
    ) -> None:
        self.zone = zone
        self.name = name
        self.currency = currency
        self.prices = tuple(sorted(prices, key=lambda row: row.from_ms))
        self.schedules = tuple(sorted(schedules, key=lambda row: row.from_ms))
        self.vat = vat
        self._price_starts = [row.from_ms for row in self.prices]
        self._schedule_starts = [row.from_ms for row in self.schedules]
        self._days: dict[int, tuple[list[int], list[PriceAt | None]]] = {}
        self._last: PriceAt | None = None

    def price_at(self, t_ms: int) -> PriceAt | None:
        """Return the price that holds at an instant, None before the first price."""
        last = self._last
        if last is not None and last.from_ms <= t_ms < last.to_ms:
            return last
        start_ms, end_ms = day_bounds(self.zone, t_ms)
        starts, rows = self._days.get(start_ms) or self._remember(start_ms, end_ms)
        self._last = row = rows[bisect_right(starts, t_ms) - 1]
        return row  # not what stands in _last by now: reports ask from a thread of their own

    def demand_at(self, t_ms: int) -> float:
        """Return the charge per kW of a month's highest quarter-hour that holds at an instant, 0 where there is none."""
        at = bisect_right(self._price_starts, t_ms) - 1
        return self.prices[at].demand if at >= 0 else 0.0

    def cost_of_interval(self, start_ms: int, end_ms: int, kwh: float) -> float | None:
        """Return what `kwh`, spread evenly over `[start_ms, end_ms)`, costs; None where part of it has no price."""
        amount, t_ms = 0.0, start_ms
        while t_ms < end_ms:
            row = self.price_at(t_ms)
            if row is None:
                return None
            until_ms = min(row.to_ms, end_ms)
            amount += kwh * ((until_ms - t_ms) / (end_ms - start_ms)) * row.price
            t_ms = until_ms
        return amount

    def cost_of(self, spread: Sequence[tuple[int, float]], *, step_ms: int = HOUR_MS) -> Cost:
        """Return what energy costs that is given as (start ms, kWh) of steps of `step_ms`, evenly spread within each."""
        used: dict[str, PriceAt] = {}
        by_price: dict[tuple[Period, float], float] = {}
        amount = unpriced = 0.0
        for start_ms, kwh in spread:
            t_ms, end_ms = start_ms, start_ms + step_ms
            while t_ms < end_ms:
                row = self.price_at(t_ms)
                until_ms = min(row.to_ms, end_ms) if row else min(self._first_ms(), end_ms)
                share = kwh * ((until_ms - t_ms) / step_ms)
                t_ms = until_ms
                if row is None:
                    unpriced += share
                    continue
                amount += share * row.price
                priced = row.period, row.price
                by_price[priced] = by_price.get(priced, 0.0) + share
                used.setdefault(f"{row.version} {row.schedule}", row)
        return Cost(amount, self.currency, unpriced_kwh=unpriced, by_price=by_price, **_versions(list(used.values())))

    def _first_ms(self) -> int:
        return self._price_starts[0] if self._price_starts else 1 << 62

    def _remember(self, start_ms: int, end_ms: int) -> tuple[list[int], list[PriceAt | None]]:
        if len(self._days) >= _REMEMBERED_DAYS:
            self._days.clear()
        starts = self._changes(start_ms, end_ms)
        ends = [*starts[1:], end_ms]
        day = starts, [self._row(from_ms, to_ms) for from_ms, to_ms in zip(starts, ends, strict=True)]
        self._days[start_ms] = day
        return day

    def _changes(self, start_ms: int, end_ms: int) -> list[int]:
        minutes = {minute % DAY_MINUTES for row in self.schedules for window in row.windows for minute in (window.begin, window.end)}
        found = set(wall_changes_ms(self.zone, start_ms, end_ms, frozenset(minutes)))
        found.update(t_ms for t_ms in (*self._price_starts, *self._schedule_starts) if start_ms < t_ms < end_ms)
        return sorted(found)

    def _row(self, from_ms: int, to_ms: int) -> PriceAt | None:
        at = bisect_right(self._price_starts, from_ms) - 1
        if at < 0:
            return None
        version = self.prices[at]
        shaped = bisect_right(self._schedule_starts, from_ms) - 1
        schedule = self.schedules[shaped] if shaped >= 0 else None
        wall = local(self.zone, from_ms)
        period: Period = schedule.period(wall.weekday(), wall.hour * 60 + wall.minute) if schedule else "normal"
        doubts = []
        if version.status != "ok":
            doubts.append(f"price {version.version}")
        if schedule and schedule.status != "ok":
            doubts.append(f"schedule {schedule.id}")
        return PriceAt(from_ms, to_ms, period, version.of(period), version.version, schedule.id if schedule else "", tuple(doubts))


@dataclass(frozen=True, slots=True)
class FactorVersion:
    """An emission factor in kg CO2e per kWh from an instant on."""

    from_ms: int
    version: str
    kg_per_kwh: float
    source: str = ""
    status: Status = "ok"


@dataclass(frozen=True, slots=True)
class Emission:
    """CO2e of some energy in kg, with the factor versions used. `unknown_kwh` has no factor and is not in `kg`."""

    kg: float
    versions: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    unknown_kwh: float = 0.0


@dataclass(frozen=True, slots=True)
class FactorBook:
    """Emission factors over time; `rows` ascend by `from_ms`. The last one holds until a newer is written."""

    name: str
    rows: tuple[FactorVersion, ...]

    def factor_at(self, t_ms: int) -> FactorVersion | None:
        """Return the factor that holds at an instant, None before the first."""
        at = bisect_right(self.rows, t_ms, key=lambda row: row.from_ms) - 1
        return self.rows[at] if at >= 0 else None

    def co2e_of(self, spread: Sequence[tuple[int, float]]) -> Emission:
        """Return the CO2e of energy given as (start ms, kWh)."""
        kg = unknown = 0.0
        used: dict[str, FactorVersion] = {}
        for start_ms, kwh in spread:
            row = self.factor_at(start_ms)
            if row is None:
                unknown += kwh
                continue
            kg += kwh * row.kg_per_kwh
            used.setdefault(row.version, row)
        doubts = tuple(f"factor {row.version}" for row in used.values() if row.status != "ok")
        return Emission(kg, tuple(used), doubts, unknown)


def _versions(rows: Sequence[PriceAt]) -> dict[str, tuple[str, ...]]:
    """Return the distinct versions, schedules and doubts of the rows used, in order of use."""
    doubts = dict.fromkeys(doubt for row in rows for doubt in row.unconfirmed)
    return {
        "versions": tuple(dict.fromkeys(row.version for row in rows)),
        "schedules": tuple(dict.fromkeys(row.schedule for row in rows if row.schedule)),
        "unconfirmed": tuple(doubts),
    }
