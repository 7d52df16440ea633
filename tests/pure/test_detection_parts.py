"""The arithmetic of detection, part by part: the examples in the modules are the specification."""

from __future__ import annotations

import doctest
import math
import random
from array import array
from dataclasses import replace
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import analyse_tasks
from processors.pure import (
    appraise,
    baseline,
    channels,
    cholesky,
    csv_rows,
    cusum,
    daily,
    detector,
    event_lines,
    expected,
    fast,
    feeders,
    gate,
    heard,
    hours,
    reach,
    readiness,
    savings,
    schedule,
    severity,
)
from processors.pure.baseline import RIDGE, TERMS, Ridge
from processors.pure.outputs import IntervalEnergy
from tests.support.loads import MONDAY_MS, SETTINGS, ZONE, Load, PlainCalendar, watch

EXAMPLES = [
    analyse_tasks,
    appraise,
    baseline,
    channels,
    cholesky,
    csv_rows,
    cusum,
    daily,
    event_lines,
    expected,
    fast,
    feeders,
    heard,
    hours,
    reach,
    readiness,
    savings,
    schedule,
    severity,
]


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_in_the_modules_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_score_is_siegmunds_run_length_and_does_not_jump_into_log_space() -> None:
    v = 2 * 0.3 * (5 + 1.166)
    assert cusum.score(5.0) == pytest.approx(math.log10((math.exp(v) - v - 1) / (2 * 0.09)))
    border = 60 / 0.6 - 1.166
    assert cusum.score(border - 1e-6) == pytest.approx(cusum.score(border + 1e-6), abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(-2, 2), st.floats(0.1, 5)), min_size=1, max_size=30))
def test_the_recursive_baseline_equals_the_ridge_solved_at_once(days: list[tuple[bool, bool, float, float]]) -> None:
    ridge = Ridge()
    rows = [((1.0, float(a), float(b), 0.0, heat, 0.0, 0.0), y) for a, b, heat, y in days]
    for z, y in rows:
        ridge = baseline.learn(ridge, z, baseline.pairs(z), y, weight=1.0, forget=1.0)
    for i in range(TERMS):
        gradient = sum(z[i] * (y - baseline.dot(ridge.theta, z)) for z, y in rows) - RIDGE[i] * ridge.theta[i]
        assert gradient == pytest.approx(0.0, abs=1e-8)


def test_forgetting_halves_the_past_in_ninety_learned_days() -> None:
    assert pytest.approx(0.5) == baseline.FORGET**90


def test_a_rebase_lifts_the_level_and_leaves_the_weekday_slopes() -> None:
    ridge = Ridge()
    for day in range(70):
        sunday = float(day % 7 == 6)
        z = (1.0, 0.0, sunday, 0.0, 0.0, 0.0, 0.0)
        ridge = baseline.learn(ridge, z, baseline.pairs(z), 1.0 - 0.6 * sunday, weight=1.0, forget=1.0)
    lifted = baseline.shift_level(ridge, 0.2)
    assert lifted.theta[0] - ridge.theta[0] == pytest.approx(0.2, abs=0.01)
    assert lifted.theta[2] == pytest.approx(ridge.theta[2], abs=0.03)


def test_effective_parameters_count_what_the_data_speak_about() -> None:
    ridge = Ridge()
    for day in range(200):
        z = (1.0, float(day % 7 == 5), float(day % 7 == 6), 0.0, 0.0, 0.0, 0.0)
        ridge = baseline.learn(ridge, z, baseline.pairs(z), 1.0, weight=1.0, forget=1.0)
    assert 2.9 < cholesky.effective_parameters(ridge.a) < 3.0


def test_one_weekend_is_enough_for_the_fast_test_and_one_night_is_not() -> None:
    week = fast.begin([(b, 4.0 + 0.1 * (b % 3)) for b in range(168)], 10.0)
    night = weekend = fast.CALM
    for hour in range(8):
        night = fast.step(night, week, 12.0, hour, hour, off=True)
    for hour in range(20):
        weekend = fast.step(weekend, week, 12.0, 140 + hour, hour, off=True)
    assert night.score < fast.ADVICE_SCORE
    assert weekend.score >= 6.0
    assert fast.step(weekend, week, 20.0, 3, 20, off=False).score == 0.0


def test_doubtful_and_thin_intervals_are_missing_and_integrated_ones_are_not() -> None:
    def quarter(n: int, *, quality: int = 0, coverage: float = 1.0) -> IntervalEnergy:
        start = MONDAY_MS + n * 900_000
        return IntervalEnergy("m", "15m", start, start + 900_000, 1000.0, quality=quality, coverage=coverage)

    def power(*quarters: IntervalEnergy) -> float | None:
        return watch(quarters)[0].hour_kw

    assert power(quarter(0), quarter(1, quality=512)) == 4.0
    assert power(quarter(0, quality=32), quarter(1, coverage=0.3)) is None
    assert power(quarter(0, quality=32), quarter(1, coverage=0.3), quarter(2)) is None, "a quarter of an hour does not speak for the hour"


