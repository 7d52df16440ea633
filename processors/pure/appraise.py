"""What a waste finding costs: its energy, hour by hour, at the dated price and emission factor of each hour.

    cost = Σ_i W_i · price(period(i), date(i))     CO2e = Σ_i W_i · EF(date(i))

The bands of money are the band of energy scaled by cost/W. Energy from before the first price or factor has none: sums
leave it out and say so, rates go by what is priced. Costs are before VAT. Nothing here rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from driftwatt.alerts import Range
from processors.pure.outputs import WasteFinding
from processors.pure.price import Cost, FactorBook, TariffBook

DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class AlertContext:
    """What alerts have to know of the plant.

    `areas` and `feeds` are by meter id (`feeds[parent]` are its children); money thresholds are per month in
    the tariff's currency; waste below `floor_per_month` is listed, not sent. `meters` are all of the plant. Without
    tariff or factors the figures stay empty.
    """

    plant: str
    areas: Mapping[str, str] = field(default_factory=dict)
    feeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tariff: TariffBook | None = None
    factors: FactorBook | None = None
    medium_per_month: float = 1_000_000
    high_per_month: float = 5_000_000
    floor_per_month: float = 0.0
    meters: tuple[str, ...] = ()

    @property
    def thresholds(self) -> tuple[float, float, float]:
        """The money per month that ranks an alert: to be sent at all, medium, high."""
        return self.floor_per_month, self.medium_per_month, self.high_per_month


@dataclass(frozen=True, slots=True)
class Figures:
    """Money and CO2e of a finding; see driftwatt.alerts.Alert for the fields. `unknown_kwh` has no emission factor."""

    cost: Range | None
    co2e_kg: float | None
    per_day: dict[str, float]
    per_month_cost: Range | None
    currency: str
    tariff: str
    schedule: str
    factor: str
    vat: float | None
    unconfirmed: tuple[str, ...]
    priced: tuple[tuple[str, float, float], ...]
    unpriced_kwh: float = 0.0
    unknown_kwh: float = 0.0


def appraise(finding: WasteFinding, context: AlertContext) -> Figures:
    """Return what the energy of a finding costs and emits, so far, per day and per month at the present rate."""
    kwh = finding.kwh
    found = context.tariff.cost_of(finding.spread) if context.tariff else None
    cost = _known(found) if found else None
    emission = context.factors.co2e_of(finding.spread) if context.factors else None
    per_day = {"kwh": finding.daily_kwh, "hours": finding.hours}
    money = month = None
    if cost is not None:
        priced = sum(cost.by_price.values())
        money = scaled(kwh, cost.amount)
        per_day["cost"] = cost.amount / priced * finding.daily_kwh if priced > 0 else 0.0
        month = scaled(kwh, per_day["cost"] * DAYS_PER_MONTH)
    return Figures(
        cost=money,
        co2e_kg=emission.kg if emission and (emission.versions or not emission.unknown_kwh) else None,
        per_day=per_day,
        per_month_cost=month,
        currency=cost.currency if cost else "",
        tariff=", ".join(cost.versions) if cost else "",
        schedule=", ".join(cost.schedules) if cost else "",
        factor=", ".join(emission.versions) if emission else "",
        vat=context.tariff.vat if context.tariff else None,
        priced=tuple((*at, kwh_at) for at, kwh_at in sorted(cost.by_price.items())) if cost else (),
        unconfirmed=(*(cost.unconfirmed if cost else ()), *(emission.unconfirmed if emission else ())),
        unpriced_kwh=found.unpriced_kwh if found else 0.0,
        unknown_kwh=emission.unknown_kwh if emission else 0.0,
    )


def _known(cost: Cost) -> Cost | None:
    """Return a cost, None when all of the energy lies before the first price: that is not free."""
    return None if cost.unpriced_kwh > 0 and sum(cost.by_price.values()) <= 0 else cost


def scaled(kwh: Range, amount: float) -> Range:
    """Return an amount with the band of the energy it stands for; no energy, no amount.

    >>> scaled(Range(10.0, 5.0, 20.0), 30.0), scaled(Range(0.0, 0.0, 9.0), 0.0)
    (Range(value=30.0, low=15.0, high=60.0), Range(value=0.0, low=0.0, high=0.0))
    """
    if kwh.value <= 0:
        return Range(0.0, 0.0, 0.0)
    return Range(amount, amount * kwh.low / kwh.value, amount * kwh.high / kwh.value)
