"""The arithmetic of detection, part by part: the examples in the modules are the specification."""

from __future__ import annotations

import doctest
import math
import random
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import analyse
from processors.pure import (
    appraise,
    baseline,
    csv_rows,
    cusum,
    event_lines,
    expected,
    fast,
    feeders,
    gate,
    hours,
    ledger,
    readiness,
    robust,
    schedule,
    severity,
)
from processors.pure.baseline import RIDGE, TERMS, Ridge
from processors.pure.outputs import IntervalEnergy
from tests.support.loads import MONDAY_MS, ZONE, PlainCalendar

EXAMPLES = [analyse, appraise, baseline, csv_rows, cusum, event_lines, expected, fast, feeders, readiness, robust, schedule, severity]


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
        ridge = baseline.learn(ridge, z, y, weight=1.0, forget=1.0)
    for i in range(TERMS):
        gradient = sum(z[i] * (y - baseline.dot(ridge.theta, z)) for z, y in rows) - RIDGE[i] * ridge.theta[i]
        assert gradient == pytest.approx(0.0, abs=1e-8)


def test_forgetting_halves_the_past_in_sixty_learned_days() -> None:
    assert pytest.approx(0.5) == baseline.FORGET**60


def test_a_rebase_lifts_the_level_and_leaves_the_weekday_slopes() -> None:
    ridge = Ridge()
    for day in range(70):
        sunday = float(day % 7 == 6)
        ridge = baseline.learn(ridge, (1.0, 0, sunday, 0, 0, 0, 0), 1.0 - 0.6 * sunday, weight=1.0, forget=1.0)
    lifted = baseline.shift_level(ridge, 0.2)
    assert lifted.theta[0] - ridge.theta[0] == pytest.approx(0.2, abs=0.01)
    assert lifted.theta[2] == pytest.approx(ridge.theta[2], abs=0.03)


def test_effective_parameters_count_what_the_data_speak_about() -> None:
    ridge = Ridge()
    for day in range(200):
        ridge = baseline.learn(ridge, (1.0, float(day % 7 == 5), float(day % 7 == 6), 0, 0, 0, 0), 1.0, weight=1.0, forget=1.0)
    assert 2.9 < baseline.effective_parameters(ridge) < 3.0


def test_one_weekend_is_enough_for_the_fast_test_and_one_night_is_not() -> None:
    start = fast.begin([(b, 4.0 + 0.1 * (b % 3)) for b in range(168)], 10.0)
    night, weekend = start, start
    for hour in range(8):
        night = fast.step(night, 12.0, hour, off=True, at_ms=hour)
    for hour in range(20):
        weekend = fast.step(weekend, 12.0, 140 + hour, off=True, at_ms=hour)
    assert night.score < fast.ADVICE_SCORE
    assert weekend.score >= 6.0
    assert fast.step(weekend, 20.0, 3, off=False, at_ms=20).score == 0.0


def test_doubtful_and_thin_intervals_are_missing_and_integrated_ones_are_not() -> None:
    hour = hours.hour_of(MONDAY_MS, ZONE)

    def quarter(n: int, *, quality: int = 0, coverage: float = 1.0) -> IntervalEnergy:
        start = MONDAY_MS + n * 900_000
        return IntervalEnergy("m", "15m", start, start + 900_000, 1000.0, quality=quality, coverage=coverage)

    good = hours.add(hours.add(hour, quarter(0), None, None), quarter(1, quality=512), None, None)
    assert good.kw == 4.0
    bad = hours.add(hours.add(hour, quarter(0, quality=32), None, None), quarter(1, coverage=0.3), None, None)
    assert bad.kw is None
    assert hours.add(bad, quarter(2), None, None).kw is None, "a quarter of an hour does not speak for the hour"


def test_holidays_use_sundays_bins_and_a_worked_sunday_a_working_days() -> None:
    calendar = PlainCalendar()
    day = hours.day_of(hours.hour_of(MONDAY_MS + 6 * 86_400_000, ZONE), ZONE, calendar)
    assert (day.day_class, day.weekday) == ("off", 6)
    assert hours.week_row(day.ordinal, "work") == 2
    assert hours.week_row(day.ordinal - 1, "off") == 6