def test_holidays_use_sundays_bins_and_a_worked_sunday_a_working_days() -> None:
    calendar = PlainCalendar()
    day = hours.day_of(MONDAY_MS + 6 * 86_400_000, ZONE, calendar)
    assert (day.day_class, day.base) == ("off", 6 * 24)
    assert hours.week_row(day.clock.ordinal, "work") == 2
    assert hours.week_row(day.clock.ordinal - 1, "off") == 6


def test_a_saturday_named_as_a_working_day_uses_a_working_days_bins_and_a_usual_one_its_own() -> None:
    saturday = hours.day_of(MONDAY_MS + 5 * 86_400_000, ZONE, PlainCalendar()).clock.ordinal
    assert [hours.week_row(saturday, kind) for kind in ("work", "saturday", "off")] == [2, 5, 6]


EMPTY = gate.Profile()


def _settled_gate(rng: random.Random) -> tuple[gate.Gate, gate.Profile]:
    state, profile = gate.Gate(), EMPTY
    powers = []
    for hour in range(28 * 24):
        kw = 20.0 + rng.gauss(0, 1.0)
        powers.append(kw)
        state, reason, _ = gate.step(state, profile, kw, hour % 168, "m", hour * hours.HOUR_MS, 0)
        assert reason == ""
        profile = profile.learned(bytes([hour % 168]), array("f", [kw]))
    return gate.learned(state, powers), profile


def test_the_gate_withholds_a_missed_rollover_at_once_and_once_per_day() -> None:
    state, profile = _settled_gate(random.Random(1))
    state, reason, findings = gate.step(state, profile, 1e6, 0, "m", 0, 5)
    assert (reason, [each.state for each in findings]) == ("jump", ["opened"])
    before = state.highest
    state, reason, findings = gate.step(state, profile, -1e6, 1, "m", hours.HOUR_MS, 6)
    assert (reason, findings, state.highest) == ("jump", (), before), "the same episode, and nothing learned"
    for hour in range(2, 27):
        state, reason, findings = gate.step(state, profile, 20.0 + 0.01 * hour, hour, "m", hour * hours.HOUR_MS, hour)
    assert (reason, findings, state.episodes) == ("", (), ())


def _judged(powers: list[float]) -> list[tuple[str, tuple[str, ...]]]:
    """Return reason and closing words of each hour that a settled gate is shown."""
    state, profile = _settled_gate(random.Random(6))
    found = []
    for hour, kw in enumerate(powers):
        state, reason, findings = gate.step(state, profile, kw, hour % 168, "m", hour * hours.HOUR_MS, hour)
        found.append((reason, tuple(str(each.detail.get("reason")) for each in findings if each.state == "closed")))
    return found


def test_a_jump_that_lasts_for_days_is_a_new_level_and_no_doubt() -> None:
    rng = random.Random(7)
    two_shifts = [(100 if 6 <= hour % 24 < 22 else 20) + rng.gauss(0, 1) for hour in range(7 * 24)]
    found = _judged(two_shifts)
    assert ("", ("new_level",)) in found[96:120]
    assert [reason for reason, _ in found[-24:]] == [""] * 24
    assert sum(reason == "jump" for reason, _ in found) == 4 * 16


def test_a_short_a_stuck_and_a_wild_jump_stay_jumps() -> None:
    rng = random.Random(8)
    around = [20 + rng.gauss(0, 1) for _ in range(240)]
    three_days = [1000 * kw if hour < 72 else kw for hour, kw in enumerate(around)]
    stuck_high, wild = [5000.0] * 240, [100 * kw * 5 ** (hour % 5) for hour, kw in enumerate(around)]
    both_sides = [(1 if hour % 2 else -1) * 50 * kw for hour, kw in enumerate(around)]
    for powers in (three_days, stuck_high, wild, both_sides):
        assert not any("new_level" in words for _, words in _judged(powers))


def test_the_gate_finds_a_stuck_meter_within_hours_and_a_reversed_ct_within_a_day() -> None:
    state, profile = _settled_gate(random.Random(2))
    reasons = []
    for hour in range(12):
        state, reason, _ = gate.step(state, profile, 19.5, hour, "m", hour * hours.HOUR_MS, 0)
        reasons.append(reason)
    assert reasons[4:7] == ["", "stuck", "stuck"]
    state, profile = _settled_gate(random.Random(3))
    rng, found = random.Random(4), []
    for hour in range(24):
        state, reason, _ = gate.step(state, profile, (20.0 + rng.gauss(0, 1)) / 3, hour, "m", hour * hours.HOUR_MS, 0)
        found.append(reason)
    assert "ct" in found[:13]


