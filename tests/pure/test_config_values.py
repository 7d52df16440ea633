"""Durations, sizes, days and hours: what a text in a file stands for."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.catalogue import CALENDARS, FACTORS, TARIFFS, names
from config.loader import load_calendar, load_factors, load_tariff
from config.table_rules import DAYS, minutes, weekdays
from config.values import Secret, seconds, size_bytes
from driftwatt.errors import ConfigError


@given(st.integers(0, 999_999_999), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: tuple[str, float]) -> None:
    assert seconds(f"{number}{unit[0]}") == pytest.approx(number * unit[1])


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
def test_what_is_neither_duration_nor_size_is_refused_and_never_breaks(anything: object) -> None:
    for read in (seconds, size_bytes):
        with suppress(ValueError):
            assert 0 <= read(anything) < 1e18


@pytest.mark.parametrize("text", ["10", "10 s", "1e3s", "-1s", "+1s", "٣s", "s", "", "10S", "1.s", ".5s", "10s\n", "1h30m"])
def test_a_duration_is_written_in_one_way_only(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


@given(st.integers(0, 6), st.integers(0, 6))
def test_a_span_of_days_goes_forward_from_its_first_to_its_last(first: int, last: int) -> None:
    days = weekdays(f"{DAYS[first]}-{DAYS[last]}")
    assert days[0] == first
    assert days[-1] == last
    assert all((after - before) % 7 == 1 for before, after in pairwise(days))
    assert len(set(days)) == len(days)


@given(st.integers(0, 1439), st.integers(0, 1439))
def test_hours_are_read_to_the_minute(start: int, end: int) -> None:
    text = f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"
    if start == end:
        with pytest.raises(ValueError, match="is empty"):
            minutes(text)
    else:
        assert minutes(text) == (start, end)


def test_midnight_may_end_a_span_but_not_begin_one() -> None:
    assert minutes("22:00-24:00") == (1320, 1440)
    for text in ("24:00-02:00", "22:00-24:01", "22:60-23:00", "9:00-10:00", "22-23"):
        with pytest.raises(ValueError, match="allowed"):
            minutes(text)


def test_a_secret_comes_from_a_file_or_the_environment_and_its_absence_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("swordfish\n", encoding="utf-8")
    monkeypatch.setenv("DRIFTWATT_TEST_SECRET", "swordfish")
    assert Secret(file=Path("secret")).reveal(tmp_path) == "swordfish"
    assert Secret(env="DRIFTWATT_TEST_SECRET").reveal(tmp_path) == "swordfish"
    for absent in (Secret(file=Path("none")), Secret(env="DRIFTWATT_TEST_NONE")):
        with pytest.raises(ConfigError, match="secret"):
            absent.reveal(tmp_path)


@pytest.mark.parametrize("name", names([TARIFFS]))
def test_every_shipped_tariff_says_its_source_and_status(name: str) -> None:
    tariff = load_tariff(name)
    assert all(price.source and price.status for price in tariff.price)
    assert all(schedule.source and schedule.status for schedule in tariff.schedule)


@pytest.mark.parametrize(
    ("name", "normal", "off_peak", "peak", "average"),
    [
        ("vn-2025-manufacturing-from-110kv", 1811, 1146, 3266, 1905),
        ("vn-2025-manufacturing-22-110kv", 1833, 1190, 3398, 1952),
        ("vn-2025-manufacturing-6-22kv", 1899, 1234, 3508, 2020),
        ("vn-2025-manufacturing-under-6kv", 1987, 1300, 3640, 2110),
    ],
)
def test_prices_of_decision_1279_and_their_average_over_a_week(name: str, normal: int, off_peak: int, peak: int, average: int) -> None:
    tariff = load_tariff(name)
    price = tariff.price[0]
    assert (price.normal, price.off_peak, price.peak, price.from_) == (normal, off_peak, peak, date(2025, 5, 10))
    for schedule in tariff.schedule:
        hours = {"peak": 0.0, "off_peak": 0.0, "normal": 168.0}
        for window in schedule.periods:
            start, end = minutes(window.at)
            length = len(weekdays(window.days)) * ((end - start) % 1440) / 60
            hours[window.is_] += length
            hours["normal"] -= length
        assert hours == {"peak": 30, "off_peak": 42, "normal": 96}, schedule.id
        week = (hours["normal"] * normal + hours["off_peak"] * off_peak + hours["peak"] * peak) / 168
        assert round(week) == average


def test_every_shipped_calendar_and_factor_loads() -> None:
    assert {"two-shift", "always", "day-shift"} <= {name for name in names([CALENDARS]) if load_calendar(name).week}
    factors = load_factors("vn-grid").factor
    assert [(row.data_year, row.kg_per_kwh) for row in factors] == [(2021, 0.7221), (2022, 0.6766), (2023, 0.6592)]
    assert names([FACTORS]) == ["vn-grid"]
