"""A meter's energy: readings in, intervals and findings out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from math import fsum
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from driftwatt.errors import UnknownMajor, WireError
from driftwatt.readings import Quality, Reading
from driftwatt.wire import CounterFacts, HelloMeter
from processors.pure import energy_bytes
from processors.pure.calendar import DayCalendar, day_start_ms
from processors.pure.energy import fall_silent, take
from processors.pure.energy_state import Energy
from processors.pure.normalize import measured, primary
from processors.pure.outputs import DataFinding, IntervalEnergy
from processors.pure.policy import MeterPolicy
from processors.pure.price import FactorBook, FactorVersion, PriceVersion, TariffBook
from processors.pure.settings import Settings

HCM, BERLIN = ZoneInfo("Asia/Ho_Chi_Minh"), ZoneInfo("Europe/Berlin")
SECOND, MINUTE, QUARTER, HOUR = 1000, 60_000, 900_000, 3_600_000
DAY0 = day_start_ms(HCM, date(2026, 3, 2))
NOTHING = Energy()


def policy(zone: ZoneInfo = HCM, **changes: Any) -> MeterPolicy:
    calendar = DayCalendar(zone)
    usual = MeterPolicy(
        meter="m",
        site="s",
        zone=zone,
        calendar=calendar,
        settings=Settings("m", zone, calendar),
        max_power_w=100_000.0,
        counters={"import_energy": CounterFacts(1e8, 10.0)},
    )
    return replace(usual, **changes)


def reading(t_ms: int, counter: float | None = None, power: float | None = None, **more: Any) -> Reading:
    values: dict[str, float] = dict(more.pop("values", {}))
    if counter is not None:
        values["import_energy"] = counter
    if power is not None:
        values["active_power"] = power
    return Reading("m", t_ms, values, **more)


def run(
    readings: Iterable[Reading], chosen: MeterPolicy | None = None, energy: Energy = NOTHING
) -> tuple[Energy, list[IntervalEnergy], list[DataFinding]]:
    intervals: list[IntervalEnergy] = []
    findings: list[DataFinding] = []
    for one in readings:
        energy, told, doubts = take(energy, measured(one, chosen or policy()), chosen or policy())
        intervals += told
        findings += doubts
    return energy, intervals, findings


def of_kind(intervals: Iterable[IntervalEnergy], kind: str) -> list[IntervalEnergy]:
    return [interval for interval in intervals if interval.kind == kind]


def steady(start_ms: int, count: int, step_ms: int, *, watts: float = 36_000.0, base: float = 1e6) -> list[Reading]:
    return [reading(start_ms + i * step_ms, base + watts * i * step_ms / HOUR, watts) for i in range(count)]


def test_quarter_hours_hours_and_days_add_up_to_the_counter() -> None:
    _, intervals, findings = run(steady(DAY0, 24 * 4 + 2, QUARTER))
    assert [len(of_kind(intervals, kind)) for kind in ("15m", "1h", "1d")] == [96, 24, 1]
    for kind in ("15m", "1h", "1d"):
        assert fsum(interval.import_wh for interval in of_kind(intervals, kind)) == pytest.approx(24 * 36_000, rel=1e-12)
    day = of_kind(intervals, "1d")[0]
    assert (day.start_ms, day.end_ms) == (DAY0, DAY0 + 24 * HOUR)
    assert day.peak_w == 36_000
    assert {interval.coverage for interval in intervals} == {1.0}
    assert {interval.quality for interval in intervals} == {0}
    assert findings == []


def test_an_interval_closes_two_minutes_after_its_end_by_event_time() -> None:
    begun, intervals, _ = run([reading(DAY0, 0.0), reading(DAY0 + QUARTER, 100.0), reading(DAY0 + QUARTER + 119_999, 110.0)])
    assert intervals == []
    _, intervals, _ = run([reading(DAY0 + QUARTER + 120_000, 111.0)], energy=begun)
    assert [(one.start_ms, one.import_wh) for one in intervals] == [(DAY0, 100.0)]


def test_silence_closes_no_interval() -> None:
    begun, _, _ = run(steady(DAY0, 30, MINUTE))
    told = fall_silent(begun, DAY0 + 100 * HOUR, policy())
    assert told.intervals == ()
    assert [(one.reason, one.state, one.since_ms) for one in told.findings] == [("gap", "opened", DAY0 + 29 * MINUTE)]


def test_silence_is_told_once_and_ends_with_the_next_reading() -> None:
    begun, _, _ = run([reading(DAY0, 0.0)])
    assert fall_silent(begun, begun.wake_ms - 1, policy()).findings == ()
    silent = fall_silent(begun, begun.wake_ms, policy()).energy
    assert fall_silent(silent, begun.wake_ms + HOUR, policy()).findings == ()
    again, _, findings = run([reading(DAY0 + HOUR, 10.0)], energy=silent)
    assert [(one.reason, one.state) for one in findings] == [("gap", "closed")]
    assert again.wake_ms == DAY0 + HOUR + 20 * MINUTE


def test_a_step_over_a_boundary_is_split_in_time() -> None:
    _, intervals, _ = run([reading(DAY0 + 10 * MINUTE, 0.0), reading(DAY0 + 25 * MINUTE, 900.0), reading(DAY0 + 40 * MINUTE, 900.0)])
    assert [one.import_wh for one in of_kind(intervals, "15m")] == [300.0, 600.0]


def test_coverage_is_the_share_of_time_between_good_readings() -> None:
    _, intervals, _ = run([reading(DAY0 + 10 * MINUTE, 0.0), reading(DAY0 + 25 * MINUTE, 900.0), reading(DAY0 + 40 * MINUTE, 900.0)])
    first, second = of_kind(intervals, "15m")
    assert first.coverage == pytest.approx(1 / 3)
    assert first.peak_w is None, "a mean over a third of the time is no peak"
    assert second.coverage == 1.0
    assert second.peak_w == 2400.0


def test_a_gap_is_bridged_by_the_counter_and_marked_as_estimated() -> None:
    _, intervals, _ = run([*steady(DAY0, 11, MINUTE), reading(DAY0 + 2 * HOUR, 1e6 + 72_000), reading(DAY0 + 3 * HOUR, 1e6 + 108_000)])
    quarters = of_kind(intervals, "15m")
    assert [bool(one.quality & Quality.ESTIMATED) for one in quarters[:8]] == [True] * 8
    assert quarters[0].coverage == pytest.approx(2 / 3)
    assert quarters[1].coverage == 0
    assert quarters[1].peak_w is None
    assert fsum(one.import_wh for one in quarters[:8]) == pytest.approx(72_000)


@pytest.mark.parametrize(
    ("step", "every", "estimated"), [(20 * MINUTE, 10_000, False), (20 * MINUTE + 1, 10_000, True), (HOUR, 30 * MINUTE, False)]
)
def test_a_gap_is_longer_than_three_polls_and_twenty_minutes(step: int, every: int, estimated: bool) -> None:  # noqa: FBT001 - one row of the table
    readings = [reading(DAY0, 0.0), reading(DAY0 + step, 100.0), reading(DAY0 + step + HOUR, 100.0)]
    _, intervals, _ = run(readings, policy(every_ms=every))
    assert bool(intervals[0].quality & Quality.ESTIMATED) is estimated


def test_a_reading_that_is_not_newer_makes_no_energy_again() -> None:
    begun, _, _ = run([reading(DAY0, 0.0), reading(DAY0 + MINUTE, 100.0)])
    again, intervals, findings = run([reading(DAY0 + MINUTE, 100.0), reading(DAY0, 0.0), reading(DAY0 + 30 * SECOND, 90.0)], energy=begun)
    assert again is begun
    assert (intervals, findings) == ([], [])


def test_a_doubtful_value_never_makes_energy() -> None:
    for bit in (bit for bit in Quality if bit):
        doubted = reading(DAY0 + MINUTE, 5000.0, doubt={"import_energy": int(bit)})
        energy, _, findings = run([reading(DAY0, 0.0), doubted, reading(DAY0 + 2 * MINUTE, 100.0)])
        assert energy.account is not None
        assert energy.account.totals[0] == 100.0
        assert findings == []
        last, _, _ = run([reading(DAY0, 0.0), reading(DAY0 + MINUTE, 50.0, doubt={"import_energy": int(bit)})])
        assert last.account is not None
        assert last.account.totals[0] == 0.0


def test_a_doubt_about_another_quantity_does_not_matter() -> None:
    energy, _, _ = run([reading(DAY0, 0.0), reading(DAY0 + MINUTE, 50.0, doubt={"voltage_l1": 1})])
    assert energy.account is not None
    assert energy.account.totals[0] == 50.0


def test_readings_of_an_unsure_clock_make_energy_that_nobody_learns_from() -> None:
    readings = [reading(DAY0 + i * MINUTE, i * 100.0, clock="unsynced" if i == 20 else "ok") for i in range(60)]
    _, intervals, _ = run(readings)
    first, second, third = of_kind(intervals, "15m")
    assert (first.quality, first.coverage) == (0, 1.0)
    assert second.quality == Quality.CLOCK_UNCERTAIN
    assert second.coverage == pytest.approx(13 / 15), "neither the step to it nor the step from it is covered"
    assert second.import_wh == 1500.0
    assert third.quality == 0


def test_a_rollover_counts_through_and_is_marked() -> None:
    _, intervals, findings = run([reading(DAY0, 1e8 - 100), reading(DAY0 + MINUTE, 50.0), reading(DAY0 + 20 * MINUTE, 60.0)])
    assert intervals[0].import_wh + 0 == pytest.approx(150 + 10 * 14 / 19)
    assert intervals[0].quality == Quality.ROLLOVER
    assert findings == []


def test_a_reset_makes_no_energy_opens_a_segment_and_asks_a_person() -> None:
    readings = [
        reading(DAY0, 5e7),
        reading(DAY0 + 5 * MINUTE, 5e7 + 100),
        reading(DAY0 + 10 * MINUTE, 0.0),
        reading(DAY0 + 11 * MINUTE, 20.0),
    ]
    _, intervals, findings = run([*readings, reading(DAY0 + 18 * MINUTE, 160.0)])
    assert intervals[0].import_wh == pytest.approx(100 + 20 + 140 * 4 / 7)
    assert intervals[0].coverage == pytest.approx(10 / 15)
    assert intervals[0].quality & Quality.RESET
    assert [(one.reason, one.state, one.since_ms, one.at_ms) for one in findings] == [
        ("reset", "opened", DAY0 + 5 * MINUTE, DAY0 + 11 * MINUTE)
    ]
    assert findings[0].detail == {"from_wh": 5e7 + 100, "to_wh": 0.0}


def test_what_happened_once_is_closed_a_day_later() -> None:
    readings = [reading(DAY0, 5e7), reading(DAY0 + MINUTE, 0.0), reading(DAY0 + 2 * MINUTE, 10.0)]
    later = [reading(DAY0 + 2 * MINUTE + hour * HOUR, 10.0 + hour) for hour in range(1, 26)]
    _, _, findings = run([*readings, *later], policy(every_ms=HOUR))
    assert [(one.reason, one.state, one.at_ms) for one in findings] == [
        ("reset", "opened", DAY0 + 2 * MINUTE),
        ("reset", "closed", DAY0 + 2 * MINUTE + 24 * HOUR),
    ]


def test_a_day_without_a_known_counter_leaves_a_hole_not_zeros() -> None:
    readings = [*steady(DAY0, 3, QUARTER), reading(DAY0 + 10 * HOUR, 9e7), reading(DAY0 + 10 * HOUR + MINUTE, 9e7 + 10)]
    _, intervals, findings = run([*readings, reading(DAY0 + 10 * HOUR + 18 * MINUTE, 9e7 + 180)])
    assert [one.start_ms - DAY0 for one in of_kind(intervals, "15m")] == [0, QUARTER, 10 * HOUR]
    assert [one.start_ms - DAY0 for one in of_kind(intervals, "1h")] == [0]
    assert findings[0].reason == "jump"


def test_a_new_serial_number_is_another_meter() -> None:
    begun, _, _ = run([reading(DAY0, 5000.0), reading(DAY0 + MINUTE, 5100.0)], policy(serial="A1"))
    assert begun.serial == "A1"
    swapped, intervals, findings = run(
        [reading(DAY0 + 2 * MINUTE, 5150.0), reading(DAY0 + 3 * MINUTE, 5170.0)], policy(serial="B2"), energy=begun
    )
    assert swapped.account is not None
    assert swapped.account.totals[0] == 120.0, "5100 − 5000 of the old, 5170 − 5150 of the new one"
    assert [one.reason for one in findings] == ["replaced"]
    assert findings[0].detail == {"from_wh": 5100.0, "to_wh": 5150.0}
    assert swapped.serial == "B2"
    assert intervals == []


def test_a_new_serial_also_begins_the_export_counter_anew() -> None:
    first = policy(serial="A1")
    begun, _, _ = run(
        [reading(DAY0, 0.0, values={"export_energy": 700.0}), reading(DAY0 + MINUTE, 1.0, values={"export_energy": 800.0})], first
    )
    second = policy(serial="B2")
    readings = [reading(DAY0 + i * MINUTE, 10.0 + i, values={"export_energy": 820.0 + i}) for i in (2, 3)]
    swapped, _, _ = run(readings, second, energy=begun)
    assert swapped.account is not None
    assert swapped.account.totals[1] == 101.0


def test_a_serial_that_is_not_known_changes_nothing() -> None:
    begun, _, _ = run([reading(DAY0, 5000.0)], policy(serial="A1"))
    again, _, findings = run([reading(DAY0 + MINUTE, 5010.0)], policy(serial=None), energy=begun)
    assert (again.serial, findings) == ("A1", [])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [(5e6, 5e7, "multiplier"), (5e6, 5e4, "multiplier"), (5e6, 4.1e7, "jump"), (0.0, 5e6, "jump"), (1e-300, 5e6, "jump")],
)
def test_a_counter_whose_point_moved_is_called_a_changed_multiplier(old: float, new: float, reason: str) -> None:
    _, _, findings = run([reading(DAY0, old), reading(DAY0 + SECOND, new), reading(DAY0 + 2 * SECOND, new + 1)], policy(max_power_w=1000.0))
    assert [one.reason for one in findings] == [reason]


def test_ratio_and_sign_turn_what_the_meter_says_into_what_flows() -> None:
    chosen = policy(ct_ratio=40.0, pt_ratio=2.0, sign=-1, max_power_w=8e6)
    readings = [
        reading(DAY0 + i * QUARTER, 7.0, -10.0, values={"export_energy": 100.0 * i, "import_reactive_energy": 1.0 * i}) for i in range(3)
    ]
    _, intervals, _ = run(readings, chosen)
    assert intervals[0].import_wh == 8000.0
    assert intervals[0].export_wh == 0.0
    assert (intervals[0].import_varh, intervals[0].export_varh) == (None, 80.0)


def test_readings_are_shown_with_ratio_and_sign() -> None:
    chosen = policy(ct_ratio=40.0, pt_ratio=2.0, sign=-1)
    shown = {
        "current_l1": 200.0, "voltage_l1": 10.0, "active_power": -400.0, "apparent_power": 400.0, "power_factor": -5.0,
        "import_energy": 400.0, "frequency": 5.0, "power_demand": 400.0,
    }  # fmt: skip
    assert {quantity: primary(quantity, 5.0, chosen) for quantity in shown} == shown


def test_export_and_reactive_energy_follow_the_import_counter() -> None:
    values = [{"export_energy": 10.0 * i, "import_reactive_energy": 20.0 * i, "export_reactive_energy": 0.0} for i in range(3)]
    _, intervals, _ = run([reading(DAY0 + i * QUARTER, 100.0 * i, values=values[i]) for i in range(3)])
    assert (intervals[0].import_wh, intervals[0].export_wh, intervals[0].import_varh, intervals[0].export_varh) == (100.0, 10.0, 20.0, 0.0)


def test_export_is_split_in_time_like_import() -> None:
    times = (10, 25, 45)
    readings = [reading(DAY0 + t * MINUTE, 60.0 * t, values={"export_energy": 90.0 * i}) for i, t in enumerate(times)]
    _, intervals, _ = run(readings)
    assert [one.export_wh for one in of_kind(intervals, "15m")] == pytest.approx([30, 60 + 90 / 4])


def test_a_follower_that_leaps_is_held_like_any_counter() -> None:
    exports = [10.0, 9e7, 11.0, 5e7, 5e7 + 3]
    energy, _, findings = run([reading(DAY0 + i * MINUTE, 1.0 * i, values={"export_energy": value}) for i, value in enumerate(exports)])
    assert energy.account is not None
    assert energy.account.totals[1] == 4.0
    assert findings == []


def test_a_gap_over_midnight_closes_the_day_between_its_quarters() -> None:
    _, intervals, _ = run([reading(DAY0 + 20 * HOUR, 0.0), reading(DAY0 + 30 * HOUR, 1000.0), reading(DAY0 + 31 * HOUR, 1000.0)])
    kinds = [(one.kind, one.start_ms) for one in intervals]
    assert kinds.index(("1d", DAY0)) == kinds.index(("15m", DAY0 + 24 * HOUR)) - 1


def test_a_follower_with_nonsense_is_left_out() -> None:
    values: list[Mapping[str, float]] = [
        {"export_energy": 10.0},
        {"export_energy": -1e9},
        {"export_energy": 1e300},
        {"export_energy": 12.0},
    ]
    energy, _, _ = run([reading(DAY0 + i * MINUTE, 1.0 * i, values=values[i]) for i in range(4)])
    assert energy.account is not None
    assert energy.account.totals[1] == 2.0


def test_a_meter_without_a_counter_has_energy_from_power() -> None:
    _, intervals, _ = run([reading(DAY0 + i * MINUTE, power=6000.0) for i in range(70)])
    hour = of_kind(intervals, "1h")[0]
    assert hour.import_wh == pytest.approx(6000)
    assert hour.quality == Quality.INTEGRATED
    assert hour.coverage == 1.0


def test_power_is_not_integrated_over_a_gap() -> None:
    readings = [reading(DAY0 + i * MINUTE, power=6000.0) for i in range(6)] + [
        reading(DAY0 + (40 + i) * MINUTE, power=6000.0) for i in range(20)
    ]
    _, intervals, _ = run(readings)
    first, second = of_kind(intervals, "15m")
    assert first.start_ms == DAY0
    assert first.import_wh == pytest.approx(500)
    assert first.quality == Quality.INTEGRATED | Quality.ESTIMATED, "a third of the time is covered"
    assert second.start_ms == DAY0 + 2 * QUARTER


def test_negative_power_is_export_not_negative_energy() -> None:
    energy, _, _ = run([reading(DAY0 + i * MINUTE, power=watts) for i, watts in enumerate([600.0, -600.0, -600.0])])
    assert energy.integral.import_wh == pytest.approx(5)
    assert energy.integral.export_wh == pytest.approx(15)


def test_power_stands_in_while_the_counter_is_away_and_hands_back() -> None:
    lost = [reading(DAY0 + i * MINUTE, 1e6 + 100.0 * i if i <= 10 or i >= 50 else None, 6000.0) for i in range(70)]
    energy, intervals, findings = run(lost)
    assert energy.account is not None
    assert energy.account.totals[0] == pytest.approx(69 * 100)
    quarters = of_kind(intervals, "15m")
    assert [bool(one.quality & Quality.INTEGRATED) for one in quarters] == [True, True, True, True]
    assert {one.coverage for one in quarters} == {1.0}
    assert findings == []


def test_a_counter_missing_for_a_while_is_waited_for() -> None:
    energy, _, _ = run([reading(DAY0 + i * MINUTE, 100.0 * i if i in (0, 19) else None, 6000.0) for i in range(20)])
    assert energy.account is not None
    assert energy.account.totals[0] == 1900.0
    assert energy.account.flags & Quality.INTEGRATED == 0


def test_after_an_outage_power_counts_from_where_it_is_heard_again() -> None:
    away = [reading(DAY0, 0.0, 6000.0)] + [reading(DAY0 + 2 * HOUR + i * MINUTE, power=6000.0) for i in range(40)]
    energy, _, _ = run(away)
    assert energy.account is not None
    assert energy.account.totals[0] == pytest.approx(3900), "39 minutes of 100 Wh"


def test_the_counter_comes_back_without_power_and_nothing_is_made_up() -> None:
    begun, _, _ = run([reading(DAY0 + i * MINUTE, power=6000.0) for i in range(6)])
    energy, _, _ = run([reading(DAY0 + 6 * MINUTE, 5e6), reading(DAY0 + 7 * MINUTE, 5e6 + 100)], energy=begun)
    assert energy.account is not None
    assert energy.account.totals[0] == pytest.approx(600)


def test_nothing_is_known_of_a_meter_that_measures_neither() -> None:
    energy, intervals, _ = run([reading(DAY0 + i * QUARTER, values={"voltage_l1": 230.0}) for i in range(10)])
    assert energy.account is None
    assert intervals == []


def test_a_counter_that_stands_still_while_power_flows_is_stuck() -> None:
    stuck = [reading(DAY0 + i * MINUTE, 1e6, 30_000.0) for i in range(40)]
    begun, intervals, findings = run(stuck)
    assert [(one.reason, one.since_ms, one.at_ms) for one in findings] == [("stuck", DAY0, DAY0 + 21 * MINUTE)]
    assert [bool(one.quality & Quality.STUCK) for one in of_kind(intervals, "15m")] == [False, True]
    _, _, findings = run([reading(DAY0 + 40 * MINUTE, 1e6 + 500, 30_000.0)], energy=begun)
    assert [(one.reason, one.state) for one in findings] == [("stuck", "closed")]


def test_a_counter_that_stands_still_at_rest_is_not_stuck() -> None:
    _, _, findings = run([reading(DAY0 + i * MINUTE, 1e6, 40.0) for i in range(600)])
    assert findings == []


def test_a_ratio_between_power_and_counter_that_jumps_is_a_changed_multiplier() -> None:
    def counter(minute: float) -> float:
        return 1e6 + 500 * min(minute, 300) + 50 * max(minute - 300, 0)

    readings = [reading(DAY0 + i * 30 * SECOND, counter(i / 2), 30_000.0) for i in range(2 * 540)]
    _, _, findings = run(readings)
    assert [(one.reason, one.state) for one in findings] == [("multiplier", "opened")]
    assert findings[0].detail["change"] == pytest.approx(0.1, rel=0.05)


def test_the_step_after_a_long_silence_is_a_gap_that_a_person_should_see() -> None:
    later = DAY0 + 50 * 24 * HOUR
    _, intervals, findings = run(
        [reading(DAY0, 0.0), reading(later, 500.0), reading(later + MINUTE, 510.0), reading(later + 20 * MINUTE, 510.0)]
    )
    assert [one.reason for one in findings if one.state == "opened"] == ["gap"]
    assert sum(one.import_wh for one in of_kind(intervals, "15m")) == pytest.approx(10)


def test_intervals_carry_money_and_co2e() -> None:
    tariff = TariffBook(HCM, name="t", currency="VND", prices=[PriceVersion(DAY0 + QUARTER, "a", 2000.0)])
    chosen = policy(tariff=tariff, factors=FactorBook("f", (FactorVersion(0, "2023", 0.5),)))
    _, intervals, _ = run(steady(DAY0, 6, QUARTER), chosen)
    first, second = of_kind(intervals, "15m")[:2]
    assert first.cost is None
    assert second.cost == pytest.approx(18_000)
    assert first.co2e_g == pytest.approx(4500)
    assert of_kind(intervals, "1h")[0].cost is None, "an hour with a part that has no price has none"
    assert of_kind(intervals, "1h")[0].co2e_g == pytest.approx(18_000)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_of_23_or_25_hours_is_a_day(day: date, hours: int) -> None:
    start = day_start_ms(BERLIN, day)
    _, intervals, _ = run(steady(start, 4 * hours + 2, QUARTER), policy(BERLIN))
    whole = of_kind(intervals, "1d")[0]
    assert (whole.start_ms, whole.end_ms) == (start, start + hours * HOUR)
    assert whole.import_wh == pytest.approx(hours * 36_000)
    assert len(of_kind(intervals, "1h")) == hours
    assert len(of_kind(intervals, "15m")) == 4 * hours


def test_hours_and_quarters_keep_to_the_day_where_the_clock_moves_by_half_an_hour() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    start = day_start_ms(zone, date(2026, 10, 4))
    _, intervals, _ = run(steady(start, 96, QUARTER), policy(zone))
    hours = of_kind(intervals, "1h")
    assert len(hours) == 24
    assert hours[-1].end_ms - hours[-1].start_ms == HOUR // 2
    assert of_kind(intervals, "1d")[0].end_ms == hours[-1].end_ms


def test_a_day_that_is_no_whole_number_of_quarters_ends_with_a_short_one() -> None:
    zone = ZoneInfo("Africa/Monrovia")
    start = day_start_ms(zone, date(1972, 1, 7))
    _, intervals, _ = run(steady(start, 100, QUARTER), policy(zone))
    day = of_kind(intervals, "1d")[0]
    assert day.end_ms - day.start_ms == 24 * HOUR - 44 * MINUTE - 30 * SECOND
    inside = [one for one in of_kind(intervals, "15m") if one.start_ms < day.end_ms]
    assert inside[-1].end_ms == day.end_ms
    assert inside[-1].end_ms - inside[-1].start_ms == 30 * SECOND
    assert day.import_wh == pytest.approx(36 * (day.end_ms - day.start_ms) / 3600)


def test_hours_are_those_of_the_wall_clock_in_a_zone_of_half_hours() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    start = day_start_ms(zone, date(2026, 10, 4))
    _, intervals, _ = run(steady(start, 7, QUARTER), policy(zone))
    assert of_kind(intervals, "1h")[0].start_ms == start


def test_what_the_edge_says_about_a_meter_reaches_the_policy() -> None:
    said = HelloMeter("m", "bus", "p", "h", 900_000, "A1", {"import_energy": CounterFacts(5.0, 1.0)})
    chosen = policy(ct_ratio=3.0).with_hello(said)
    assert (chosen.every_ms, chosen.serial, chosen.gap_ms, chosen.ratio) == (900_000, "A1", 2_700_000, 3.0)
    assert chosen.counters["import_energy"].modulus_wh == 5.0


def test_damaged_or_newer_bytes_are_refused_not_guessed() -> None:
    energy, _, _ = run(steady(DAY0, 5, QUARTER))
    data = energy_bytes.dump("m", energy)
    assert energy_bytes.load(data) == ("m", energy)
    for broken in (b"", b"x", data[:-1], data[:40] + bytes([data[40] ^ 1]) + data[41:], b"1 00000000 []"):
        with pytest.raises(WireError):
            energy_bytes.load(broken)
    with pytest.raises(UnknownMajor):
        energy_bytes.load(b"3" + data[1:])
    for body in (b"[]", b'["m",[1]]', b'["m",3]', b'["m",[1,true,[],[],[],[],[],[]]]'):
        with pytest.raises(WireError):
            energy_bytes.load(b"1 %08x %s" % (zlib.crc32(body), body))
        with pytest.raises(WireError):
            energy_bytes.load(b"2 %08x %s" % (zlib.crc32(body), body))


def test_a_state_of_the_first_version_is_read_as_it_was_meant() -> None:
    energy, _, _ = run(steady(DAY0, 50, MINUTE))
    body = json.dumps(["m", energy]).encode()
    assert energy_bytes.load(b"1 %08x %s" % (zlib.crc32(body), body)) == ("m", energy)


def test_a_state_handed_in_stays_valid() -> None:
    energy, _, _ = run(steady(DAY0, 50, MINUTE))
    before = energy_bytes.dump("m", energy)
    run(steady(DAY0 + HOUR, 50, MINUTE, base=2e6), energy=energy)
    assert energy_bytes.dump("m", energy) == before
    assert datetime.fromtimestamp(DAY0 / 1000, HCM).hour == 0
