"""Numbers, money and time as the pages write them (both languages), and the small tables behind them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.web.pricing import energy_told
from processors.web.text import Text, two_digits
from processors.web.thin import thin
from processors.web.words import choose, fold, words

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
VI, EN = Text(words("vi"), ZONE), Text(words("en"), ZONE)
THURSDAY = int(datetime(2026, 11, 19, 22, 47, 16, tzinfo=ZONE).timestamp() * 1000)


def plain(text: object) -> str:
    return str(text).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("kw", "vi", "en"),
    [
        (97.8, "97,8 kW", "97.8 kW"),
        (684.2, "684 kW", "684 kW"),
        (12_345, "12,3 MW", "12.3 MW"),
        (-0.02, "0,0 kW", "0.0 kW"),
        (None, "— kW", "— kW"),
    ],
)
def test_power_has_one_decimal_below_a_hundred(kw: float | None, vi: str, en: str) -> None:
    assert (plain(VI.power(kw)), plain(EN.power(kw))) == (vi, en)


@pytest.mark.parametrize(("kwh", "vi"), [(5.46, "5,5 kWh"), (449.2, "449 kWh"), (1234.5, "1.234 kWh"), (10_900, "10,9 MWh")])
def test_energy_turns_to_mwh_from_ten_thousand_kwh(kwh: float, vi: str) -> None:
    assert plain(VI.energy(kwh)) == vi


@pytest.mark.parametrize(
    ("dong", "vi", "en"),
    [
        (956_689, "956.700 đ", "956,700 VND"),
        (24_090_000, "24,1 triệu đ", "24.1 million VND"),
        (1_243_000_000, "1,24 tỷ đ", "1.24 billion VND"),
    ],
)
def test_measured_money_is_told_to_a_hundred_dong_then_in_millions(dong: float, vi: str, en: str) -> None:
    assert (plain(VI.money(dong)), plain(EN.money(dong))) == (vi, en)


@pytest.mark.parametrize(
    ("dong", "vi"), [(82_278, "≈ 82.000 đ"), (3_440_000, "≈ 3,4 triệu đ"), (17_400_000, "≈ 17 triệu đ"), (94, "≈ 94 đ")]
)
def test_estimated_money_has_two_digits(dong: float, vi: str) -> None:
    assert plain(VI.about(dong)) == vi


def test_another_currency_is_named_by_its_code() -> None:
    assert plain(Text(words("en"), ZONE, "EUR").money(1234.5)) == "1,234 EUR"


def test_dates_and_clocks_are_the_plants() -> None:
    assert plain(VI.full_date(THURSDAY)) == "Thứ 5, 19/11/2026"
    assert plain(EN.full_date(THURSDAY)) == "Thu 19 Nov 2026"
    assert VI.clock(THURSDAY, seconds=True) == "22:47:16"
    assert VI.weekday(THURSDAY, grid=True) == "T5"
    assert (VI.weekday(THURSDAY, inside=True), EN.weekday(THURSDAY, inside=True)) == ("thứ 5", "Thu")


def test_energy_is_power_times_hours_only_where_a_day_has_that_many() -> None:
    assert plain(energy_told(EN, 45.45, 13.4, 166.7)) == "13.4 kW × 3.4 h = 45.45 kWh"
    assert plain(energy_told(EN, 628.79, 13.2, 808.65)) == "628.79 kWh"
    assert plain(energy_told(EN, 2.53, 90.0, 57.0, hours=8.0)) == "2.53 kWh", "the power is of other hours than the energy"
    assert plain(energy_told(EN, 4.0, 7.1, 57.0, hours=8.0)) == "7.1 kW × 0.6 h = 4.00 kWh"


@pytest.mark.parametrize(("seconds", "vi"), [(4, "4 s"), (840, "14 phút"), (11_000, "3 h"), (180_000, "2 ngày"), (-3, "0 s")])
def test_ages_in_tiles_are_short(seconds: float, vi: str) -> None:
    assert plain(VI.age(seconds)) == vi


@pytest.mark.parametrize(("seconds", "vi"), [(47 * 60, "47 phút"), (13_500, "3 h 45"), (5 * 86_400, "5 ngày"), (12, "12 s")])
def test_durations_are_short(seconds: float, vi: str) -> None:
    assert plain(VI.duration(seconds)) == vi


def test_a_deviation_carries_its_sign_and_no_minus_zero() -> None:
    assert VI.deviation(104.7, 100, 1) == "+4,7%"
    assert VI.deviation(99.99, 100) == "0%"
    assert VI.deviation(90, 100) == "−10%"


def test_a_band_whose_ends_read_the_same_is_one_number() -> None:
    assert (VI.band(4.08, 4.11), VI.band(86.2, 97.4), VI.band(-1, 0.3)) == ("4,1", "86–97", "0,0–0,3")


@given(st.floats(-1e12, 1e12), st.integers(0, 3))
@settings(max_examples=200)
def test_numbers_read_back_as_what_they_were(value: float, decimals: int) -> None:
    for text, point, group in ((VI, ",", "."), (EN, ".", ",")):
        told = text.number(value, decimals).replace(group, "").replace(point, ".").replace("−", "-")
        assert float(told) == pytest.approx(value, abs=0.5 * 10**-decimals + 1e-6 * abs(value))
        assert told != "-0"


@given(st.floats(1e-6, 1e12))
@settings(max_examples=200)
def test_two_digits_stay_within_five_percent(value: float) -> None:
    assert abs(two_digits(value) - value) <= 0.051 * value


def test_searching_minds_no_diacritics() -> None:
    assert fold("Đèn chiếu sáng Xưởng") == "den chieu sang xuong"


@pytest.mark.parametrize(
    ("wishes", "lang"),
    [(("en", "vi"), "en"), ((None, "vi-VN,vi;q=0.9,en"), "vi"), (("de", "fr-FR"), "vi"), (("xx", "en-GB;q=0.5"), "en")],
)
def test_the_first_wish_that_is_shipped_decides_the_language(wishes: tuple[str | None, ...], lang: str) -> None:
    assert choose(wishes, "vi").lang == lang


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(2, 60))
@settings(max_examples=100)
def test_thinning_keeps_order_ends_and_extremes(values: list[float], points: int) -> None:
    rows = [(i, value, 0) for i, value in enumerate(values)]
    kept = thin(rows, points)
    assert len(kept) <= max(points, 2)
    assert kept == sorted(kept)
    assert kept[0] == rows[0]
    if points >= 4:
        assert {max(values), min(values)} <= {row[1] for row in kept}
        assert kept[-1] == rows[-1]
