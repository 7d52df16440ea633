"""What detection makes of drivers: one that is named late, one that falls silent, weather that was never seen before."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from processors.pure import baseline, channels, detector, reach
from processors.pure.detector import DetectorState, Settings
from processors.pure.outputs import IntervalEnergy, Output, Readiness, WasteFinding
from tests.support.loads import DAY_MS, MONDAY_MS, SETTINGS, waste

HOUR_MS = 3_600_000
Hour = tuple[float, float | None, float | None]
"""kW, °C and units of an hour."""


PLANT = replace(SETTINGS, drivers=(True, True))
"""A plant file names both drivers; a history does not say."""


def played(days: int, hour_of: Callable[[int, int], Hour], settings: Settings = PLANT) -> tuple[DetectorState, list[Output]]:
    """Show hours to a detector and return its last state and everything it said."""
    state, said = detector.begin(settings), list[Output]()
    for day in range(days):
        for hour in range(24):
            kw, warmth, units = hour_of(day, hour)
            start_ms = MONDAY_MS + day * DAY_MS + hour * HOUR_MS
            interval = IntervalEnergy("m", "15m", start_ms, start_ms + HOUR_MS, kw * 1000)
            state, told = detector.on_interval(state, interval, settings, temperature=warmth, production=units)
            said += told
    return state, said


def line(seed: int, named: int = 0, silent: range = range(0)) -> Callable[[int, int], Hour]:
    """Return a press line whose running power follows what it makes, 40 to 160 % of the usual; its driver is named on a day."""
    rng = random.Random(seed)
    made = [rng.uniform(0.4, 1.6) for _ in range(400)]

    def hour_of(day: int, hour: int) -> Hour:
        running = day % 7 < 6 and 6 <= hour < 22
        kw = (5 + 45 * made[day] if running else 4.0) * rng.gauss(1, 0.02)
        heard = day >= named and day not in silent
        return kw, None, (100 * made[day] if running else 0.0) if heard else None

    return hour_of


def readiness(said: list[Output]) -> Iterator[tuple[str, str]]:
    """Yield (state, what is missing) whenever it changed."""
    last = ("", "")
    for each in said:
        if isinstance(each, Readiness) and (each.state, each.missing) != last:
            last = each.state, each.missing
            yield last


def test_production_that_is_named_late_explains_the_load_from_then_on() -> None:
    for named in (10, 60):
        state, said = played(named + 100, line(7, named))
        memory = state.memory
        assert memory.schedule is not None
        of_a_usual_day = memory.charts[3].ridge.theta[6] * memory.schedule.level
        assert of_a_usual_day * 100 * 16 / 24 / memory.heard.production == pytest.approx(45, rel=0.1), "kW of all that is made in 16 hours"
        assert not waste(said)


def test_days_without_production_are_not_waste_and_the_meter_says_what_is_away() -> None:
    state, said = played(240, line(7, silent=range(150, 200)))
    assert not [each for each in waste(said) if each.kwh.value > 700]
    assert list(readiness(said))[-3:] == [("ready", ""), ("not_fit", "production_away"), ("ready", "")]
    assert state.memory.valid_days == 239 - 50, "of the days that are over"


def chiller(silent: range) -> Callable[[int, int], Hour]:
    """Return a load of 3 kW a degree above 17 °C in running hours, in weather that is hot while nobody measures it."""
    rng = random.Random(3)
    warmth = [24 + 5 * rng.uniform(-1, 1) for _ in range(400)]

    def hour_of(day: int, hour: int) -> Hour:
        running = day % 7 < 6 and 6 <= hour < 22
        season = warmth[day] + (6 if day - 3 in silent else 0)
        kw = (30 + 3 * (season - 17) if running else 4.0) * rng.gauss(1, 0.03)
        return kw, None if day in silent else season, None

    return hour_of


def test_a_thermometer_that_breaks_is_waited_for_three_days_and_then_told() -> None:
    state, said = played(160, chiller(range(100, 140)))
    assert not [each for each in waste(said) if each.at_ms > MONDAY_MS + 100 * DAY_MS]
    assert list(readiness(said))[-2:] == [("not_fit", "temperature_away"), ("ready", "")]
    away = next(each for each in said if isinstance(each, Readiness) and each.missing == "temperature_away")
    assert round((away.at_ms - MONDAY_MS) / DAY_MS) == 104
    assert state.memory.valid_days == 159 - 37


def test_in_a_history_a_driver_that_ends_is_missed_for_a_week_and_then_gone() -> None:
    state, said = played(160, chiller(range(100, 200)), SETTINGS)
    assert list(readiness(said))[-2:] == [("not_fit", "temperature_away"), ("ready", "")]
    assert state.memory.valid_days == 159 - 4


def cooled(seed: int, extra: Callable[[int, bool], float] = lambda _day, _running: 0.0) -> Callable[[int, int], Hour]:
    """Return a chiller from January on, 17 to 31 °C over the year: 3 kW a degree above 17 in running hours, hour by hour."""
    rng = random.Random(seed)
    season = [24 - 7 * math.cos((day - 10) / 365 * math.tau) + rng.gauss(0, 2) for day in range(500)]

    def hour_of(day: int, hour: int) -> Hour:
        running = day % 7 < 6 and 6 <= hour < 22
        outside = season[day] + 4 * math.sin((hour - 9) / 24 * math.tau)
        kw = (30 + 3 * max(0.0, outside - 17) if running else 4.0) * rng.gauss(1, 0.03)
        return kw + extra(day, running), outside, None

    return hour_of


def answered(days: int, hour_of: Callable[[int, int], Hour]) -> list[Output]:
    """Play a load whose alerts nobody answers: they count as known after three days."""
    state, said, due = detector.begin(PLANT), list[Output](), list[WasteFinding]()
    for day in range(days):
        while due and due[0].at_ms + 3 * DAY_MS <= MONDAY_MS + day * DAY_MS:
            event = due.pop(0)
            state, _ = detector.answer(state, PLANT, event.channel, event.since_ms, "known", MONDAY_MS + day * DAY_MS)
        for hour in range(24):
            kw, warmth, units = hour_of(day, hour)
            start_ms = MONDAY_MS + day * DAY_MS + hour * HOUR_MS
            interval = IntervalEnergy("m", "15m", start_ms, start_ms + HOUR_MS, kw * 1000)
            state, told = detector.on_interval(state, interval, PLANT, temperature=warmth, production=units)
            said += told
            due += waste(told)
    return said


def test_a_chillers_first_summer_is_no_waste() -> None:
    for seed in (1, 2, 3):
        said = answered(365, cooled(seed))
        assert sum(each.kwh.value for each in waste(said, "closed")) < 2000
        assert len(waste(said)) <= 1


def test_waste_that_does_not_follow_the_weather_is_found_in_spring_and_counted_provisionally() -> None:
    said = answered(300, cooled(1, lambda day, _running: 5.0 if day >= 100 else 0.0))
    first = waste(said)[0]
    assert first.channel == "base"
    assert (first.at_ms - MONDAY_MS) / DAY_MS - 100 <= 7
    last = [each for each in waste(said, "updated") if each.since_ms == first.since_ms][-1]
    assert last.kwh.value == pytest.approx(199 * 24 * 5.0, rel=0.35)
    assert last.provisional


def test_waste_that_came_with_the_season_is_found_when_known_weather_is_back() -> None:
    def worn(day: int, running: bool) -> float:  # noqa: FBT001 – an extra load
        return 9.0 if day >= 100 and running else 0.0

    days = [(each.at_ms - MONDAY_MS) / DAY_MS for each in waste(answered(365, cooled(2, worn)))]
    assert days
    assert 100 < days[0] < 330


def test_a_day_beyond_the_range_teaches_a_calm_baseline_alone_and_a_frozen_one_nothing() -> None:
    z = (1.0, 0.0, 0.0, 0.0, 1.5, 0.0, 0.0)
    today = channels.Today(z, baseline.pairs(z), 0, 1, True, 1.0)
    calm = channels.Chart(ridge=baseline.learn(baseline.Ridge(), z, baseline.pairs(z), 1.0, weight=1.0, forget=1.0), mean=1.0)
    learned, _ = channels.taught(calm, today, 2.0)
    assert learned.ridge.n == calm.ridge.n + 1
    assert learned._replace(ridge=calm.ridge, mean=calm.mean) == calm
    frozen = calm._replace(up=50.0)
    assert channels.taught(frozen, today, 2.0)[0] == frozen


def test_the_range_does_not_grow_while_a_chart_is_frozen() -> None:
    state, _ = played(150, cooled(4, lambda day, _running: 15.0 if day >= 60 else 0.0))
    assert state.events
    assert reach.edges(state.memory.heard.reach)[0] < 0.6, "12 K above 17 °C were seen"
