"""The reference of the first twelve months, and what later months say beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from driftwatt.alerts import Range
from processors.pure import detector, detector_bytes
from processors.pure.appraise import AlertContext
from processors.pure.csv_rows import Row
from processors.pure.detector import DetectorState
from processors.pure.event_lines import line_of
from processors.pure.outputs import ChannelChange, SinceLastYear
from processors.pure.playback import Playback, Rules, WeekCalendar
from processors.pure.schedule import Schedule, mask_of
from processors.pure.year_on_year import cost_per_month, known_from, kwh_per_month, since_last_year
from processors.pure.yearly import LEAST_LEARNED, YEAR, Yearly, kept, learned
from tests.support.loads import DAY_MS, MONDAY_MS, SETTINGS, Fault, Load, step, waste, watch

HISTORY = replace(SETTINGS, calendar=WeekCalendar(), band=False)
Z = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def after(days: int, fault: Fault | None = None, seed: int = 7) -> DetectorState:
    return watch(Load(seed, quarters=4).intervals(days, fault), HISTORY)[0]


def creep(kw: float, since: int, over: int) -> Fault:
    return lambda day, _usual, _running: kw * min(1.0, max(0.0, (day - since) / over))


def compared(state: DetectorState) -> SinceLastYear:
    found = since_last_year(state.memory, "m", 0)
    assert found is not None
    return found


def test_a_load_that_is_as_it_was_has_not_changed_since_last_year() -> None:
    total = compared(after(430)).total.kw
    assert total.low < 0 < total.high
    assert abs(total.value) < 0.3


def test_a_new_load_is_told_with_its_power_although_the_charts_have_long_followed_it() -> None:
    state, said = watch(Load(7, quarters=4).intervals(520, step(2.0, 380)), HISTORY)
    opened = waste(said)[0]
    state, _ = detector.answer(state, HISTORY, opened.channel, opened.since_ms, "new_normal", state.seen_ms)
    found = compared(state)
    assert {each.channel for each in found.channels} == {"base", "off", "tot"}  # a Sunday has neither shoulders nor running hours
    assert [each.kw.value for each in found.channels] == pytest.approx([2.0] * 3, abs=0.35)
    assert found.total.kw.low > 0
    assert kwh_per_month(found).value == pytest.approx(found.total.kw.value * 730.5)


def test_a_creep_that_never_alarms_is_accounted_for() -> None:
    state, said = watch(Load(9, quarters=4).intervals(500, creep(1.2, 380, 120)), HISTORY)
    base = compared(state).channels[0].kw
    assert base.value == pytest.approx(1.2 * (1 - 14 / 120), abs=0.25)
    assert base.low > 0
    assert len(waste(said)) <= 1


def test_before_twelve_months_are_known_nothing_is_said_but_when_it_will_be() -> None:
    state = after(200)
    assert since_last_year(state.memory, "m", 0) is None
    first = date(2026, 7, 6).toordinal()
    assert known_from(state.memory) == first + YEAR - 1 + 20
    assert known_from(DetectorState().memory) is None
    assert compared(after(387)).days == 20 + 1


def test_the_reference_stays_what_it_is_once_its_year_is_over() -> None:
    assert after(400).memory.yearly == after(600, step(5.0, 420)).memory.yearly


def test_a_meter_that_was_off_for_months_learns_until_it_has_enough_days() -> None:
    year = Yearly()
    for day in [*range(100), *range(300, 500)]:
        year = learned(year, 1000 + day, Z, (1.0, None, None, None, 1.0), Schedule(5.0))
    assert (year.n, year.end) == (LEAST_LEARNED, 1000 + 455)


def test_a_day_without_one_of_the_channels_is_left_out_and_so_is_a_channel_that_a_weekday_never_has() -> None:
    nights = Schedule(5.0, mask_of([hour % 24 < 8 for hour in range(168)]))
    assert kept(nights) == (0, 1, 2, 3, 4)
    assert learned(Yearly(), 1000, Z, (1.0, 1.0, None, 1.0, 1.0), nights).n == 0
    assert learned(Yearly(), 1000, Z, (1.0, 1.0, 1.0, 1.0, 1.0), nights).n == 1
    free_sundays = Schedule(5.0, mask_of([hour % 24 < 8 or hour >= 144 for hour in range(168)]))
    assert kept(free_sundays) == (0, 1, 2, 4)


def test_a_day_that_passed_for_a_holiday_by_its_low_mean_alone_is_not_learned() -> None:
    stopped: Fault = lambda day, usual, _running: 4.0 - usual if 200 <= day < 203 else 0.0  # noqa: E731
    whole, shut = after(300).memory.yearly, after(300, stopped).memory.yearly
    assert (whole.n, shut.n) == (299, 296)


def test_a_state_read_back_says_the_same() -> None:
    state = after(420)
    again = detector_bytes.load(detector_bytes.dump(state))
    assert again.memory.yearly == state.memory.yearly
    assert compared(again) == compared(state)
    assert len(detector_bytes.dump_memory(state.memory)) - len(detector_bytes.dump_memory(state.memory._replace(yearly=Yearly()))) < 600


def rows(days: int) -> Iterator[Row]:
    for n, each in enumerate(Load(3, quarters=4).intervals(days)):
        yield Row(n + 2, each.start_ms, each.import_wh / 1000)


def test_a_history_says_it_once_a_month_from_the_thirteenth_on_and_at_its_end() -> None:
    played = Playback(Rules(HISTORY))
    played.start(3_600_000)
    told = [each for each in (*played.take(rows(500)), *played.finish()) if isinstance(each, SinceLastYear)]
    ends = [date.fromordinal(each.last) for each in told]
    assert ends == [date(2027, 7, 31), date(2027, 8, 31), date(2027, 9, 30), date(2027, 10, 31), date(2027, 11, 16)]
    assert {date.fromordinal(each.year_first) for each in told} == {date(2026, 7, 6)}
    assert told[0].at_ms == MONDAY_MS + 392 * DAY_MS + 3_600_000  # the hour after the first day of August is over
    line = line_of(told[0], AlertContext(plant=""))
    assert line is not None
    assert (line["type"], line["from"], line["to"], line["days"]) == ("yearly", "2027-07-06", "2027-07-31", 26)
    assert line["delta_kw_lo"] < line["delta_kw"] < line["delta_kw_hi"]


def test_without_prices_there_is_no_money() -> None:
    found = SinceLastYear("m", 0, 400, 427, 28, 1, 365, (ChannelChange("tot", Range(1.0, -1.0, 3.0), 10.0),), ((0, 2.0),))
    assert cost_per_month(found, None) is None
