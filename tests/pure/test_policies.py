"""From files to policies."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.loader import load_calendar, load_factors, load_plant, load_tariff
from config.plant import Closed, TariffChoice
from config.tables import Calendar
from driftwatt.errors import ConfigError
from processors.policies import day_calendar, factor_book, policies, tariff_book
from processors.pure.calendar import DayCalendar, day_start_ms

ROOT = Path(__file__).parent.parent.parent
HCM = ZoneInfo("Asia/Ho_Chi_Minh")
TARIFF = "vn-2025-manufacturing-22-110kv"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def calendar(table: Calendar, closed: tuple[Closed, ...] = ()) -> DayCalendar:
    return day_calendar(table, closed, "m", HCM, years=range(2025, 2029))


def test_the_example_plant_has_a_policy_for_every_meter() -> None:
    path = ROOT / "config/examples/plant.toml"
    plant = load_plant(path)
    made = policies(plant, path.parent, now_ms=ms("2026-11-25T00:00Z"))
    assert list(made) == [meter.id for meter in plant.meter]
    for meter in plant.meter:
        policy = made[meter.id]
        assert (policy.meter, policy.site, policy.ratio, policy.sign) == (
            meter.id,
            plant.plant.id,
            meter.ct_ratio * meter.pt_ratio,
            meter.sign,
        )
        assert policy.settings.calendar is policy.calendar
        assert policy.max_power_w == (3000 * meter.rated_kw if meter.rated_kw else 20e6)
        assert date(2026, 2, 17) in policy.calendar.off_days


@pytest.mark.parametrize(
    ("chosen", "at", "period"),
    [
        ("legacy", "2026-05-05T10:00+07:00", "peak"),
        ("vn-963-2026", "2026-05-05T10:00+07:00", "normal"),
        ("vn-963-2026", "2026-05-05T22:00+07:00", "peak"),
        ("vn-963-2026", "2026-04-21T10:00+07:00", "peak"),
        ("legacy", "2026-05-05T22:00+07:00", "off_peak"),
        (None, "2026-05-05T22:00+07:00", "peak"),
    ],
)
def test_the_chosen_schedule_rules_and_before_it_the_one_then_in_force(chosen: str | None, at: str, period: str) -> None:
    book = tariff_book(load_tariff(TARIFF), TariffChoice(use=TARIFF, schedule=chosen), HCM)
    row = book.price_at(ms(at))
    assert row is not None
    assert row.period == period


def test_a_doubtful_schedule_is_named_by_what_it_prices() -> None:
    spread = [(ms("2026-05-05T10:00+07:00"), 1.0)]
    doubtful = tariff_book(load_tariff(TARIFF), TariffChoice(use=TARIFF, schedule="vn-963-2026"), HCM).cost_of(spread)
    sure = tariff_book(load_tariff(TARIFF), TariffChoice(use=TARIFF, schedule="legacy"), HCM).cost_of(spread)
    assert doubtful.unconfirmed == ("schedule vn-963-2026",)
    assert sure.unconfirmed == ()


def test_a_schedule_that_the_tariff_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"legacy, vn-963-2026"):
        tariff_book(load_tariff(TARIFF), TariffChoice(use=TARIFF, schedule="vn-2099"), HCM)


def test_prices_with_vat_are_taken_without_it() -> None:
    tariff = load_tariff(TARIFF).model_copy(update={"vat_included": True})
    book = tariff_book(tariff, TariffChoice(use=TARIFF, schedule="legacy", vat=0.1), HCM)
    assert book.prices[0].normal == pytest.approx(1833 / 1.1)
    assert book.prices[0].peak == pytest.approx(3398 / 1.1)
    flat = tariff.model_copy(update={"price": tuple(row.model_copy(update={"peak": None, "off_peak": None}) for row in tariff.price)})
    assert tariff_book(flat, TariffChoice(use=TARIFF, vat=0.1), HCM).prices[0].peak is None


def test_factors_are_named_by_their_data_year() -> None:
    book = factor_book(load_factors("vn-grid"), "vn-grid", HCM)
    newest = book.factor_at(ms("2026-05-05T10:00+07:00"))
    assert newest is not None
    assert (newest.version, newest.kg_per_kwh, newest.status) == ("2023", 0.6592, "ok")
    old = book.co2e_of([(ms("2022-05-05T10:00+07:00"), 1.0)])
    assert old.unconfirmed == ("factor 2022",)


def test_public_holidays_come_from_the_library_and_own_days_win() -> None:
    table = Calendar.model_validate(
        {"holidays": {"country": "VN", "extra": [date(2026, 7, 3)], "work": [date(2026, 8, 22), date(2026, 4, 30)]}, "week": {}}
    )
    days = calendar(table)
    assert days.day_class(date(2026, 9, 2)) == "off"
    assert days.day_class(date(2026, 2, 18)) == "off", "Tết"
    assert days.day_class(date(2026, 7, 3)) == "off", "a day of the plant"
    assert days.day_class(date(2026, 4, 30)) == "work", "a holiday that is worked"
    assert days.day_class(date(2026, 8, 22)) == "work", "a swap day"


def test_shifts_over_midnight_and_several_days_are_read() -> None:
    always = calendar(load_calendar("always"))
    night = always.shift_at(ms("2026-05-05T03:00+07:00"))
    assert night is not None
    assert night.name == "ca 3"
    assert always.day_class(date(2026, 5, 3)) == "work"
    assert [shift.name for shift in calendar(load_calendar("two-shift")).shifts(date(2026, 5, 5))] == ["ca 1", "ca 2"]


def test_a_shutdown_is_in_plant_time_and_for_the_meters_it_names() -> None:
    shut = tuple(
        Closed.model_validate({"from": datetime(2027, 2, day, 18), "to": datetime(2027, 2, day + 1, 6), "meters": meters})  # noqa: DTZ001 - plant time
        for day, meters in ((10, ("*",)), (3, ("m",)), (5, ("other",)))
    )
    days = calendar(load_calendar("two-shift"), shut)
    assert [window.from_ms for window in days.closed_windows] == [day_start_ms(HCM, date(2027, 2, day)) + 18 * 3_600_000 for day in (3, 10)]
    assert days.closed(ms("2027-02-03T23:00+07:00"), ms("2027-02-03T23:15+07:00"))


def test_a_country_without_holidays_is_one_clear_line() -> None:
    table = Calendar.model_validate({"holidays": {"country": "ZZ"}})
    with pytest.raises(ConfigError, match=r"holidays\.country.*'ZZ'"):
        calendar(table)
