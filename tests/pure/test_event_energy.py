"""What the energy of an event counts: from when on its reference is clean, up to which day, and in which part of the day."""

from __future__ import annotations

from array import array

import pytest

from processors.pure import ledger
from processors.pure.attribution import attribute
from processors.pure.channels import CHANNELS
from processors.pure.ledger import Event
from processors.pure.memory import Copy, Memory, Past
from processors.pure.reference import clean_reference
from processors.pure.schedule import Schedule
from tests.support.loads import MONDAY_MS, Load, step, waste, watch

SCHEDULE = Schedule(10.0)
Z = (1.0,) + (0.0,) * 6
WEEKEND = 47
"""The Saturday of the loads' seventh week."""


def day(ordinal: int, base: float) -> Past:
    return Past(ordinal, 0, "work", Z, 0, bytes(24), array("f"), (base, None, None, None, base), array("f", (0.0,) * 5))


def event(*, expected: float = 2.0) -> Event:
    reference = (expected,) + (0.0,) * 6
    return Event("base", 0, 100, 101, 7.0, False, (reference,) * len(CHANNELS), array("f"), 0.1, judged=reference)


def memory(*levels: float) -> Memory:
    """Return a memory of the days before day 100 with a baseline of 2."""
    theta = array("f", [2.0] + [0.0] * 6) * len(CHANNELS)
    days = tuple(day(100 - len(levels) + place, level) for place, level in enumerate(levels))
    return Memory(days=days, copies=(Copy(1, theta),))


def booked(*levels: float) -> Event:
    return ledger.opened(event(), [day(100 + place, level) for place, level in enumerate(levels)], SCHEDULE, Memory().charts)


def test_an_excess_that_ended_is_told_up_to_its_end_once_five_days_are_calm() -> None:
    assert not ledger.over(booked(5.0, 5.0, 2.1, 1.9, 2.0, 2.1))
    ended = booked(5.0, 5.0, 2.1, 1.9, 2.0, 2.1, 1.9)
    assert ledger.over(ended)
    assert ledger.counted(ended).days == 2
    assert ledger.counted(ended).sums[ledger.BASE].delta == pytest.approx(3.0)


def test_an_excess_that_goes_on_smaller_is_counted_on() -> None:
    assert ledger.counted(booked(5.0, 5.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0)).days == 8


def test_an_excess_that_comes_back_is_counted_whole_again() -> None:
    back = booked(5.0, 5.0, 2.0, 2.0, 2.0, 2.0, 2.0, *(5.0,) * 20)
    assert ledger.counted(back).days == 27


def test_days_after_a_repair_that_was_told_late_are_not_kept_as_the_likeliest_ones() -> None:
    days = [day(100 + place, 5.0) for place in range(10)]
    whole = ledger.opened(event(), days, SCHEDULE, Memory().charts)
    assert ledger.counted(ledger.without(whole, days[4:], SCHEDULE, Memory().charts)).days == 4


def test_a_weekend_of_waste_is_not_counted_on_until_its_event_resolves() -> None:
    _, said = watch(Load(3).intervals(WEEKEND + 30, step(10.0, WEEKEND, WEEKEND + 2)))
    assert [finding.reason for finding in waste(said, "closed")] == ["resolved"]
    last = waste(said, "closed")[-1]
    assert last.kwh.value == pytest.approx(2 * 24 * 10, rel=0.15)
    assert all(start_ms < MONDAY_MS + (WEEKEND + 2) * 86_400_000 for start_ms, _ in last.spread)


def test_days_that_already_stood_above_those_of_three_weeks_before_teach_the_reference_nothing() -> None:
    before = (2.0, 2.1, 1.9, 2.0) * 8
    rising = memory(*before, *(2.6,) * 10)
    found = rising._replace(days=(*rising.days, *(day(100 + place, 3.0) for place in range(3))))
    assert clean_reference(found, 100, ledger.BASE)[ledger.BASE][0] == pytest.approx(2.0, abs=0.05)


def test_waste_that_is_known_and_sure_lifts_the_days_before_it_and_drift_does_not() -> None:
    remembered = memory(*(2.0,) * 30)
    sigma = remembered.charts[ledger.BASE].sigma(0)
    sure, drift = (clean_reference(remembered, 100, ledger.BASE, [(100, (x * sigma,) * 5)])[ledger.BASE][0] - 2.0 for x in (20.0, 1.0))
    assert sure == pytest.approx(20 * sigma, rel=0.02)
    assert drift == pytest.approx(sigma / 6, rel=0.02)


def test_a_part_of_which_nothing_can_be_seen_does_not_win_by_its_noise() -> None:
    gauges, scales = (2.03, -1.33, -6.41, -59.48), (1.17, 16.84, 27.63, 62.48)
    found = attribute(gauges, scales, (515.0, 140.0, 301.0), 0.03)
    assert found.part == "all"
    assert found.energy < 1.5 * 2.03 * 816
