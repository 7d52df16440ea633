"""A meter whose first weeks are not its later life: what it waits for, what it learns anew, and what never makes it do so."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from processors.pure import detector
from processors.pure.outputs import DataFinding, IntervalEnergy, Output, Readiness
from tests.support.loads import DAY_MS, MONDAY_MS, SETTINGS, Load, step, waste, watch

HOUR_MS = 3_600_000
MONDAY = date(2026, 7, 6)


def machine(days: int, starts: int, idle: float, *, seed: int = 3) -> Iterator[IntervalEnergy]:
    """Return hours of a machine, 50 kW in two shifts and 4 kW else from the day `starts` on, `idle` kW before."""
    rng = random.Random(seed)
    for day in range(days):
        for hour in range(24):
            kw = (50.0 if day % 7 < 6 and 6 <= hour < 22 else 4.0) * rng.gauss(1, 0.05) if day >= starts else idle * rng.gauss(1, 0.03)
            start_ms = MONDAY_MS + day * DAY_MS + hour * HOUR_MS
            yield IntervalEnergy("m", "15m", start_ms, start_ms + HOUR_MS, kw * 1000)


def states(said: list[Output]) -> list[str]:
    """Return each readiness with what is missing, whenever it changed."""
    told = [f"{each.state} {each.missing}".strip() for each in said if isinstance(each, Readiness)]
    return [now for before, now in zip(["", *told], told, strict=False) if now != before]


@pytest.mark.parametrize(("starts", "idle"), [(5, 0.0), (12, 0.5), (20, 0.0), (40, 0.0)])
def test_a_meter_installed_before_its_machine_runs_learns_from_the_first_day_with_a_load(starts: int, idle: float) -> None:
    state, said = watch(machine(starts + 60, starts, idle))
    schedule = state.memory.schedule
    assert schedule is not None
    assert (schedule.off_hours(0), schedule.off_hours(6), round(schedule.level)) == (8, 24, 30)
    assert states(said)[-2:] == ["learning", "provisional"]
    assert state.memory.valid_days == 59
    assert not waste(said)


def test_a_meter_that_draws_nothing_or_runs_backwards_says_so() -> None:
    assert states(watch(machine(20, 40, 0.0))[1])[-1] == "learning load"
    assert states(watch(machine(20, 40, -8.0))[1])[-1] == "learning sign"


@pytest.mark.parametrize(("starts", "idle"), [(14, 0.5), (20, 4.0)])
def test_a_meter_that_is_not_fit_for_four_weeks_learns_anew_and_says_so(starts: int, idle: float) -> None:
    state, said = watch(machine(100, starts, idle))
    assert states(said)[-3:] == ["not_fit driver", "learning anew_unfit", "provisional"]
    schedule = state.memory.schedule
    assert schedule is not None
    assert schedule.off_hours(0) == 8
    assert state.memory.charts[4].calm
    assert not waste(said)


def test_a_jump_that_lasts_is_a_new_level_and_a_new_normal_of_it_is_learned_anew() -> None:
    rows = list(machine(110, 40, 0.5))
    state, said = watch(rows[: 50 * 24])
    assert [each.detail["reason"] for each in said if isinstance(each, DataFinding) and each.state == "closed"] == ["new_level"]
    event = waste(said)[-1]
    state, told = detector.answer(state, SETTINGS, event.channel, event.since_ms, "new_normal", event.at_ms)
    assert [each.reason for each in waste(told, "closed")] == ["new_normal"]
    assert states(list(told)) == ["learning anew_answer"]
    state, later = watch(rows[50 * 24 :], state=state)
    assert states(later)[-1] == "provisional"
    assert not waste(later)
    assert state.memory.schedule is not None
    assert state.memory.schedule.off_hours(0) == 8


def test_nights_that_really_fell_are_told_once_and_not_on_every_sunday() -> None:
    _, said = watch(Load(3, quarters=4).intervals(115, lambda day, _kw, running: -2.2 if day >= 45 and not running else 0.0))
    told = [each for each in said if isinstance(each, DataFinding) and each.state == "opened"]
    assert [each.reason for each in told] == ["ct"]


def test_waste_never_makes_a_meter_learn_anew_however_long_nobody_answers() -> None:
    state, said = watch(Load(5, quarters=4).intervals(160, step(20.0, 45)))
    assert [each.state for each in waste(said)] == ["opened"]
    assert not [each for each in states(said) if "anew" in each]
    assert len(state.events) == 1


def test_a_date_in_the_plant_file_makes_a_meter_learn_anew_from_it_once() -> None:
    rows = list(Load(5, quarters=4).intervals(110, step(8.0, 45)))
    state, _ = watch(rows[: 80 * 24])
    assert len(state.events) == 1
    named = replace(SETTINGS, learn_from=(MONDAY + timedelta(days=50)).toordinal())
    state, later = watch(rows[80 * 24 :], named, state)
    assert [each.reason for each in waste(later, "closed")] == ["learned_anew"]
    assert [each for each in states(later) if "anew" in each] == ["learning anew_date"]
    assert states(later)[-1] == "provisional"
    assert state.memory.first == named.learn_from
    assert not waste(later)


def test_what_learned_anew_is_the_same_when_it_is_cut_and_carried_on_from_bytes() -> None:
    rows = list(machine(80, 14, 0.5))
    whole, said = watch(rows)
    assert any("anew" in each for each in states(said))
    for cut in (60 * 24 + 7, 70 * 24, 72 * 24 + 3):
        first, one = watch(rows[:cut])
        second, two = watch(rows[cut:], state=detector.load(detector.dump(first)))
        assert one + two == said
        assert detector.dump(second) == detector.dump(whole)


def driven(days: range, of: Callable[[int], float], *, measured: bool) -> list[tuple[IntervalEnergy, float | None]]:
    rng = random.Random(4)
    out = []
    for day in range(days.stop):
        for hour in range(24):
            running = day % 7 < 6 and 6 <= hour < 22
            kw = (30 + 3 * (of(day) - 17) if running else 4.0) * rng.gauss(1, 0.03)
            start_ms = MONDAY_MS + day * DAY_MS + hour * HOUR_MS
            if day >= days.start:
                out.append((IntervalEnergy("m", "15m", start_ms, start_ms + HOUR_MS, kw * 1000), of(day) if measured else None))
    return out


def test_a_driver_taken_out_of_the_plant_file_is_learned_without() -> None:
    def warmth(day: int) -> float:
        return 24 + 4 * math.sin(day)

    state, said = detector.begin(SETTINGS), list[Output]()
    for interval, outside in driven(range(60), warmth, measured=True):
        state, _ = detector.on_interval(state, interval, SETTINGS, temperature=outside)
    assert state.memory.charts[3].ridge.theta[4] > 0
    alone = replace(SETTINGS, drivers=(False, False))
    for interval, _ in driven(range(60, 90), warmth, measured=False):
        state, told = detector.on_interval(state, interval, alone)
        said += told
    assert states(said)[-2:] == ["learning anew_driver", "provisional"]
    assert all(chart.ridge.theta[4] == 0.0 for chart in state.memory.charts)
    assert not waste(said)
