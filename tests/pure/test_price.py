"""Prices exact at their boundaries, against a slow reference."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from processors.pure.calendar import day_start_ms
from processors.pure.price import FactorBook, FactorVersion, PriceVersion, ScheduleVersion, Status, TariffBook, Window

HCM, BERLIN, HOWE = ZoneInfo("Asia/Ho_Chi_Minh"), ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")
MINUTE, HOUR = 60_000, 3_600_000
SIX, ALL = frozenset(range(6)), frozenset(range(7))
LEGACY = (Window(SIX, 570, 690, "peak"), Window(SIX, 1020, 1200, "peak"), Window(ALL, 1320, 1680, "off_peak"))
NEW = (Window(SIX, 1050, 1350, "peak"), Window(ALL, 0, 360, "off_peak"))
PRICES = {"normal": 1833.0, "off_peak": 1190.0, "peak": 3398.0}


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def book(zone: ZoneInfo = HCM, *, newer: Status = "unconfirmed") -> TariffBook:
    return TariffBook(
        zone,
        name="vn",
        currency="VND",
        prices=[
            PriceVersion(day_start_ms(zone, date(2025, 5, 10)), "2025-05-10", 1833.0, 1190.0, 3398.0),
            PriceVersion(day_start_ms(zone, date(2026, 6, 1)), "2026-06-01", 2000.0, 1300.0, 3500.0, "guess", "single"),
        ],
        schedules=[
            ScheduleVersion(day_start_ms(zone, date(2014, 6, 1)), "legacy", LEGACY),
            ScheduleVersion(day_start_ms(zone, date(2026, 4, 22)), "vn-963-2026", NEW, "Decision 963", newer),
        ],
    )


def slow_period(zone: ZoneInfo, t_ms: int) -> str:
    wall = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=t_ms)).astimezone(zone)
    clock = wall.strftime("%H:%M")
    working = wall.strftime("%a") != "Sun"
    if wall.date() >= date(2026, 4, 22):
        peak, low = working and "17:30" <= clock < "22:30", clock < "06:00"
    else:
        peak, low = working and ("09:30" <= clock < "11:30" or "17:00" <= clock < "20:00"), clock >= "22:00" or clock < "04:00"
    return "peak" if peak else "off_peak" if low else "normal"


@pytest.mark.parametrize("zone", [HCM, BERLIN, HOWE], ids=str)
@pytest.mark.parametrize("first", [date(2026, 3, 26), date(2026, 4, 18), date(2026, 5, 29), date(2026, 10, 1), date(2026, 10, 23)])
def test_every_minute_has_the_price_of_a_slow_reference(zone: ZoneInfo, first: date) -> None:
    priced = book(zone)
    start = day_start_ms(zone, first)
    newer = day_start_ms(zone, date(2026, 6, 1))
    for t_ms in range(start, start + 8 * 24 * HOUR, 5 * MINUTE):
        for exact in (t_ms, t_ms + 5 * MINUTE - 1):
            row = priced.price_at(exact)
            assert row is not None
            assert row.from_ms <= exact < row.to_ms
            assert row.period == slow_period(zone, exact)
            assert row.price == ({"normal": 2000, "off_peak": 1300, "peak": 3500} if exact >= newer else PRICES)[row.period]


def test_prices_change_exactly_at_half_past() -> None:
    priced = book()
    for instant, period in (("17:29:59.999", "normal"), ("17:30", "peak"), ("22:29:59.999", "peak"), ("22:30", "normal")):
        row = priced.price_at(ms(f"2026-05-05T{instant}+07:00"))
        assert row is not None
        assert (instant, row.period) == (instant, period)


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    window = ScheduleVersion(0, "x", (Window(frozenset({5}), 1320, 1680, "off_peak"),))
    assert window.period(5, 1380) == "off_peak"
    assert window.period(6, 239) == "off_peak"
    assert window.period(6, 240) == "normal"
    assert window.period(5, 200) == "normal"


def test_the_week_has_30_hours_of_peak_and_42_of_off_peak_in_both_schedules() -> None:
    priced = book()
    for first in (date(2026, 3, 2), date(2026, 5, 4)):
        start = day_start_ms(HCM, first)
        cost = priced.cost_of([(start + hour * HOUR, 1.0) for hour in range(168)])
        assert cost.by_price == pytest.approx({("peak", 3398): 30, ("off_peak", 1190): 42, ("normal", 1833): 96})
        assert cost.amount == pytest.approx(96 * 1833 + 42 * 1190 + 30 * 3398)


@pytest.mark.parametrize(
    ("hours", "days", "legacy", "newer"),
    [
        (range(24), range(7), 1952, 1952),
        ((22, 23, 0, 1, 2, 3, 4, 5), range(7), 1351, 1435),
        (range(18, 22), range(6), 2616, 3398),
        (range(24), [6], 1672, 1672),
    ],
    ids=["24/7", "nights", "evenings", "sundays"],
)
def test_the_worked_figures_of_a_wasted_kwh_come_out(hours: range, days: range, legacy: int, newer: int) -> None:
    for first, expected in ((date(2026, 3, 2), legacy), (date(2026, 5, 4), newer)):
        start = day_start_ms(HCM, first)
        spread = [(start + (24 * day + hour) * HOUR, 1.0) for day in days for hour in hours]
        assert book().cost_of(spread).amount / len(spread) == pytest.approx(expected, abs=0.6)


def test_a_cost_names_its_versions_and_what_is_not_confirmed() -> None:
    spread = [(ms("2026-04-21T12:00+07:00"), 1.0), (ms("2026-04-22T12:00+07:00"), 1.0), (ms("2026-06-01T12:00+07:00"), 1.0)]
    cost = book().cost_of(spread)
    assert cost.versions == ("2025-05-10", "2026-06-01")
    assert cost.schedules == ("legacy", "vn-963-2026")
    assert cost.unconfirmed == ("schedule vn-963-2026", "price 2026-06-01")
    assert cost.currency == "VND"
    assert book(newer="ok").cost_of(spread[:2]).unconfirmed == ()


def test_energy_across_a_boundary_is_split_in_time() -> None:
    at = ms("2026-05-05T17:00+07:00")
    assert book().cost_of([(at, 2.0)]).amount == pytest.approx(1833 + 3398)
    assert book().cost_of_interval(at, at + HOUR, 2.0) == pytest.approx(1833 + 3398)
    quarter = ms("2026-05-05T17:15+07:00")
    assert book().cost_of_interval(quarter, quarter + 15 * MINUTE, 1.0) == pytest.approx(1833)


def test_before_the_first_price_there_is_no_cost() -> None:
    first = day_start_ms(HCM, date(2025, 5, 10))
    assert book().price_at(first - 1) is None
    assert book().cost_of_interval(first - HOUR // 2, first + HOUR // 2, 1.0) is None
    cost = book().cost_of([(first - HOUR // 2, 2.0)])
    assert (cost.unpriced_kwh, cost.by_price) == (1.0, {("off_peak", 1190): 1.0})
    empty = TariffBook(HCM, name="none", currency="VND", prices=[])
    assert empty.cost_of([(first, 3.0)]).unpriced_kwh == 3.0


def test_a_price_from_the_middle_of_a_day_on_holds_from_there() -> None:
    noon = ms("2026-05-05T12:00+07:00")
    priced = TariffBook(HCM, name="x", currency="EUR", prices=[PriceVersion(0, "a", 1.0), PriceVersion(noon, "b", 2.0)])
    before, after = priced.price_at(noon - 1), priced.price_at(noon)
    assert before is not None
    assert after is not None
    assert (before.price, after.price, before.to_ms) == (1.0, 2.0, noon)


def test_one_price_for_all_periods_where_a_tariff_has_no_others() -> None:
    flat = TariffBook(HCM, name="flat", currency="EUR", prices=[PriceVersion(0, "a", 0.2)], schedules=[ScheduleVersion(0, "s", NEW)])
    row = flat.price_at(ms("2026-05-05T18:00+07:00"))
    assert row is not None
    assert (row.period, row.price) == ("peak", 0.2)
    plain = TariffBook(HCM, name="flat", currency="EUR", prices=[PriceVersion(0, "a", 0.2)])
    row = plain.price_at(0)
    assert row is not None
    assert (row.period, row.schedule) == ("normal", "")


def test_many_years_do_not_fill_the_memory() -> None:
    priced = book()
    for day in range(900):
        priced.price_at(ms("2025-06-01T00:00Z") + day * 24 * HOUR)
    assert len(priced._days) <= 400


def test_the_factor_is_the_last_one_that_began() -> None:
    factors = FactorBook("vn", (FactorVersion(1000, "2022", 0.7, "a", "unconfirmed"), FactorVersion(2000, "2023", 0.6592)))
    assert factors.factor_at(999) is None
    newest = factors.factor_at(2000)
    assert newest is not None
    assert newest.version == "2023"
    emission = factors.co2e_of([(0, 1.0), (1500, 2.0), (2500, 10.0)])
    assert emission.kg == pytest.approx(1.4 + 6.592)
    assert emission.versions == ("2022", "2023")
    assert emission.unconfirmed == ("factor 2022",)
    assert emission.unknown_kwh == 1.0
