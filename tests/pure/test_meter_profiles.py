"""Every shipped profile against its golden frames, and against what any profile must keep to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from collector.pure.decode import compile_block
from collector.pure.frames import Request
from collector.pure.plan import PlannedRequest, plan
from config.catalogue import METERS, names
from config.loader import load_profile, load_profile_file, profile_hash
from config.profiles import Profile
from driftwatt.errors import ConfigErrors
from driftwatt.quantities import QUANTITIES

PROFILES = names([METERS])


def _golden(name: str) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = json.loads((METERS / f"{name}.golden.json").read_text(encoding="utf-8"))
    return frames


def _inside(profile: Profile, request: Request) -> PlannedRequest:
    first, end = request.address, request.address + request.count
    registers = [one for one in profile.registers if one.kind == request.kind and first <= one.address and one.address + one.width <= end]
    return PlannedRequest(request, tuple(sorted(registers, key=lambda one: one.address)))


def test_the_four_models_of_the_demo_are_shipped() -> None:
    assert {"eastron-sdm630", "eastron-sdm120", "carlogavazzi-em340", "janitza-umg604"} <= set(PROFILES)


@pytest.mark.parametrize("name", PROFILES)
def test_golden_frames_decode_to_what_the_maker_says(name: str) -> None:
    profile = load_profile(name)
    for frame in _golden(name):
        request = Request(**frame["request"])
        values, doubt = compile_block(_inside(profile, request)).decode([int(word, 16) for word in frame["registers"]])
        for quantity, expected in frame["expect"].items():
            if expected is None:
                assert quantity not in values, (frame["note"], quantity)
                assert doubt[quantity], (frame["note"], quantity)
            else:
                assert values[quantity] == pytest.approx(expected, rel=1e-12), (frame["note"], quantity)


@pytest.mark.parametrize("name", PROFILES)
def test_golden_frames_reach_every_register_of_the_profile(name: str) -> None:
    told = {quantity for frame in _golden(name) for quantity in frame["expect"]}
    assert told == {register.quantity for register in load_profile(name).registers}


@pytest.mark.parametrize("name", PROFILES)
def test_the_standard_set_tells_power_and_energy_at_every_poll(name: str) -> None:
    standard = {register.quantity: register for register in load_profile(name).registers if register.standard}
    assert 10 <= len(standard) <= 20
    for quantity in ("active_power", "import_energy", "voltage_l1", "current_l1", "frequency"):
        assert standard[quantity].class_ == "fast"


@pytest.mark.parametrize("name", PROFILES)
def test_every_energy_register_says_that_it_counts_and_an_integer_also_by_how_much(name: str) -> None:
    for register in load_profile(name).registers:
        assert (register.counter is not None) == QUANTITIES[register.quantity].counter
        if register.counter is not None and not register.type.startswith("float"):
            assert register.counter.resolution == 1


@pytest.mark.parametrize("name", PROFILES)
def test_no_plan_touches_a_forbidden_register_or_asks_too_much(name: str) -> None:
    profile = load_profile(name)
    for block in plan(profile.registers, profile.limits, 1):
        first, count = block.request.address, block.request.count
        assert count <= profile.limits.max_registers
        assert not any(first <= high and first + count > low for low, high in profile.limits.forbidden)


def test_a_profile_hash_changes_with_any_register(tmp_path: Path) -> None:
    text = (METERS / "eastron-sdm120.toml").read_text(encoding="utf-8")
    other = tmp_path / "other.toml"
    other.write_text(text.replace("scale = 1000.0", "scale = 100.0", 1), encoding="utf-8")
    assert profile_hash(load_profile_file(other)) != profile_hash(load_profile("eastron-sdm120"))
    assert len(profile_hash(load_profile("eastron-sdm120"))) == 16


def test_the_blueprint_is_a_valid_profile_but_not_in_the_catalogue() -> None:
    load_profile_file(METERS / "_blueprint.toml")
    assert "_blueprint" not in PROFILES
    with pytest.raises(ConfigErrors, match="is not known"):
        load_profile("_blueprint")
