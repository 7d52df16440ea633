"""Where an excess runs and how much it is: what the weighted mean over the parts of the day must do."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.pure.attribution import attribute, positive

HOURS = (108.0 * 8, 22.0 * 8, 60.0 * 8)
"""Off-hours, shoulders and running hours of eight weeks."""
ALL_DAY = HOURS[0] + HOURS[2]
EVEN = (0.03, 0.03, 0.03, 0.03)


def test_round_the_clock_the_steadier_gauge_counts_more() -> None:
    found = attribute((0.30, 0.30, 0.30, 0.50), (0.01, 0.01, 0.01, 0.20), HOURS, 0.05)
    assert found.part == "all"
    assert found.energy == pytest.approx(0.30 * ALL_DAY, rel=0.1)


def test_what_runs_at_night_alone_is_counted_in_the_off_hours() -> None:
    found = attribute((0.30, 0.30, 0.30, 0.0), (0.01,) * 4, HOURS, 0.05)
    assert found.part == "off"
    assert found.energy == pytest.approx(0.30 * HOURS[0], rel=0.02)


def test_an_early_start_and_a_late_stop_are_counted_in_the_shoulders() -> None:
    found = attribute((0.0, 0.0, 0.40, 0.0), EVEN, HOURS, 0.05)
    assert found.part == "edge"
    assert found.energy == pytest.approx(0.40 * HOURS[1], rel=0.2)


def test_where_the_part_is_in_doubt_the_band_holds_both() -> None:
    found = attribute((0.30, 0.30, 0.30, 0.15), (0.05,) * 4, HOURS, 0.05)
    assert found.energy - found.sigma < 0.30 * HOURS[0] < 0.30 * ALL_DAY < found.energy + 2 * found.sigma


@given(st.tuples(*(st.floats(-3, 3),) * 4), st.tuples(*(st.floats(0.001, 1),) * 4), st.floats(0, 50))
def test_an_excess_is_a_number_and_never_negative(gauges: tuple[float, ...], scales: tuple[float, ...], noise: float) -> None:
    found = attribute(gauges, scales, HOURS, noise)
    assert 0.0 <= found.energy < math.inf
    assert 0.0 <= found.sigma < math.inf


@given(st.tuples(*(st.floats(-1, 1),) * 4), st.tuples(*(st.floats(0.01, 1),) * 4), st.floats(0.1, 10))
def test_a_larger_meter_has_the_same_shares(gauges: tuple[float, ...], scales: tuple[float, ...], by: float) -> None:
    small = attribute(gauges, scales, HOURS, 0.1)
    large = attribute([by * r for r in gauges], [by * s for s in scales], HOURS, 0.1)
    assert large.energy == pytest.approx(by * small.energy, rel=1e-6)
    assert large.sigma == pytest.approx(by * small.sigma, rel=1e-6)


@given(st.floats(-7, -5))
def test_the_tail_joins_the_exact_mean_smoothly(t: float) -> None:
    _, mean, variance = positive(t)
    exact = t + math.sqrt(2 / math.pi) * math.exp(-t * t / 2) / math.erfc(-t / math.sqrt(2))
    assert mean == pytest.approx(exact, rel=0.02)
    assert variance == pytest.approx(mean * mean, rel=0.2)


def test_without_a_day_there_is_nothing_yet() -> None:
    assert attribute((0.0,) * 4, EVEN, (0.0, 0.0, 0.0), 1.0)[1:] == (0.0, 0.0)
