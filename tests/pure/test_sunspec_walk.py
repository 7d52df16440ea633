"""Finding the models of a SunSpec device."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.pure.blocks import meter_plan
from collector.pure.sunspec import BASES, MARK, Model, walk
from collector.simulator.chain import standing
from config.edge import Meter
from config.loader import load_profile
from config.profiles import placed

COMMON = 66


def _walked(registers: Mapping[int, int]) -> tuple[tuple[Model, ...], list[tuple[int, int]]]:
    """Return what is found in a device that refuses every register it does not have, and what was asked."""
    asked: list[tuple[int, int]] = []
    steps, said = walk(), None
    try:
        want = next(steps)
        while True:
            asked.append(want)
            first, count = want
            all_there = all(at in registers for at in range(first, first + count))
            said = [registers[at] for at in range(first, first + count)] if all_there else None
            want = steps.send(said)
    except StopIteration as end:
        models: tuple[Model, ...] = end.value
        return models, asked


def _device(base: int, *models: tuple[int, int], end: bool = True) -> dict[int, int]:
    registers, at = dict(enumerate(MARK, start=base)), base + 2
    for number, length in models:
        registers |= {at: number, at + 1: length} | dict.fromkeys(range(at + 2, at + 2 + length), 7)
        at += 2 + length
    return registers | ({at: 0xFFFF, at + 1: 0} if end else {})


@pytest.mark.parametrize("base", BASES)
def test_a_meter_behind_the_common_model_is_found_wherever_the_mark_stands(base: int) -> None:
    models, asked = _walked(_device(base, (1, COMMON), (203, 105)))
    assert models == (Model(1, base + 2, COMMON), Model(203, base + 4 + COMMON, 105))
    assert len(asked) == BASES.index(base) + 4


def test_models_behind_an_inverter_are_found_too() -> None:
    models, _ = _walked(_device(40000, (1, 65), (103, 50), (160, 128), (213, 124)))
    assert [model.number for model in models] == [1, 103, 160, 213]
    assert models[-1].address == 40000 + 2 + 67 + 52 + 130


def test_a_device_without_the_mark_has_no_models_and_is_asked_three_times() -> None:
    assert _walked({}) == ((), [(base, 2) for base in BASES])
    assert _walked(dict.fromkeys(range(40000, 40010), 1))[0] == ()


def test_a_chain_that_breaks_off_keeps_what_was_found() -> None:
    assert [model.number for model in _walked(_device(40000, (1, COMMON), (203, 105), end=False))[0]] == [1, 203]


@given(st.dictionaries(st.integers(40000, 40300), st.integers(0, 0xFFFF), max_size=60), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_no_garbage_keeps_the_walk_from_ending_or_leads_it_beyond_the_last_register(noise: dict[int, int], fill: int) -> None:
    registers = dict.fromkeys(range(0x10000), fill) | noise | dict(enumerate(MARK, start=40000))
    models, asked = _walked(registers)
    assert len(asked) <= 70
    assert all(first + count <= 0x10000 for first, count in asked)
    assert all(model.address + 2 + model.length <= 0x10000 for model in models)


def test_a_profile_is_read_where_the_walk_found_its_model() -> None:
    profile = load_profile("sunspec-203")
    assert profile.sunspec is not None
    assert (profile.identify.address, profile.registers[0].address) == (40069, 40072)
    plan = meter_plan(Meter(id="m", unit=1, profile="sunspec-203", every="1s", base=40188), profile)  # type: ignore[arg-type]
    assert [(block.request.address, block.request.count) for block in plan.full] == [(40191, 52)]
    moved = placed(profile, 40188)
    assert moved.identify.address == 40188
    assert placed(moved, 40069) == profile
    assert placed(profile, None) is profile
    with pytest.raises(ValueError, match="outside"):
        placed(profile, 65500)


@pytest.mark.parametrize("base", [40069, 50069])
def test_a_simulated_device_is_walked_to_its_meter(base: int) -> None:
    models, _ = _walked(standing(placed(load_profile("sunspec-213"), base)))
    assert models == (Model(1, base - 67, 65), Model(213, base, 124))


def test_other_profiles_stand_where_they_stand() -> None:
    profile = load_profile("eastron-sdm630")
    assert placed(profile, 40188) is profile
