"""Sums of waste: nothing twice, neither of one meter nor along the feeder tree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftwatt.alerts import Alert, Range
from processors.pure.savings import DAY_MS
from processors.pure.waste_sums import shares
from tests.loop.plant_on_paper import NOW_MS, compressor_alert

FEEDS = {"incomer": ("hall", "office"), "hall": ("a", "b")}


def waste(meter: str, kwh: float, *, days: tuple[float, float] = (0, 10), **more: object) -> Alert:
    """An alert of some kWh between two days."""
    since_ms, updated_ms = (NOW_MS + round(day * DAY_MS) for day in days)
    alert = replace(compressor_alert(), id=f"{meter}{kwh}", meter=meter, excess_kwh=Range(kwh, kwh / 2, 2 * kwh))
    return replace(alert, since_ms=since_ms, updated_ms=updated_ms, **more)  # type: ignore[arg-type]


def counted(*alerts: Alert) -> list[float]:
    found = shares(alerts, FEEDS)
    return [found[each.id] * each.excess_kwh.value for each in alerts if each.excess_kwh]


def test_of_one_meter_only_the_largest_counts_and_what_was_no_waste_counts_nothing() -> None:
    assert counted(waste("a", 100), waste("a", 40), waste("office", 70, state="closed", closed_reason="production")) == [100, 0, 0]


def test_of_an_incomer_counts_what_the_alerts_below_leave_however_deep_they_are() -> None:
    assert counted(waste("incomer", 100), waste("a", 60), waste("b", 30)) == [pytest.approx(10), 60, 30]
    assert counted(waste("incomer", 100), waste("hall", 90), waste("a", 60)) == [pytest.approx(10), pytest.approx(30), 60]
    assert counted(waste("incomer", 50), waste("a", 60)) == [0, 60]


def test_waste_below_takes_off_only_what_lies_in_the_same_time() -> None:
    assert counted(waste("incomer", 100, days=(5, 10)), waste("a", 60)) == [pytest.approx(70), 60]
    assert counted(waste("incomer", 100, days=(20, 30)), waste("a", 60)) == [100, 60]


def test_what_below_was_no_waste_is_none_of_the_incomer_either() -> None:
    assert counted(waste("incomer", 100), waste("a", 60, state="closed", closed_reason="new_normal")) == [pytest.approx(40), 0]


def test_a_repaired_alert_below_still_takes_off_its_part_of_what_runs() -> None:
    running, fixed = waste("incomer", 100), waste("a", 90, state="closed", closed_reason="fixed", cleared_ms=NOW_MS + 10 * DAY_MS)
    assert shares([running], FEEDS, [running, fixed]) == {running.id: pytest.approx(0.1)}
