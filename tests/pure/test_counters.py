"""Counter steps, one by one."""

from __future__ import annotations

import pytest

from processors.pure import counters
from processors.pure.counters import Counter, Limits, first, resolution, step

HOUR = 3_600_000
LIMITS = Limits(per_hour=100_000.0, modulus=100_000_000.0, resolution=10.0)


def walk(values: list[tuple[int, float]], limits: Limits = LIMITS) -> tuple[Counter, list[str]]:
    counter, kinds = first(*values[0]), list[str]()
    for t_ms, value in values[1:]:
        counter, kind = step(counter, t_ms, value, limits)
        kinds.append(kind)
    return counter, kinds


def test_a_normal_step_tells_the_difference() -> None:
    counter, kinds = walk([(0, 5000.0), (HOUR, 15_000.0), (2 * HOUR, 15_000.0)])
    assert kinds == ["normal", "normal"]
    assert counter.total == 10_000
    assert counter.changed_ms == HOUR


def test_energy_is_the_difference_of_readings_however_many_lie_between() -> None:
    values = [(i * 1000, 1e7 + i * 0.1) for i in range(5000)]
    counter, _ = walk(values)
    assert counter.total == values[-1][1] - values[0][1]


def test_a_rollover_of_known_modulus_is_counted_through() -> None:
    counter, kinds = walk([(0, 99_999_950.0), (HOUR, 30.0), (2 * HOUR, 50.0)])
    assert kinds == ["rollover", "normal"]
    assert counter.total == 100


def test_a_register_that_shows_0_instead_of_its_modulus_lost_nothing() -> None:
    limits = Limits(per_hour=2000.0, modulus=1000.0, resolution=1.0)
    counter, kinds = walk([(0, 1000.0), (HOUR, 0.0)], limits)
    assert kinds == ["rollover"]
    assert counter.total == 0


def test_a_fall_without_known_modulus_is_never_energy() -> None:
    counter, kinds = walk([(0, 99_999_950.0), (HOUR, 30.0), (2 * HOUR, 50.0)], Limits(100_000.0))
    assert kinds == ["held", "reset"]
    assert counter.total == 20


def test_a_rollover_needs_a_value_that_the_register_can_hold() -> None:
    _, kinds = walk([(0, 150_000_000.0), (HOUR, 50_000_030.0)])
    assert kinds == ["held"]


def test_a_reset_makes_no_energy_and_counting_goes_on_from_zero() -> None:
    counter, kinds = walk([(0, 50_000_000.0), (HOUR, 0.0), (2 * HOUR, 700.0), (3 * HOUR, 900.0)])
    assert kinds == ["held", "reset", "normal"]
    assert counter.total == 900


def test_another_meter_in_its_place_makes_no_energy() -> None:
    counter, kinds = walk([(0, 50_000_000.0), (HOUR, 70_000_000.0), (2 * HOUR, 70_000_500.0)])
    assert kinds == ["held", "jump"]
    assert counter.total == 500


def test_a_jump_down_to_a_high_value_is_no_reset() -> None:
    assert walk([(0, 50_000_000.0), (HOUR, 40_000_000.0), (2 * HOUR, 40_000_500.0)])[1] == ["held", "jump"]


@pytest.mark.parametrize("glitch", [0.0, 1.0, 90_000_000.0, 4.2e9, -5.0, 1e300])
def test_one_wild_value_that_comes_back_is_a_glitch_and_makes_no_energy(glitch: float) -> None:
    counter, kinds = walk([(0, 50_000_000.0), (1000, glitch), (2000, 50_000_010.0)])
    assert kinds == ["held", "normal"]
    assert counter.total == 10
    assert counter.held_ms == -1


def test_wild_values_that_do_not_follow_each_other_are_never_believed() -> None:
    counter, kinds = walk([(0, 5e7), (1000, 9e7), (2000, 1e6), (3000, 7e7), (4000, 5e7)])
    assert kinds == ["held", "held", "held", "normal"]
    assert counter.total == 0


def test_a_last_digit_that_trembles_downwards_makes_no_energy_twice() -> None:
    values = [(0, 1000.0), (1000, 1010.0), (2000, 1000.0), (3000, 1010.0), (4000, 1020.0)]
    counter, kinds = walk(values)
    assert kinds == ["normal"] * 4
    assert counter.total == 20


def test_a_float32_register_loses_resolution_with_height() -> None:
    assert resolution(0.0, Limits(1.0)) == 0
    assert resolution(2.0**30, Limits(1.0)) == 256
    assert walk([(0, 2.0**30), (1000, 2.0**30 - 200)], Limits(1.0))[1] == ["normal"]
    assert walk([(0, 2.0**30), (1000, 2.0**30 - 300)], Limits(1.0))[1] == ["held"]


def test_no_more_is_believed_than_the_meter_can_have_counted() -> None:
    most = 100_000.0 * 1.0 + 100_000.0 * 60 / 3600 + 20
    assert walk([(0, 1e6), (HOUR, 1e6 + most - 1)], LIMITS)[1] == ["normal"]
    assert walk([(0, 1e6), (HOUR, 1e6 + most + 1)], LIMITS)[1] == ["held"]


def test_a_counter_that_is_shown_rarely_may_catch_up() -> None:
    minutes = [(i * 60_000, 1e6) for i in range(15)]
    assert walk([*minutes, (15 * 60_000, 1e6 + 25_000)])[1][-1] == "normal"


def test_over_weeks_of_silence_nobody_knows_what_a_counter_did() -> None:
    long = counters.LONGEST_STEP_MS + 1
    counter, kinds = walk([(0, 1e6), (long, 1e6 + 50), (long + HOUR, 1e6 + 80)])
    assert kinds == ["held", "gap"]
    assert counter.total == 30