def test_hours_a_little_low_are_plain_until_one_is_lower() -> None:
    calm = gate.Gate(highest=30.0, lowest=4.0, powers=(4.0,) * 12)
    assert [gate.plain_between(calm._replace(powers=(kw, *calm.powers[1:])))[0] for kw in (3.0, 2.9)] == [3.0, 4.0]
    state = detector.begin(SETTINGS)
    for each in list(Load(5, quarters=4).intervals(40))[:-12]:
        state, _ = detector.on_interval(state, each, SETTINGS)
    assert state.day is not None
    assert state.day.plain[2] == 0.75 * state.gate.lowest
    low = replace(each, start_ms=each.end_ms, end_ms=each.end_ms + hours.HOUR_MS, import_wh=500.0)
    state, _ = detector.on_interval(state, low, SETTINGS)
    assert state.day is not None
    assert state.day.plain[2] == state.gate.lowest


def test_a_coarse_meter_switches_the_stuck_test_off_by_itself() -> None:
    state = gate.Gate()
    for hour in range(28 * 24):
        state, _, _ = gate.step(state, EMPTY, float(hour // 10 % 2), hour % 168, "m", hour, 0)
    state = gate.learned(state, [0.0, 1.0])
    for hour in range(17):
        state, reason, _ = gate.step(state, EMPTY, 1.0, hour, "m", hour, 0)
        assert reason == ""


def test_an_idle_machine_may_say_the_same_all_night_but_not_all_day() -> None:
    state, profile = _settled_gate(random.Random(5))
    reasons = []
    for hour in range(25):
        state, reason, _ = gate.step(state, profile, 0.2, hour, "m", hour * hours.HOUR_MS, 0)
        reasons.append(reason)
    assert reasons == [""] * 23 + ["stuck"] * 2


def test_readiness_names_its_reasons() -> None:
    assert readiness.errors([0.1] * 10, 1.0, 1.0) == pytest.approx((0.1 * math.sqrt(10 / 9), 1 / 9))
    assert readiness.errors([0.1], 1.0, 1.0) is None
    assert pytest.approx(130, abs=0.5) == savings.REFERENCE_DAYS


def test_a_large_shift_is_seen_by_the_steep_sum_days_before_the_patient_one_and_a_small_one_is_not_missed() -> None:
    def days_until(e: float, k: float) -> int:
        total, days = 0.0, 0
        while cusum.score(total, k) <= 6.0:
            total, days = cusum.step(total, e, k), days + 1
        return days

    assert days_until(3.0, cusum.STEEP_K) <= days_until(3.0, cusum.UP_K) - 3
    assert days_until(1.1, cusum.UP_K) < days_until(1.1, cusum.STEEP_K)


def _charted(rs: list[float]) -> channels.Chart:
    """Return a chart after days of value 1 + r, its baseline held at 1 by many earlier days."""
    z = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    ridge = baseline.Ridge()
    for _ in range(400):
        ridge = baseline.learn(ridge, z, baseline.pairs(z), 1.0, weight=1.0, forget=1.0)
    chart = channels.Chart(ridge=ridge, mean=1.0)
    for day, r in enumerate(rs):
        today = channels.Today(z, baseline.pairs(z), 0, day, True, 1.0)
        chart, _ = channels.update(chart, today, 1.0 + r)
    return chart


def test_a_load_that_stands_lower_for_a_month_is_not_taken_for_a_noisier_one() -> None:
    rng = random.Random(11)
    noise = [rng.gauss(0.0, 0.02) for _ in range(90)]
    steady, lower = _charted(noise), _charted(noise[:60] + [r - 0.08 for r in noise[60:]])
    assert lower.sigma(0) < 2 * steady.sigma(0) < 0.5 * 0.08
    assert lower.rho < 0.5


def test_waste_on_a_lowered_load_is_seen_before_it_reaches_the_old_baseline() -> None:
    rng = random.Random(12)
    noise = [rng.gauss(0.0, 0.02) for _ in range(110)]
    lowered = [r - 0.08 for r in noise[60:]]
    assert _charted(noise[:60] + lowered).score < 1.3
    assert _charted(noise[:60] + lowered[:30] + [r + 0.08 for r in lowered[30:]]).score > 2.5


def test_an_answer_forgets_the_height_but_not_the_depth_of_the_load() -> None:
    assert channels.quiet(channels.Chart(up=9.0, below=-0.5)).below == 0.0
    assert channels.quiet(channels.Chart(up=9.0, below=0.5)).below == 0.5
