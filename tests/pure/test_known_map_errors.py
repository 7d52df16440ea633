"""Errors that stand in other people's register maps must not stand in ours, and golden frames must show them.

Each test puts a known error into a shipped profile and decodes the same frame: the value has to be visibly wrong there, and
right with the profile as shipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from collector.pure.decode import compile_block
from collector.pure.frames import Request
from collector.pure.plan import PlannedRequest
from config.catalogue import METERS, names
from config.loader import load_profile
from config.profiles import Register

WINDOWS = {"frequency": (45.0, 65.0), "voltage_l1": (80.0, 300.0)}


def _frame(name: str, quantity: str) -> tuple[dict[str, Any], Register]:
    """Return the golden frame that tells a quantity, and the quantity's register."""
    register = next(one for one in load_profile(name).registers if one.quantity == quantity)
    frames = json.loads((METERS / f"{name}.golden.json").read_text(encoding="utf-8"))
    return next(frame for frame in frames if frame["expect"].get(quantity) is not None), register


def _said(frame: dict[str, Any], register: Register) -> float | None:
    request = Request(**frame["request"])
    words = [int(word, 16) for word in frame["registers"]]
    return compile_block(PlannedRequest(request, (register,))).decode(words)[0].get(register.quantity)


def _moved(by: int) -> Callable[[Register], Register]:
    return lambda one: one.model_copy(update={"address": one.address + by})


def _changed(**what: object) -> Callable[[Register], Register]:
    return lambda one: one.model_copy(update=what)


@pytest.mark.parametrize(
    ("name", "quantity", "mistake"),
    [
        ("siemens-pac2200", "frequency", _changed(address=46)),  # mbmd: lies inside a float
        ("siemens-pac3200", "frequency", _changed(address=46)),
        ("siemens-pac3200", "voltage_l1", _changed(order="CDAB")),  # Tinkerforge: first shipped with the low word first
        ("schneider-pm5xxx", "voltage_l1", _moved(1)),  # a library: counted from 1 though said to count from 0
        ("schneider-iem3xxx", "voltage_l1", _moved(1)),  # mbmd before its pull request 386: all off by one
        ("schneider-iem3xxx", "voltage_l1", _moved(-1)),
        ("chint-dtsu666", "voltage_l1", _changed(scale=1.0)),  # a library lost the factor
        ("eastron-sdm630", "voltage_l1", _changed(order="CDAB")),
        ("carlogavazzi-em340", "voltage_l1", _changed(order="ABCD")),
        ("abb-b23", "voltage_l1", _changed(type="uint16", not_available=())),
    ],
)
def test_an_error_known_from_another_map_falls_out_of_what_a_meter_can_say(
    name: str, quantity: str, mistake: Callable[[Register], Register]
) -> None:
    frame, register = _frame(name, quantity)
    low, high = WINDOWS[quantity]
    good, bad = _said(frame, register), _said(frame, mistake(register))
    assert good is not None
    assert low <= good <= high
    assert bad is None or not low <= bad <= high


@pytest.mark.parametrize(
    ("name", "quantity", "mistake"),
    [
        ("chint-dtsu666", "active_power", _changed(scale=1.0)),
        ("schneider-iem3xxx", "active_power", _changed(scale=1.0)),  # W on the gateway of the same maker, kW here
        ("abb-b23", "active_power_l2", _changed(address=0x5B17)),  # the stride of a phase is 2, not 1
        ("abb-b23", "active_power_l3", _changed(type="uint32")),  # what goes back read as without a sign: 42 MW
        ("schneider-pm5xxx", "power_factor", _changed(coding="plain")),
        ("acrel-adl400", "import_energy", _changed(address=0x0842)),  # the combined counter
        ("sunspec-203", "active_power", _changed(scale_register=None)),
    ],
)
def test_an_error_known_from_another_map_gives_another_number(name: str, quantity: str, mistake: Callable[[Register], Register]) -> None:
    frame, register = _frame(name, quantity)
    assert _said(frame, register) == pytest.approx(frame["expect"][quantity], rel=1e-12)
    assert _said(frame, mistake(register)) != pytest.approx(frame["expect"][quantity], rel=1e-3)


@pytest.mark.parametrize("name", ["schneider-pm5xxx", "schneider-iem3xxx"])
def test_no_float_copy_of_an_energy_is_read_where_sources_disagree_on_its_unit(name: str) -> None:
    energies = [one for one in load_profile(name).registers if one.counter is not None]
    assert energies
    assert all(one.type == "int64" and one.address < 4000 for one in energies)


def test_no_resettable_counter_is_taken_for_the_energy_of_an_sdm72() -> None:
    assert all(not 0x0180 <= one.address <= 0x018F for one in load_profile("eastron-sdm72d-m").registers)


def test_models_without_a_list_that_can_be_trusted_are_not_shipped() -> None:
    refused = ("me96", "emu4", "em4m", "adl3000", "em24")
    assert not [name for name in names([METERS]) if any(model in name for model in refused)]
