"""A whole year of prices at every boundary minute against a slow reference that reads the clock on the wall."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.loader import load_calendar, load_tariff
from config.plant import TariffChoice
from processors.policies import day_calendar, tariff_book
from processors.pure.price import TariffBook

HCM, BERLIN = ZoneInfo("Asia/Ho_Chi_Minh"), ZoneInfo("Europe/Berlin")
MINUTE = 60_000
LEVELS = {  # Decision 1279/QĐ-BCT of 9 May 2025: normal, off-peak, peak
    "from-110kv": (1811, 1146, 3266),
    "22-110kv": (1833, 1190, 3398),
    "6-22kv": (1899, 1234, 3508),
    "under-6kv": (1987, 1300, 3640),
}


def shipped(name: str, schedule: str | None, zone: ZoneInfo = HCM) -> TariffBook:
    return tariff_book(load_tariff(name, Path()), TariffChoice(use=name, schedule=schedule), zone)


def year_of_minutes(zone: ZoneInfo, year: int) -> Iterator[tuple[int, datetime]]:
    """Every half hour of a year, the minute before it, and the last millisecond before it, with the clock on the wall."""
    begin = round(datetime(year, 1, 1, tzinfo=zone).timestamp() * 1000)
    end = round(datetime(year + 1, 1, 1, tzinfo=zone).timestamp() * 1000)
    for at_ms in range(begin, end, 30 * MINUTE):
        for t_ms in (at_ms, at_ms + 29 * MINUTE, at_ms + 30 * MINUTE - 1):
            yield t_ms, datetime.fromtimestamp(t_ms / 1000, zone)


def vietnam(wall: datetime, schedule: str) -> str:
    minute, sunday = wall.hour * 60 + wall.minute, wall.weekday() == 6
    if schedule == "vn-963-2026" and wall.date() >= date(2026, 4, 22):
        return "peak" if not sunday and 1050 <= minute < 1350 else "off_peak" if minute < 360 else "normal"
    peak = not sunday and (570 <= minute < 690 or 1020 <= minute < 1200)
    return "peak" if peak else "off_peak" if minute >= 1320 or minute < 240 else "normal"


@pytest.mark.parametrize("schedule", ["legacy", "vn-963-2026"])
@pytest.mark.parametrize("level", LEVELS)
def test_every_boundary_of_2026_has_the_price_of_the_decision_at_every_voltage(level: str, schedule: str) -> None:
    book = shipped(f"vn-2025-manufacturing-{level}", schedule)
    prices = dict(zip(("normal", "off_peak", "peak"), LEVELS[level], strict=True))
    for t_ms, wall in year_of_minutes(HCM, 2026):
        row = book.price_at(t_ms)
        assert row is not None
        period = vietnam(wall, schedule)
        assert (row.period, row.price, row.version) == (period, prices[period], "2025-05-10"), wall
        assert (row.unconfirmed != ()) == (schedule == "vn-963-2026" and wall.date() >= date(2026, 4, 22))


def test_public_holidays_and_swap_saturdays_change_the_day_class_and_not_the_price() -> None:
    """Sundays have no peak; a holiday on a working day has, as bills count weekdays."""
    calendar = day_calendar(load_calendar("two-shift", Path()), (), "m", HCM, years=range(2025, 2029))
    book = shipped("vn-2025-manufacturing-22-110kv", "vn-963-2026")
    tet = [date(2026, 2, 16) + timedelta(days=n) for n in range(5)]
    off = [
        *tet,
        date(2026, 4, 27),
        date(2026, 4, 30),
        date(2026, 5, 1),
        date(2026, 8, 31),
        date(2026, 9, 1),
        date(2026, 9, 2),
        date(2026, 11, 24),
    ]
    assert {calendar.day_class(day) for day in off} == {"off"}
    assert calendar.day_class(date(2026, 8, 22)) in {"saturday", "work"}, "the Saturday worked for 31 August"
    for day in off:
        row = book.price_at(round(datetime(day.year, day.month, day.day, 18, tzinfo=HCM).timestamp() * 1000))
        assert row is not None
        assert row.period == vietnam(datetime(day.year, day.month, day.day, 18, tzinfo=HCM), "vn-963-2026")


def test_a_european_year_with_both_changes_of_the_clock() -> None:
    book = shipped("eu-day-night-example", None, BERLIN)
    for t_ms, wall in year_of_minutes(BERLIN, 2026):
        minute, weekday = wall.hour * 60 + wall.minute, wall.weekday()
        night = minute >= 1320 or (minute < 360 and weekday != 0)
        expected = "off_peak" if weekday >= 5 or night else "peak" if 480 <= minute < 720 else "normal"
        row = book.price_at(t_ms)
        assert row is not None
        assert (row.period, row.unconfirmed) == (expected, ("price 2025-01-01", "schedule day-night")), wall
    assert book.demand_at(round(datetime(2026, 5, 1, tzinfo=BERLIN).timestamp() * 1000)) == 9.5


def test_a_flat_price_is_flat_all_year() -> None:
    book = shipped("eu-flat-example", None, BERLIN)
    assert {(row.period, row.price) for t_ms, _ in year_of_minutes(BERLIN, 2026) if (row := book.price_at(t_ms))} == {("normal", 0.18)}


def test_the_cost_of_a_year_is_the_sum_of_its_minutes() -> None:
    book = shipped("vn-2025-manufacturing-22-110kv", "vn-963-2026")
    begin = round(datetime(2026, 4, 20, tzinfo=HCM).timestamp() * 1000)
    hours = [(begin + n * 60 * MINUTE, 1.0) for n in range(24 * 14)]
    prices = {"normal": 1833, "off_peak": 1190, "peak": 3398}
    walls = [datetime.fromtimestamp((begin + n * MINUTE) / 1000, HCM) for n in range(60 * 24 * 14)]
    slow = sum(prices[vietnam(wall, "vn-963-2026")] / 60 for wall in walls)
    cost = book.cost_of(hours)
    assert cost.amount == pytest.approx(slow, rel=1e-12)
    assert cost.schedules == ("legacy", "vn-963-2026"), "an event names the versions used"
    assert cost.unconfirmed == ("schedule vn-963-2026",)
