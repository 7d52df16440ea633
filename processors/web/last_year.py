"""How a meter stands beside its first twelve months, in words: "since last year +4.2 kW"."""

from __future__ import annotations

from datetime import date

from driftwatt.alerts import Range
from processors.pure import year_on_year
from processors.pure.calendar import day_start_ms, local
from processors.pure.outputs import SinceLastYear
from processors.pure.price import TariffBook
from processors.pure.yearly import YEAR
from processors.view import PlantView
from processors.web.text import NONE, Text, two_digits

SHOWN = 6
"""Rows of the report: two pages have room for so many."""
AHEAD_DAYS = 31
"""While the compared days are no further than so many days into the third year, the first one is last year."""


def of(view: PlantView, meter: str, until_ms: int | None = None) -> SinceLastYear | None:
    """Return the comparison of a meter as it is now, or was at an instant up to a month ago; None where there is none."""
    memory, now_ms = view.memory(meter), view.now_ms()
    last = None if until_ms is None else local(view.zone, until_ms - 1).date().toordinal()
    return year_on_year.since_last_year(memory, meter, now_ms, last) if memory else None


def title(text: Text, found: SinceLastYear | None) -> str:
    """Return what the comparison is called: from the third year on, the first one is no longer last year."""
    late = found is not None and found.last > found.year_first + 2 * YEAR + AHEAD_DAYS
    return text.words["yr.since_first" if late else "yr.since"]


def sentence(view: PlantView, text: Text, meter: str) -> tuple[str, str]:
    """Return title and sentence for the page of a meter: the comparison, or from when on there can be one; "" before anything is known."""
    found = of(view, meter)
    if found is not None:
        return title(text, found), told(text, found, view.tariff)
    memory = view.memory(meter)
    ordinal = year_on_year.known_from(memory) if memory else None
    return title(text, None), text.words("yr.from", date=_date(text, ordinal)) if ordinal else ""


def told(text: Text, found: SinceLastYear, tariff: TariffBook | None) -> str:
    """Return the comparison as one sentence."""
    say, money = text.words, year_on_year.cost_per_month(found, tariff)
    parts = [say("yr.value", kw=_change(text, found.total.kw), pct=_percent(text, found), month=_month(text, found, money and money[0]))]
    base = next((each for each in found.channels if each.channel == "base"), None)
    if base is not None:
        parts.append(say("yr.base", kw=_change(text, base.kw)))
    if within(found):
        parts.append(say["yr.within"])
    parts.append(say("yr.spans", days=str(found.days), **{"from": _date(text, found.year_first), "to": _date(text, found.year_last)}))
    return " · ".join(parts)


def within(found: SinceLastYear) -> bool:
    """Tell whether the change is no larger than what the load does by itself."""
    return found.total.kw.low <= 0 <= found.total.kw.high


def rows(view: PlantView, text: Text, until_ms: int) -> list[tuple[str, ...]]:
    """Return meter, change in kW, in percent, kWh and money a month, at the end of a month: the largest changes, largest first."""
    compared = [(meter.name, found) for meter in view.plant.meter if (found := of(view, meter.id, until_ms)) is not None]
    compared.sort(key=lambda each: -abs(each[1].total.kw.value))
    return [_row(text, name, found, view.tariff) for name, found in compared[:SHOWN]]


def _row(text: Text, name: str, found: SinceLastYear, tariff: TariffBook | None) -> tuple[str, ...]:
    kwh, money = year_on_year.kwh_per_month(found), year_on_year.cost_per_month(found, tariff)
    cost = str(text.about(money[0].value)) if money else NONE
    return name, _change(text, found.total.kw), _percent(text, found), f"≈ {text.signed(two_digits(kwh.value))}", cost


def _change(text: Text, kw: Range) -> str:
    half = (kw.high - kw.low) / 2
    decimals = 1 if max(abs(kw.value), half) < 99.95 else 0
    return f"{text.excess(kw.value)} ± {text.number(half, decimals)}"


def _percent(text: Text, found: SinceLastYear) -> str:
    expected = found.total.expected_kw
    return text.deviation(expected + found.total.kw.value, expected) or NONE


def _month(text: Text, found: SinceLastYear, money: Range | None) -> str:
    energy = f"≈ {text.energy(two_digits(year_on_year.kwh_per_month(found).value))}"
    return f"{energy}, {text.about(money.value)}" if money else energy


def _date(text: Text, ordinal: int) -> str:
    return text.date(day_start_ms(text.zone, date.fromordinal(ordinal)), year=True)