def _settled_gate(rng: random.Random) -> gate.Gate:
    state = gate.begin()
    powers = []
    for hour in range(28 * 24):
        kw = 20.0 + rng.gauss(0, 1.0)
        powers.append(kw)
        state, reason, _ = gate.step(state, kw, hour % 168, meter="m", start_ms=hour * hours.HOUR_MS, at_ms=0)
        assert reason == ""
    return gate.learned(state, powers)


def test_the_gate_withholds_a_missed_rollover_at_once_and_once_per_day() -> None:
    state = _settled_gate(random.Random(1))
    state, reason, findings = gate.step(state, 1e6, 0, meter="m", start_ms=0, at_ms=5)
    assert (reason, [each.state for each in findings]) == ("jump", ["opened"])
    before = state.profile
    state, reason, findings = gate.step(state, -1e6, 1, meter="m", start_ms=hours.HOUR_MS, at_ms=6)
    assert (reason, findings, state.profile) == ("jump", (), before), "the same episode, and nothing learned"
    for hour in range(2, 27):
        state, reason, findings = gate.step(state, 20.0 + 0.01 * hour, hour, meter="m", start_ms=hour * hours.HOUR_MS, at_ms=hour)
    assert (reason, findings, state.episodes) == ("", (), ())


def test_the_gate_finds_a_stuck_meter_within_hours_and_a_reversed_ct_within_a_day() -> None:
    state = _settled_gate(random.Random(2))
    reasons = []
    for hour in range(12):
        state, reason, _ = gate.step(state, 19.5, hour, meter="m", start_ms=hour * hours.HOUR_MS, at_ms=0)
        reasons.append(reason)
    assert reasons[4:7] == ["", "stuck", "stuck"]
    state, rng, found = _settled_gate(random.Random(3)), random.Random(4), []
    for hour in range(24):
        state, reason, _ = gate.step(state, (20.0 + rng.gauss(0, 1)) / 3, hour, meter="m", start_ms=hour * hours.HOUR_MS, at_ms=0)
        found.append(reason)
    assert "ct" in found[:13]


def test_a_coarse_meter_switches_the_stuck_test_off_by_itself() -> None:
    state = gate.begin()
    for hour in range(28 * 24):
        state, _, _ = gate.step(state, float(hour // 10 % 2), hour % 168, meter="m", start_ms=hour, at_ms=0)
    state = gate.learned(state, [0.0, 1.0])
    for hour in range(17):
        state, reason, _ = gate.step(state, 1.0, hour, meter="m", start_ms=hour, at_ms=0)
        assert reason == ""


def test_an_idle_machine_may_say_the_same_all_night_but_not_all_day() -> None:
    state, reasons = _settled_gate(random.Random(5)), []
    for hour in range(25):
        state, reason, _ = gate.step(state, 0.2, hour, meter="m", start_ms=hour * hours.HOUR_MS, at_ms=0)
        reasons.append(reason)
    assert reasons == [""] * 23 + ["stuck"] * 2


def test_readiness_names_its_reasons() -> None:
    assert readiness.errors([0.1] * 10, 1.0, 1.0) == pytest.approx((0.1 * math.sqrt(10 / 9), 1 / 9))
    assert readiness.errors([0.1], 1.0, 1.0) is None
    assert pytest.approx(87, abs=0.5) == ledger.REFERENCE_DAYS


def test_a_large_shift_is_seen_by_the_steep_sum_days_before_the_patient_one_and_a_small_one_is_not_missed() -> None:
    def days_until(e: float, k: float, more: float = 0.0) -> int:
        total, days = 0.0, 0
        while cusum.score(total, k) - more <= 6.0:
            total, days = cusum.step(total, e, k), days + 1
        return days

    assert days_until(3.0, cusum.STEEP_K, cusum.STEEP_SURER) <= days_until(3.0, cusum.UP_K) - 3
    assert days_until(1.1, cusum.UP_K) < days_until(1.1, cusum.STEEP_K, cusum.STEEP_SURER)
