"""What a meter's numbers give away: believable values, orders, wiring, scales, energy, two meters with one id."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from math import cos, radians, sin

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.pure.orders import anchored, other_orders
from collector.pure.plausible import believable, meanings
from collector.pure.verdicts import Snapshot, judge_counter, judge_energy, judge_faults, judge_order, judge_power, judge_wiring, step_wh
from collector.pure.wiring import Wiring, judge
from config.loader import load_profile

SDM630 = load_profile("eastron-sdm630")
LOADS = st.floats(-10, 45)


def _measured(load: Sequence[float], source: Sequence[int], reversed_: Sequence[int]) -> list[float]:
    """Return the angles that inputs 1 to 3 measure when input i sees the current of phase source[i]."""
    volts = {1: 0.0, 2: -120.0, 3: 120.0}
    out = []
    for at, phase in enumerate(source, 1):
        angle = volts[at] - (volts[phase] - load[phase - 1]) + (180 if at in reversed_ else 0)
        out.append((angle + 180) % 360 - 180)
    return out


def _values(angles: Sequence[float], amps: float = 20.0) -> dict[str, float]:
    out: dict[str, float] = {}
    for phase, angle in enumerate(angles, 1):
        volt_amps = 230 * amps
        out |= {f"voltage_l{phase}": 230.0, f"current_l{phase}": amps, f"power_factor_l{phase}": cos(radians(angle))}
        out |= {f"active_power_l{phase}": volt_amps * cos(radians(angle)), f"reactive_power_l{phase}": volt_amps * sin(radians(angle))}
    out["active_power"] = sum(out[f"active_power_l{phase}"] for phase in (1, 2, 3))
    return out


@settings(max_examples=60, deadline=None)
@given(load=st.tuples(LOADS, LOADS, LOADS), reversed_=st.sets(st.sampled_from([1, 2, 3]), max_size=2))
def test_every_reversed_ct_is_named_whatever_the_load(load: tuple[float, float, float], reversed_: set[int]) -> None:
    if max(load) - min(load) > 35:
        return
    assert judge(_measured(load, (1, 2, 3), sorted(reversed_))) == Wiring(tuple(sorted(reversed_)), (1, 2, 3))


@settings(max_examples=60, deadline=None)
@given(angle=st.floats(-10, 45), at=st.integers(0, 2))
def test_two_exchanged_cts_are_named(angle: float, at: int) -> None:
    one, two = list(itertools.combinations((1, 2, 3), 2))[at]
    source = {1: 1, 2: 2, 3: 3} | {one: two, two: one}
    verdicts = judge_wiring(_values(_measured((angle, angle, angle), list(source.values()), ())))
    assert [(verdict.code, verdict.text) for verdict in verdicts] == [("phase_order", f"CTs of L{one} and L{two} are exchanged")]


def test_cts_moved_by_one_phase_are_told() -> None:
    (verdict,) = judge_wiring(_values(_measured((20, 20, 20), (2, 3, 1), ())))
    assert verdict.text == "all CTs are one phase further"


def test_a_right_meter_and_an_idle_one_are_not_blamed() -> None:
    assert judge_wiring(_values((20, 22, 18))) == []
    assert [verdict.level for verdict in judge_wiring(_values((20, 22, 18), amps=0.01))] == ["note"]


def test_a_single_phase_meter_with_its_ct_reversed_runs_backwards() -> None:
    (verdict,) = judge_wiring({"voltage_l1": 230.0, "current_l1": 10.0, "active_power": -2200.0})
    assert (verdict.level, verdict.code) == ("warn", "ct_direction")


def test_power_that_its_phases_or_volts_and_amps_contradict_is_told() -> None:
    right = _values((20, 22, 18))
    assert judge_power(right) == []
    assert [verdict.code for verdict in judge_power({**right, "active_power": right["active_power"] / 1000})] == ["phases_do_not_add_up"]
    tenfold = {name: value * 10 if name.startswith("current") else value for name, value in right.items()}
    (verdict,) = judge_power(tenfold)
    assert verdict.code == "power_contradicts"
    assert "(10 times)" in verdict.text


@pytest.mark.parametrize("factor", [0.001, 0.1, 1.0, 10.0, 1000.0])
def test_energy_is_compared_with_the_integral_of_power(factor: float) -> None:
    snapshots = [Snapshot(at, {"active_power": 1.8e6, "import_energy": 1e6 + factor * 500 * at}) for at in range(11)]
    verdicts = judge_energy(SDM630, snapshots)
    assert [verdict.code for verdict in verdicts] == ([] if factor == 1 else ["energy_contradicts"])


def test_a_counter_too_coarse_for_the_time_is_not_blamed_but_says_how_long_it_takes() -> None:
    snapshots = [Snapshot(at, {"active_power": 3600.0, "import_energy": 1e6}) for at in range(11)]
    (verdict,) = judge_energy(SDM630, snapshots)
    assert (verdict.level, verdict.todo) == ("note", "check --live --seconds 30")


def test_the_step_of_a_float_counter_grows_with_its_value() -> None:
    register = next(each for each in SDM630.registers if each.quantity == "import_energy")
    assert step_wh(register, 1e6) == pytest.approx(10)
    assert step_wh(register, 200_000_000) == pytest.approx(15.625)


def test_a_counter_that_jumps_to_and_fro_is_two_meters() -> None:
    def codes(*energy: float) -> list[str]:
        return [verdict.code for verdict in judge_counter([Snapshot(at, {"import_energy": wh}) for at, wh in enumerate(energy)])]

    assert codes(1000, 1010, 1020) == []
    assert codes(1000, 400, 1010, 410) == ["unit_clash"]
    assert codes(1000, 400, 410) == ["going_back"]


def test_wrong_answers_of_one_unit_are_a_clash_and_of_all_a_second_master() -> None:
    one, all_of_them = judge_faults(7, {7: 3}, {7: 9, 8: 9}), judge_faults(7, {7: 3, 8: 2}, {7: 9, 8: 9})
    assert one is not None
    assert all_of_them is not None
    assert (one.code, all_of_them.code) == ("unit_clash", "two_masters")
    assert judge_faults(8, {7: 3}, {7: 9, 8: 9}) is None


def test_only_swapped_words_are_called_swapped() -> None:
    good = {"voltage_l1": 230.0, "frequency": 50.0}
    absurd = {"voltage_l1": 6e5, "frequency": 1e-20}
    verdict = judge_order(SDM630, absurd, {"words": good, "bytes": absurd})
    assert verdict is not None
    assert verdict.text == "words are swapped: so read, it says 230.0 V"
    assert judge_order(SDM630, good, {"words": good}) is None
    assert judge_order(SDM630, absurd, {"words": good, "bytes": good}) is None


def test_swapping_twice_gives_the_profile_back() -> None:
    for name, turned in other_orders(load_profile("carlogavazzi-em340")):
        assert dict(other_orders(turned))[name] == load_profile("carlogavazzi-em340")


def test_voltages_of_a_dead_meter_are_no_proof() -> None:
    assert anchored(SDM630, {"voltage_l1": 231.0, "voltage_l2": 0.0, "frequency": 50.0})
    assert not anchored(SDM630, {"voltage_l1": 0.0})
    assert not anchored(SDM630, {})


@pytest.mark.parametrize(
    ("quantity", "value", "possible"),
    [
        ("voltage_l1", 230, True), ("voltage_l1", 0, True), ("voltage_l1", 0.4, False), ("voltage_l1_l2", 400, True),
        ("voltage_l1_l2", 2300, False), ("power_factor_l2", -1, True), ("power_factor", 95, False), ("frequency", 500, False),
        ("active_power", -2e5, True), ("active_power", 1e-30, False), ("import_energy", -5000, False), ("temperature", -12, True),
    ],
)  # fmt: skip
def test_what_a_plant_may_show(quantity: str, value: float, *, possible: bool) -> None:
    assert believable(quantity, value) is possible


@settings(max_examples=40, deadline=None)
@given(volts=st.floats(200, 260), order=st.sampled_from(["ABCD", "CDAB"]))
@example(volts=230.5, order="BADC")
@example(volts=230.5, order="DCBA")
def test_a_voltage_is_found_in_any_order(volts: float, order: str) -> None:
    raw = struct.pack(">f", volts)
    wire = bytes(raw["ABCD".index(letter)] for letter in order)
    registers = struct.unpack(">2H", wire)
    hit = [one for one in meanings(registers, 0x40) if one.type == "float32" and one.order == order]
    assert hit[0].address == 0x40
    assert hit[0].value == pytest.approx(volts, rel=1e-6)
    assert hit[0].guess.endswith(" V")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=12))
def test_any_block_can_be_decoded(registers: list[int]) -> None:
    assert all(one.guess == one.guess.strip() for one in meanings(registers))
