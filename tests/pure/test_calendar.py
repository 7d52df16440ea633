"""Local days, day classes, shifts, shutdowns."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from processors.pure.calendar import ClosedWindow, DayCalendar, Shift, day_bounds, day_start_ms, local, wall_changes_ms

HOUR = 3_600_000
HCM, BERLIN = ZoneInfo("Asia/Ho_Chi_Minh"), ZoneInfo("Europe/Berlin")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def hours_of(zone: ZoneInfo, day: date) -> float:
    start, end = day_bounds(zone, day_start_ms(zone, day) + HOUR)
    return (end - start) / HOUR


def test_a_day_is_the_plants() -> None:
    assert day_bounds(HCM, ms("2026-03-01T16:59:59.999+00:00")) == (ms("2026-02-28T17:00Z"), ms("2026-03-01T17:00Z"))
    assert day_bounds(HCM, ms("2026-03-01T17:00+00:00"))[0] == ms("2026-03-01T17:00Z")


def test_days_of_23_and_25_hours_are_normal_days() -> None:
    assert hours_of(BERLIN, date(2026, 3, 29)) == 23
    assert hours_of(BERLIN, date(2026, 10, 25)) == 25
    assert hours_of(BERLIN, date(2026, 10, 26)) == 24
    assert hours_of(ZoneInfo("Australia/Lord_Howe"), date(2026, 10, 4)) == 23.5


@pytest.mark.parametrize(
    "name",
    [
        "Asia/Ho_Chi_Minh",
        "Europe/Berlin",
        "America/St_Johns",
        "America/Havana",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "UTC",
    ],
)
def test_days_follow_each_other_without_hole_or_overlap(name: str) -> None:
    zone = ZoneInfo(name)
    for year in (1999, 2011, 2018, 2026):
        t_ms, end_of_year = ms(f"{year}-01-01T00:00Z"), ms(f"{year + 1}-01-01T00:00Z")
        t_ms = day_bounds(zone, t_ms)[0]
        while t_ms < end_of_year:
            start, end = day_bounds(zone, t_ms)
            assert start == t_ms
            assert 0 < end - start <= 26 * HOUR
            assert day_bounds(zone, end - 1) == (start, end)
            t_ms = end


def test_the_clock_put_back_over_midnight_does_not_end_a_day_before_it_began() -> None:
    zone = ZoneInfo("America/St_Johns")
    t_ms = day_start_ms(zone, date(2010, 11, 6))
    for minute in range(3 * 24 * 60):
        start, end = day_bounds(zone, t_ms + minute * 60_000)
        assert start <= t_ms + minute * 60_000 < end


CALENDAR = DayCalendar(
    HCM,
    off_days=frozenset({date(2026, 9, 2), date(2026, 8, 31)}),
    work_days=frozenset({date(2026, 8, 22), date(2026, 8, 23), date(2026, 8, 24)}),
    week={day: (Shift(360, 840, "ca 1"), Shift(1320, 1800, "ca 3")) for day in range(6)},
    closed_windows=(ClosedWindow(ms("2026-07-01T00:00Z"), ms("2026-07-02T00:00Z"), "oil"),),
)


def test_day_classes_follow_weekday_holiday_and_swap_day() -> None:
    classes = {day: CALENDAR.day_class(date(2026, 8, day)) for day in range(20, 32)}
    assert classes[20] == "work"
    assert classes[22] == "work", "a Saturday that is worked in exchange"
    assert classes[23] == "work", "a Sunday that is worked in exchange"
    assert classes[24] == "work_monday"
    assert classes[29] == "saturday"
    assert classes[30] == "off"
    assert classes[31] == "off", "a holiday on a Monday"
    assert CALENDAR.day_class(date(2026, 9, 7)) == "work_monday"


def test_a_plant_without_sunday_off_works_on_sundays() -> None:
    always = DayCalendar(HCM, week={day: (Shift(0, 1440, "ca 1"),) for day in range(7)})
    assert always.day_class(date(2026, 8, 30)) == "work"


def test_a_weekday_without_shifts_is_off_when_others_have_some() -> None:
    four_days = DayCalendar(HCM, week={day: (Shift(0, 600, ""),) for day in range(4)})
    assert four_days.day_class(date(2026, 8, 28)) == "off"
    assert four_days.day_class(date(2026, 8, 27)) == "work"
    assert DayCalendar(HCM).day_class(date(2026, 8, 28)) == "work"


def test_shifts_are_those_of_the_day_they_begin_on() -> None:
    assert CALENDAR.shifts(date(2026, 8, 30)) == ()
    assert [shift.name for shift in CALENDAR.shifts(date(2026, 8, 23))] == ["ca 1", "ca 3"], "a swap Sunday has Monday's"
    friday_night = CALENDAR.shift_at(ms("2026-08-29T02:00+07:00"))
    assert friday_night is not None
    assert friday_night.name == "ca 3"
    assert CALENDAR.shift_at(ms("2026-08-29T14:00+07:00")) is None
    early = CALENDAR.shift_at(ms("2026-08-29T06:00+07:00"))
    assert early is not None
    assert early.name == "ca 1"


def test_a_shutdown_closes_what_it_touches() -> None:
    begin, end = ms("2026-07-01T00:00Z"), ms("2026-07-02T00:00Z")
    assert CALENDAR.closed(begin - HOUR, begin + 1)
    assert CALENDAR.closed(end - 1, end + HOUR)
    assert not CALENDAR.closed(begin - HOUR, begin)
    assert not CALENDAR.closed(end, end + HOUR)


def test_wall_changes_are_every_instant_at_which_the_wall_clock_passes_a_minute() -> None:
    start, end = day_bounds(BERLIN, ms("2026-10-25T12:00Z"))
    found = wall_changes_ms(BERLIN, start, end, frozenset({150, 600}))
    told = [datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%H:%M") for t_ms in found]
    assert told == ["22:00", "00:30", "01:00", "01:30", "09:00"], "02:30 comes twice, the clock goes back at 01:00 UTC"
    assert local(BERLIN, found[1]) + timedelta() == local(BERLIN, found[3])
