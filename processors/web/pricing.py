"""How the money of one day is summed, tariff period by tariff period."""

from __future__ import annotations

from dataclasses import dataclass

from driftwatt.alerts import Alert
from processors.pure.outputs import ExpectedPower, IntervalEnergy
from processors.view import DAY_MS, PlantView
from processors.web import alert_text
from processors.web.kpis import PERIODS
from processors.web.text import Text

LOOK_BACK_DAYS = 7
SAME = 0.25
"""Power and energy that differ by more come from different parts of the day: then no product of them is told."""


@dataclass(frozen=True, slots=True)
class Priced:
    """The table: rows of (period, sum, price, amount), the total, and where the prices come from."""

    title: str
    rows: list[tuple[str, str, str, str]]
    total: tuple[str, str]
    source: str
    unconfirmed: str


async def table(view: PlantView, text: Text, alert: Alert) -> Priced | None:
    """Return how a mean day of the alert is priced; None where nothing can be priced. Raises Unavailable.

    The day's kWh are the alert's own; they are shared among the periods as the excess over the expected power
    of the last days was.
    """
    kwh = alert.per_day.get("kwh")
    if not kwh or view.tariff is None:
        return None
    until_ms = min(view.now_ms(), alert.cleared_ms or view.now_ms())
    from_ms = max(alert.since_ms, until_ms - LOOK_BACK_DAYS * DAY_MS)
    span = await view.span(alert.meter, from_ms, until_ms, tail=False)
    shares = _shares(view, alert, span.intervals, span.expected)
    total = sum(shares.values())
    if total <= 0:
        return None
    say, rows, amount, doubts = text.words, [], 0.0, set(alert.unconfirmed)
    excess = (alert.actual_kw or 0.0) - (alert.expected_kw or 0.0)
    for (period, price), share in sorted(shares.items(), key=lambda item: _order(item[0][0])):
        part = kwh * share / total
        amount += part * price
        word = say.get(f"tou.legend.{period}", period)
        rows.append(
            (
                word,
                energy_told(text, part, excess, kwh, hours=alert.per_day.get("hours")),
                f"× {text.number(price, 0 if text.currency == 'VND' else 4)}",
                _accounts(text, part * price),
            )
        )
    row = view.tariff.price_at(until_ms)
    source = say("al.price_source", tariff=view.tariff.name, schedule=row.schedule if row and row.schedule else "—")
    return Priced(
        say["al.price_title"],
        rows,
        (f"{text.number(kwh, 2)}\u00a0kWh", _accounts(text, amount)),
        source,
        alert_text.doubts(text, sorted(doubts)),
    )


def energy_told(text: Text, part_kwh: float, excess_kw: float, day_kwh: float, *, hours: float | None = None) -> str:
    """Return kWh as power times hours; as kWh alone where the day's kWh are not of that power (it would need over 24 h)."""
    kwh = f"{text.number(part_kwh, 2)}\u00a0kWh"
    if not 0 < day_kwh <= excess_kw * 24 or (hours and abs(excess_kw * hours - day_kwh) > SAME * day_kwh):
        return kwh
    return f"{text.power(excess_kw)} × {text.number(part_kwh / excess_kw, 1)}\u00a0h = {kwh}"


def _order(period: str) -> int:
    order = ("peak", "normal", "off_peak")
    return order.index(period) if period in order else len(PERIODS)


def _accounts(text: Text, amount: float) -> str:
    """Return money as accounts write it: whole đồng."""
    return f"{text.number(amount, 0 if text.currency == 'VND' else 2)}\u00a0{text.currency_sign}"


def _shares(
    view: PlantView, alert: Alert, intervals: tuple[IntervalEnergy, ...], expected: tuple[ExpectedPower, ...]
) -> dict[tuple[str, float], float]:
    """Return the excess by (period, price), from quarter-hours in the pattern's hours."""
    usual = {point.start_ms: point.w for point in expected}
    policy = view.policies.get(alert.meter)
    shares: dict[tuple[str, float], float] = {}
    for each in intervals:
        if alert.pattern == "off_hours" and policy is not None and policy.calendar.shift_at(each.start_ms) is not None:
            continue
        price = view.tariff.price_at(each.start_ms) if view.tariff else None
        quarter_wh = usual.get(each.start_ms, 0.0) * (each.end_ms - each.start_ms) / 3.6e6
        excess = each.import_wh - quarter_wh if each.start_ms in usual else 0.0
        if price is not None and excess > 0:
            shares[price.period, price.price] = shares.get((price.period, price.price), 0.0) + excess
    return shares
