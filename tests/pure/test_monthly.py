"""A month in sums: every quarter-hour in its period, day and shift, and nothing counted twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from driftwatt.readings import Quality
from processors.pure import monthly
from processors.pure.outputs import IntervalEnergy
from processors.web.pages.reports import chosen, following
from tests.loop.plant_on_paper import at, compressor_alert, policies, tariff_book

CALENDAR, TARIFF = policies()["office"].calendar, tariff_book()
DAY = at("2026-10-02 00:00")


def quarters(count: int = 96, wh: float = 1000.0) -> list[IntervalEnergy]:
    """Quarter-hours of a Friday, 1 kWh each, at 4 kW."""
    starts = [DAY + n * 900_000 for n in range(count)]
    return [
        IntervalEnergy("m", "15m", start, start + 900_000, wh, cost=TARIFF.cost_of_interval(start, start + 900_000, wh / 1000))
        for start in starts
    ]


def test_periods_days_and_shifts_each_add_up_to_the_whole() -> None:
    out = monthly.account(quarters(), CALENDAR, TARIFF, fine=True)
    assert out.kwh == pytest.approx(96)
    assert {period: round(kwh) for period, (kwh, _) in out.by_period.items()} == {"off_peak": 24, "normal": 52, "peak": 20}
    assert sum(cost for _, cost in out.by_period.values()) == pytest.approx(out.cost)
    assert out.cost == pytest.approx(24 * 1190 + 52 * 1833 + 20 * 3398)
    assert {name: round(kwh) for name, (kwh, _) in out.by_shift.items()} == {"ca 1": 32, "ca 2": 32, "": 32}
    assert sum(out.by_day[2].values()) == pytest.approx(96)
    assert out.coverage(86_400) == 1.0


def test_an_estimated_quarter_hour_is_no_peak_and_marks_its_day() -> None:
    high = replace(quarters(1, 9000.0)[0], quality=int(Quality.ESTIMATED))
    out = monthly.account([high, *quarters()[1:]], CALENDAR, TARIFF, fine=True)
    assert out.peaks()[0][1] == pytest.approx(4.0)
    assert (out.approximate_days, out.estimated_kwh) == ({2}, 9.0)


def test_a_sum_of_meters_has_peaks_only_where_all_of_them_measured() -> None:
    one, other = (monthly.account(quarters(n), CALENDAR, TARIFF, fine=True) for n in (96, 10))
    both = monthly.added([one, other])
    assert both.kwh == pytest.approx(106)
    assert len(both.blocks) == 10
    assert both.peaks()[0][1] == pytest.approx(8.0)


def test_cos_phi_is_told_of_the_quarter_hours_that_have_reactive_energy() -> None:
    late = [replace(each, import_varh=484.3) if n >= 48 else each for n, each in enumerate(quarters())]
    out = monthly.account(late, CALENDAR, TARIFF)
    assert monthly.power_factor(out) == 0.9, "half a day without a reactive counter makes it no better"
    assert monthly.power_factor(monthly.added([out, monthly.account(quarters(), CALENDAR, TARIFF)])) == 0.9


def test_one_day_of_the_plant_has_one_peak() -> None:
    early, late = at("2026-10-02 06:30"), at("2026-10-02 09:00")  # two days in UTC
    high = [replace(each, import_wh=9000.0) if each.start_ms in {early, late} else each for each in quarters()]
    assert monthly.account(high, CALENDAR, TARIFF, fine=True).peaks() == [(early, 36.0)]


def test_the_waste_of_a_month_is_what_opened_or_ran_in_it() -> None:
    alert = compressor_alert()
    november, december, later = at("2026-11-01 00:00"), at("2026-12-01 00:00"), at("2027-01-01 00:00")
    assert monthly.found_in([alert], november, december) == [alert]
    assert monthly.found_in([alert], at("2026-10-01 00:00"), november) == []
    assert monthly.found_in([alert], december, later) == [alert], "it still runs"
    assert monthly.found_in([replace(alert, cleared_ms=at("2026-11-20 00:00"))], december, later) == []
    assert monthly.found_in([replace(alert, state="suppressed")], november, december) == []


@pytest.mark.parametrize("year", [2025, 2026, 2028])
def test_months_follow_each_other(year: int) -> None:
    for month in range(1, 13):
        first = date(year, month, 1)
        assert following(first) == (date(year, month + 1, 1) if month < 12 else date(year + 1, 1, 1))
        assert chosen(f"{year}-{month:02}", date(2030, 1, 1)) == first
    assert chosen("0000-05", date(2030, 1, 1)) == date(2000, 1, 1)
