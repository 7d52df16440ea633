"""The simulated plant adds up, keeps its wall clock, and never depends on who asks when."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.simulator import folder, history
from collector.simulator.load import SLOT_MS, Curve, Load, Ripple
from collector.simulator.meter import Electric, quantities
from collector.simulator.noise import smooth, uniform
from collector.simulator.plant import POINTS, Plant, build
from collector.simulator.steel import SteelYear, load_year, recorded_date
from collector.simulator.waste import hidden
from collector.simulator.worktime import date_of, local_day, shift_share, start_of_day_ms, weekday, works
from config.loader import load_profile
from driftwatt.wire import row_bytes

NOW_MS = int(datetime(2026, 11, 19, 15, 47, 16, tzinfo=UTC).timestamp() * 1000)  # Thursday 22:47 at the plant
TIMES = folder.Times.of(NOW_MS)
_calm = settings(deadline=None, max_examples=60)  # the first example builds the plant
_instants = st.integers(TIMES.origin_ms, NOW_MS + 86_400_000)


@cache
def _steel() -> SteelYear:
    return load_year()


@cache
def _plant() -> Plant:
    return _fresh()


def _fresh() -> Plant:
    return build(_steel(), origin_ms=TIMES.origin_ms, seed=1, wastes=hidden(NOW_MS))


@_calm
@given(_instants)
def test_the_incomer_is_its_feeders_and_a_small_rest_at_any_instant(t_ms: int) -> None:
    loads = _plant().loads
    feeders = sum(load.power_w(t_ms) for meter, load in loads.items() if meter != "incomer")
    assert 2_500 < loads["incomer"].power_w(t_ms) - feeders < 14_000


@_calm
@given(_instants, _instants)
def test_energy_of_the_tree_adds_up_between_any_two_instants(one: int, other: int) -> None:
    begin, end = sorted((one, other))
    loads = _plant().loads
    used = {meter: load.energy_wh(end) - load.energy_wh(begin) for meter, load in loads.items()}
    rest = used.pop("incomer") - sum(used.values())
    hours = (end - begin) / 3_600_000
    assert 2_500 * hours - 1 <= rest <= 14_000 * hours + 1


@settings(deadline=None, max_examples=15)
@given(st.sampled_from([point.id for point in POINTS]), _instants)
def test_the_counter_is_the_integral_of_power(meter: str, t_ms: int) -> None:
    load = _plant().loads[meter]
    begin = t_ms - t_ms % SLOT_MS
    for end in (t_ms - t_ms % 100, begin + SLOT_MS):  # somewhere in a quarter-hour, and all of it
        integral = sum(load.power_w(at + 50) for at in range(begin, end, 100)) * 100 / 3_600_000  # midpoint rule
        assert load.energy_wh(end) - load.energy_wh(begin) == pytest.approx(integral, rel=1e-5, abs=1e-5)


@_calm
@given(_instants, st.integers(1, 60_000))
def test_counters_never_run_backwards(t_ms: int, later_ms: int) -> None:
    assert all(load.energy_wh(t_ms + later_ms) >= load.energy_wh(t_ms) for load in _plant().loads.values())


def test_what_is_served_does_not_depend_on_what_was_asked_before() -> None:
    instants = [TIMES.origin_ms + at * 37_000_003 % (NOW_MS - TIMES.origin_ms) for at in range(200)]
    in_order = {t_ms: _all(_plant(), t_ms) for t_ms in sorted(instants)}
    other = _fresh()
    random.Random(3).shuffle(instants)
    assert all(_all(other, t_ms) == in_order[t_ms] for t_ms in instants)


def test_another_seed_is_another_plant_and_the_same_recording() -> None:
    other = build(_steel(), origin_ms=TIMES.origin_ms, seed=2, wastes=())
    assert other.loads["moulding-1"].power_w(NOW_MS) != _plant().loads["moulding-1"].power_w(NOW_MS)
    assert other.loads["furnace-1"].power_w(NOW_MS) == _plant().loads["furnace-1"].power_w(NOW_MS)


@_calm
@given(st.dates(date(2019, 1, 1), date(2060, 1, 1)))
def test_the_recording_keeps_weekday_and_wall_clock(day: date) -> None:
    recorded = recorded_date(day)
    assert recorded.weekday() == day.weekday()
    assert recorded + timedelta(weeks=417) - day == timedelta(days=round((recorded + timedelta(weeks=417) - day).days / 364) * 364)
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() * 1000)
    index = (recorded - date(2018, 1, 1)).days * 96 + 48
    assert _steel().mean_w(noon // SLOT_MS) == _steel().kwh[index] * 4000


def test_the_furnace_is_served_as_it_was_recorded() -> None:
    load = _plant().loads["furnace-1"]
    begin = start_of_day_ms(local_day(NOW_MS))
    recorded = recorded_date(date_of(local_day(NOW_MS)))
    first = (recorded - date(2018, 1, 1)).days * 96
    kwh = [(load.energy_wh(begin + (at + 1) * SLOT_MS) - load.energy_wh(begin + at * SLOT_MS)) / 1000 for at in range(96)]
    assert kwh == pytest.approx(list(_steel().kwh[first : first + 96]), rel=1e-7)
    assert {load.power_w(begin + at) for at in range(0, SLOT_MS, 10_000)} == {_steel().kwh[first] * 4000}


def test_the_recordings_holidays_fall_on_the_days_whose_load_they_explain() -> None:
    moved = list(_steel().holidays_between(date(2026, 9, 1), date(2026, 12, 31)))
    assert date(2026, 9, 30) in moved  # 2018-10-03, National Foundation Day
    assert all(recorded_date(day) in _steel().holidays for day in moved)


def test_sundays_and_days_off_are_at_rest_and_saturdays_work() -> None:
    saturday = local_day(int(datetime(2026, 11, 14, 5, tzinfo=UTC).timestamp() * 1000))
    assert [weekday(saturday), works(saturday), works(saturday + 1)] == [5, True, False]
    assert not works(local_day(int(datetime(2026, 11, 24, 5, tzinfo=UTC).timestamp() * 1000)))
    assert [shift_share(saturday, at) for at in (23, 40, 88)] == [0.0, 1.0, 0.0]


def test_the_leak_shows_when_nobody_works_and_only_since_its_evening() -> None:
    leak = hidden(NOW_MS)[0]
    load = _plant().loads["compressor-3"]
    nights = [_mean_kw(load, leak.since_ms + day * 86_400_000, 8) for day in range(-6, 9)]
    assert all(3.7 < kw < 4.5 for kw in nights[:6])
    assert all(10.6 < kw < 11.8 for kw in nights[6:])


def test_voltage_current_and_power_of_a_meter_agree() -> None:
    now = quantities(_plant().loads["chiller-2"], Electric(0.87), NOW_MS)
    assert sum(now[f"active_power_l{phase}"] for phase in (1, 2, 3)) == pytest.approx(now["active_power"])
    assert now["apparent_power"] ** 2 == pytest.approx(now["active_power"] ** 2 + now["reactive_power"] ** 2)
    for phase in (1, 2, 3):
        assert 225 < now[f"voltage_l{phase}"] < 236
        assert now[f"voltage_l{phase}"] * now[f"current_l{phase}"] == pytest.approx(now[f"apparent_power_l{phase}"])


def test_history_is_one_row_per_meter_and_quarter_hour_as_the_registers_would_say_it() -> None:
    profiles = {point.profile: load_profile(point.profile) for point in POINTS}
    rows = list(history.readings(_plant().loads, profiles, from_ms=TIMES.history_ms, to_ms=TIMES.history_ms + 4 * SLOT_MS))
    assert [(row.meter, row.t_ms) for row in rows] == [(point.id, TIMES.history_ms + at * SLOT_MS) for at in range(4) for point in POINTS]
    assert all(row.values["import_energy"] % 100 == 0 for row in rows if row.meter == "office")  # an EM340 counts tenths of a kWh


def test_a_history_file_has_the_bytes_of_the_wire(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    profiles = {point.profile: load_profile(point.profile) for point in POINTS}
    rows = list(history.readings(_plant().loads, profiles, from_ms=TIMES.history_ms, to_ms=TIMES.history_ms + 2 * SLOT_MS))
    assert history.write(path, iter(rows)) == len(rows)
    assert path.read_bytes().splitlines() == [row_bytes(row) for row in rows]


def test_nothing_is_known_before_the_origin() -> None:
    curve = Curve(lambda _slot: 1.0, origin_ms=SLOT_MS, start_wh=0.0)
    with pytest.raises(ValueError, match="before its origin"):
        curve.power_w(SLOT_MS - 1)
    with pytest.raises(ValueError, match="start of a quarter-hour"):
        Curve(lambda _slot: 1.0, origin_ms=1, start_wh=0.0)


@_calm
@given(st.integers(0, 2**40), st.integers(-(2**40), 2**40))
def test_chance_stays_within_one_and_repeats(seed: int, position: int) -> None:
    assert -1 <= uniform(seed, position) < 1
    assert uniform(seed, position) == uniform(seed, position)
    assert -1 <= smooth(seed, position, 8) < 1


@_calm
@given(st.floats(0, 1e6), st.floats(0, 0.95), st.integers(1, 60), st.integers(0, SLOT_MS - 1))
def test_a_ripple_never_adds_energy_nor_turns_power_round(mean: float, depth: float, waves: int, rest: int) -> None:
    curve = Curve(lambda _slot: mean, origin_ms=0, start_wh=5.0, ripple=Ripple(depth, waves), seed=9)
    assert curve.energy_wh(SLOT_MS) == pytest.approx(5.0 + mean / 4)
    assert curve.power_w(rest) >= 0


def test_a_plant_folder_can_be_served_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("plant")
    wiring = folder.Wiring({"switchboard": 1, "utilities": 2})
    folder.write(path, plant=_plant(), steel=_steel(), times=TIMES, wiring=wiring)
    assert folder.read(path) == (1, TIMES)
    labels = json.loads((path / "labels.json").read_text(encoding="utf-8"))
    assert [(label["meter"], label["pattern"]) for label in labels] == [("compressor-3", "off_hours"), ("chiller-1", "running_hours")]


def _all(plant: Plant, t_ms: int) -> dict[str, tuple[float, float]]:
    return {meter: (load.power_w(t_ms), load.energy_wh(t_ms)) for meter, load in plant.loads.items()}


def _mean_kw(load: Load, begin_ms: int, hours: int) -> float:
    return (load.energy_wh(begin_ms + hours * 3_600_000) - load.energy_wh(begin_ms)) / hours / 1000
