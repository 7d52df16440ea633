"""A block told as text in one go says exactly what the careful way says, or nothing."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.pure.answers import MISSING, Answers
from collector.pure.blocks import Block
from collector.pure.decode import compile_block
from collector.pure.frames import BusFault, Request
from collector.pure.plan import plan, words
from config.catalogue import METERS, names
from config.loader import load_profile
from config.profiles import Limits, Register
from driftwatt.readings import Reading
from driftwatt.wire import read_row, row_bytes

NAMES = ("voltage_l1", "current_l1", "active_power", "frequency")
TYPES = ("float32", "uint16", "int32", "float64", "uint64", "float16", "bcd16", "mod10k32")


def register(type_: str, quantity: str, address: int, **rest: Any) -> Register:
    return Register.model_validate({"quantity": quantity, "kind": "input", "address": address, "type": type_, "unit": "W"} | rest)


def block_of(*registers: Register) -> Block:
    (planned,) = plan(registers, Limits(bridge=((0, 100),)), 1)
    return Block(Request(1, "input", planned.request.address, planned.request.count), compile_block(planned))


def one(type_: str, raw: tuple[int, ...], **rest: Any) -> tuple[str, dict[str, float]]:
    decoder = block_of(register(type_, "active_power", 0, **rest)).decoder
    return decoder.tell(raw), decoder.decode(raw)[0]


@given(st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from((1.0, 0.1, 10.0, 3.6))), min_size=1, max_size=4), st.data())
@settings(max_examples=150, deadline=None)
def test_text_and_values_are_the_same_for_any_registers(kinds: list[tuple[str, float]], data: st.DataObject) -> None:
    registers, at = [], 0
    for (type_, scale), name in zip(kinds, NAMES, strict=False):
        registers.append(register(type_, name, at, scale=scale, not_available=data.draw(st.sampled_from(([], ["0x0"], ["0x7FC0"])))))
        at += words(registers[-1])
    decoder = block_of(*registers).decoder
    raw = data.draw(st.lists(st.integers(0, 0xFFFF), min_size=at, max_size=at))
    values, doubt = decoder.decode(raw)
    text = decoder.tell(raw)
    if text:
        assert not doubt
        assert json.loads(f"{{{text}}}") == values


@pytest.mark.parametrize("name", names([METERS]))
def test_every_shipped_model_is_told_as_it_is_decoded(name: str) -> None:
    profile = load_profile(name)
    for planned in plan(profile.registers, profile.limits, 1):
        decoder = compile_block(planned)
        raw = tuple(0x4000 + 37 * at % 0x300 for at in range(planned.request.count))
        values, doubt = decoder.decode(raw)
        text = decoder.tell(raw)
        assert not text or (json.loads(f"{{{text}}}"), {}) == (values, doubt)


def float32(value: float) -> tuple[int, ...]:
    return struct.unpack(">2H", struct.pack(">f", value))


def test_an_ordinary_block_is_told() -> None:
    assert one("float32", float32(50.02))[0] == '"active_power":50.02'
    assert one("uint16", (2301,), scale=0.1)[0] == '"active_power":230.1'


def test_a_whole_number_of_a_register_is_told_as_a_float() -> None:
    assert one("uint64", (0xFFFF,) * 4)[0] == '"active_power":1.8446744073709552e+19'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.0])
def test_what_is_no_plain_number_is_left_to_the_careful_way(value: float) -> None:
    assert one("float32", float32(value))[0] == ""


def test_a_pattern_that_is_not_available_is_left_to_the_careful_way() -> None:
    text, values = one("int16", (0x8000,), scale=0.1, not_available=["0x8000"])
    assert (text, values) == ("", {})


def test_a_reading_told_as_text_is_the_reading_of_its_values() -> None:
    answers = Answers()
    answers.take(block_of(register("float32", "voltage_l1", 0)), float32(230.1))
    answers.take(block_of(register("uint16", "frequency", 0, scale=0.01)), (5002,))
    reading = answers.reading("m1", 1_700_000_000_000, 12, "ok")
    plain = Reading("m1", 1_700_000_000_000, {"voltage_l1": 230.1, "frequency": 50.02}, {}, 12, "ok")
    assert reading == plain
    assert row_bytes(reading) == row_bytes(plain)
    assert read_row(row_bytes(reading)) == plain


def test_one_block_without_an_answer_leaves_the_told_values_of_the_others() -> None:
    answers = Answers()
    answers.take(block_of(register("float32", "voltage_l1", 0)), float32(230.1))
    answers.fail(block_of(register("uint16", "frequency", 0)), BusFault("timeout"))
    assert answers.reading("m1", 1, 0, "ok") == Reading("m1", 1, {"voltage_l1": 230.1}, {"frequency": MISSING})


def test_no_value_at_all_is_no_reading() -> None:
    answers = Answers()
    answers.miss(block_of(register("uint16", "frequency", 0)))
    assert answers.reading("m1", 1, 0, "ok") is None
