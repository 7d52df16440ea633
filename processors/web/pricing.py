"""How the money of one day is summed, tariff period by tariff period."""

from __future__ import annotations

from dataclasses import dataclass

from driftwatt.alerts import Alert
from processors.view import PlantView
from processors.web import alert_text
from processors.web.kpis import PERIODS
from processors.web.text import Text

SAME = 0.1
"""Power and energy that differ by more come from different parts of the day: then no product of them is told."""


@dataclass(frozen=True, slots=True)
class Priced:
    """The table: rows of (period, sum, price, amount), the total, and where the prices come from."""

    title: str
    rows: list[tuple[str, str, str, str]]
    total: tuple[str, str]
    source: str
    unconfirmed: str


def table(view: PlantView, text: Text, alert: Alert) -> Priced | None:
    """Return how a mean day of the alert is priced, from the rows that its cost is the sum of; None without any."""
    kwh, so_far = alert.per_day.get("kwh"), sum(part for *_, part in alert.priced)
    if not kwh or so_far <= 0 or view.tariff is None:
        return None
    a_day, excess = kwh / so_far, (alert.actual_kw or 0.0) - (alert.expected_kw or 0.0)
    say, rows = text.words, []
    for period, price, part in sorted(alert.priced, key=lambda row: (_order(row[0]), row[1])):
        rows.append(
            (
                say.get(f"tou.legend.{period}", period),
                energy_told(text, part * a_day, excess, kwh, hours=alert.per_day.get("hours")),
                f"× {text.number(price, 0 if text.currency == 'VND' else 4)}",
                _accounts(text, part * a_day * price),
            )
        )
    row = view.tariff.price_at(alert.updated_ms)
    whole = sum(part for *_, part in alert.priced) * a_day
    amount = sum(price * part for _, price, part in alert.priced) * a_day
    return Priced(
        say["al.price_title"],
        rows,
        (f"{text.number(whole, 2)}\u00a0kWh", _accounts(text, amount)),
        say("al.price_source", tariff=view.tariff.name, schedule=row.schedule if row and row.schedule else "—"),
        alert_text.doubts(text, sorted(alert.unconfirmed)),
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
