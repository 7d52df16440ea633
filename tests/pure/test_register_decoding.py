"""Raw registers to values and back."""

from __future__ import annotations

import math
import struct
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.pure.decode import NOT_AVAILABLE, compile_block, decode_text
from collector.pure.encode import encode
from collector.pure.plan import plan, words
from config.profiles import Limits, Order, Register, RegisterType
from driftwatt.errors import ConfigError

ORDERS = get_args(Order)
BITS = {name: int("".join(filter(str.isdigit, name.removeprefix("mod10k")))) for name in get_args(RegisterType) if name != "text"}
DIGITS = {"float16": 5e-5, "float32": 5e-7}
"""Relative change of a momentary value: half of its last digit at worst."""
SMALLEST = 1e-22
"""Nothing is told beyond so many places."""


def register(type_: str, order: str = "ABCD", address: int = 0, quantity: str = "active_power", **rest: Any) -> Register:
    return Register.model_validate(
        {"quantity": quantity, "kind": "input", "address": address, "type": type_, "order": order, "unit": "W"} | rest
    )


def decode(one: Register, registers: tuple[int, ...]) -> float | None:
    values, doubt = compile_block(plan([one], Limits(), 1)[0]).decode(registers)
    assert (one.quantity in values) != (one.quantity in doubt)
    return values.get(one.quantity)


def in_range(type_: str) -> st.SearchStrategy[float]:
    bits = BITS[type_]
    if type_.startswith("float"):
        return st.floats(allow_nan=False, allow_infinity=False, width=bits)  # type: ignore[arg-type]
    if type_.startswith("bcd"):
        return st.integers(0, min(10 ** (bits // 4), 2**53) - 1).map(float)
    if type_.startswith("mod10k"):
        return st.integers(0, min(10 ** (bits // 4), 2**53) - 1).map(float)
    if type_.startswith("int"):
        return st.integers(max(-(2 ** (bits - 1)), -(2**53)), min(2 ** (bits - 1) - 1, 2**53)).map(float)
    return st.integers(0, min(2**bits - 1, 2**53)).map(float)


@pytest.mark.parametrize("type_", sorted(BITS))
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_decoding_is_the_inverse_of_encoding_in_every_order(type_: str, data: st.DataObject) -> None:
    one = register(type_, data.draw(st.sampled_from(ORDERS)))
    value = data.draw(in_range(type_))
    raw = encode(one, value)
    assert len(raw) == words(one)
    assert decode(one, raw) == pytest.approx(value, rel=DIGITS.get(type_, 0), abs=SMALLEST)


@given(tenths=st.integers(-(2**31), 2**31 - 1), order=st.sampled_from(ORDERS))
@settings(max_examples=200, deadline=None)
def test_a_scaled_integer_comes_back_as_the_number_people_wrote(tenths: int, order: str) -> None:
    one = register("int32", order, scale=0.1)
    assert decode(one, encode(one, tenths / 10)) == tenths / 10


@given(st.lists(st.tuples(st.sampled_from(sorted(BITS)), st.sampled_from(ORDERS), st.integers(0, 3)), min_size=1, max_size=12), st.data())
@settings(max_examples=80, deadline=None)
def test_a_block_of_mixed_types_orders_and_holes_decodes_each_field_as_if_alone(
    fields: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    names = [f"{base}_l{phase}" for base in ("voltage", "current", "active_power", "apparent_power") for phase in (1, 2, 3)]
    registers, memory, at = [], {}, 0
    for (type_, order, hole), name in zip(fields, names, strict=False):
        one = register(type_, order, at + hole, name)
        value = data.draw(in_range(type_))
        memory[name] = (one, value)
        registers.append(one)
        at += hole + words(one)
    image = [data.draw(st.integers(0, 0xFFFF)) for _ in range(at)]
    for one, value in memory.values():
        image[one.address : one.address + words(one)] = encode(one, value)
    (planned,) = plan(registers, Limits(bridge=((0, at),)), 1)
    start = planned.request.address
    values, doubt = compile_block(planned).decode(image[start : start + planned.request.count])
    assert not doubt
    for name, (one, value) in memory.items():
        assert values[name] == pytest.approx(value, rel=DIGITS.get(one.type, 0), abs=SMALLEST), (name, one.type)


def test_the_word_orders_are_those_of_the_meters() -> None:
    value = struct.unpack(">f", bytes([0xA1, 0xB2, 0xC3, 0xD4]))[0]
    wire = {order: encode(register("float32", order), value) for order in ORDERS}
    assert wire == {"ABCD": (0xA1B2, 0xC3D4), "CDAB": (0xC3D4, 0xA1B2), "BADC": (0xB2A1, 0xD4C3), "DCBA": (0xD4C3, 0xB2A1)}


@pytest.mark.parametrize(
    ("type_", "pattern"),
    [
        ("int16", "0x8000"),
        ("int32", "0x7FFFFFFF"),
        ("uint16", "0xFFFF"),
        ("uint32", "0xFFFFFFFF"),
        ("int64", "0x8000000000000000"),
        ("bcd32", "0x99999999"),
        ("mod10k64", "0x0000000000000007"),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_not_available_is_recognised_on_the_raw_registers_before_scaling(type_: str, pattern: str, order: str) -> None:
    one = register(type_, order, scale=10.0, not_available=[pattern])
    raw = encode(one, None)
    assert decode(one, raw) is None
    assert decode(register(type_, order, scale=10.0), raw) is not None


@pytest.mark.parametrize("raw", [(0x7FC0, 0), (0xFFC0, 0), (0x7F80, 0), (0xFF80, 0)])
def test_nan_and_infinity_are_never_numbers(raw: tuple[int, int]) -> None:
    assert decode(register("float32"), raw) is None


def test_a_value_that_scaling_makes_infinite_is_no_number() -> None:
    one = register("float64", scale=1e300)
    assert decode(one, encode(register("float64"), 1e300)) is None


def test_the_other_zero_is_not_the_pattern() -> None:
    one = register("float32", not_available=["0x80000000"])
    assert decode(one, (0x8000, 0)) is None
    assert decode(one, (0, 0)) == 0.0


def test_minus_zero_becomes_zero() -> None:
    value = decode(register("float32"), (0x8000, 0))
    assert value is not None
    assert math.copysign(1.0, value) == 1.0


@pytest.mark.parametrize(("type_", "raw"), [("bcd16", (0x12A4,)), ("mod10k32", (0, 10000))])
def test_digits_that_are_none_are_not_available(type_: str, raw: tuple[int, ...]) -> None:
    assert decode(register(type_), raw) is None


def test_a_value_without_number_leaves_its_neighbours_alone() -> None:
    (planned,) = plan([register("float32", quantity="voltage_l1"), register("float32", address=2, quantity="voltage_l2")], Limits(), 1)
    values, doubt = compile_block(planned).decode((0x7FC0, 0, 0x4366, 0x8000))
    assert (values, doubt) == ({"voltage_l2": 230.5}, {"voltage_l1": NOT_AVAILABLE})


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("uint16", 65536),
        ("uint16", -1),
        ("int16", 40000),
        ("bcd16", 10000),
        ("bcd16", -1),
        ("mod10k32", 1e8),
        ("float16", 1e6),
        ("uint16", None),
    ],
)
def test_what_a_type_cannot_hold_is_not_encoded(type_: str, value: float | None) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        encode(register(type_), value)


def test_a_pattern_wider_than_its_register_is_refused() -> None:
    with pytest.raises(ConfigError, match="wider"):
        decode(register("uint16", not_available=["0x10000"]), (0,))


@pytest.mark.parametrize("order", ORDERS)
def test_text_is_read_apart_and_brings_no_sample(order: str) -> None:
    one = register("text", order, length=4)
    assert decode_text(one, encode(one, "EM340")) == "EM340"
    assert compile_block(plan([one], Limits(), 1)[0]).decode(encode(one, "EM340")) == ({}, {})
    with pytest.raises(ValueError, match="cannot hold"):
        encode(one, "longer than eight")


def _single(value: float) -> float:
    said: float = struct.unpack(">f", struct.pack(">f", value))[0]
    return said


ENERGIES = st.floats(2.0**-20, 2.0**31, width=32)


@given(ENERGIES)
@settings(max_examples=300, deadline=None)
def test_a_float_counter_keeps_every_digit_that_it_has_and_no_more(energy: float) -> None:
    one = register("float32", quantity="import_energy", counter={})
    value = decode(one, encode(one, energy))
    assert value is not None
    assert _single(value) == energy
    assert float(f"{value:.9g}") == value or value == energy


@given(ENERGIES, st.integers(1, 5), st.sampled_from([1.0, 1000.0, 0.1]))
@settings(max_examples=300, deadline=None)
def test_a_float_counter_that_goes_up_is_never_seen_to_go_down(energy: float, steps: int, scale: float) -> None:
    one = register("float32", quantity="import_energy", counter={}, scale=scale)
    (bits,) = struct.unpack(">I", struct.pack(">f", energy))
    first, later = (decode(one, struct.unpack(">2H", struct.pack(">I", bits + more))) for more in (0, steps))
    assert first is not None
    assert later is not None
    assert first < later


@pytest.mark.parametrize(
    ("said", "scale", "expected"), [(50.02, 1.0, 50.02), (0.9555, 1.0, 0.9555), (23.8754, 1000.0, 23875.4), (2301.0, 0.1, 230.1)]
)
def test_a_momentary_float_has_seven_digits(said: float, scale: float, expected: float) -> None:
    one = register("float32", scale=scale)
    assert decode(one, struct.unpack(">2H", struct.pack(">f", said))) == expected


@given(raw=st.integers(-(2**15) + 1, 2**15 - 1), exponent=st.integers(-10, 10))
def test_an_integer_with_a_scale_register_is_raw_times_ten_to_it(raw: int, exponent: int) -> None:
    one = register("int16", scale_register=3, not_available=["0x8000"])
    (planned,) = plan([one], Limits(), 1)
    values, doubt = compile_block(planned).decode((raw & 0xFFFF, 7, 7, exponent & 0xFFFF))
    assert (values, doubt) == ({"active_power": float(f"{raw}e{exponent}")}, {})


@pytest.mark.parametrize("registers", [(0x8000, 0, 0, 0), (5, 0, 0, 0x8000), (5, 0, 0, 11), (5, 0, 0, 0xFFF5)])
def test_no_value_or_no_exponent_is_not_available(registers: tuple[int, ...]) -> None:
    (planned,) = plan([register("int16", scale_register=3, not_available=["0x8000"])], Limits(), 1)
    assert compile_block(planned).decode(registers) == ({}, {"active_power": NOT_AVAILABLE})


def test_exponents_of_one_block_do_not_mix_with_plain_registers_between_them() -> None:
    wanted = [
        register("int16", address=0, quantity="current_l1", scale_register=1),
        register("uint32", "CDAB", 2, "import_energy", scale_register=5, counter={}),
        register("uint16", address=4, quantity="frequency", scale=0.01),
        register("int16", address=6, quantity="voltage_l1", scale_register=1),
    ]
    (planned,) = plan(wanted, Limits(), 1)
    values, _ = compile_block(planned).decode((1234, 0xFFFE, 0x0001, 0x0002, 5001, 3, 2301))
    assert values == {"current_l1": 12.34, "import_energy": 131073000.0, "frequency": 50.01, "voltage_l1": 23.01}


@pytest.mark.parametrize(("coded", "expected"), [(0.95, 0.95), (1.05, 0.95), (-1.2, -0.8), (-0.8, -0.8), (1.0, 1.0), (2.0, 0.0)])
def test_a_four_quadrant_power_factor_is_folded_back(coded: float, expected: float) -> None:
    one = register("float32", quantity="power_factor", coding="four_quadrant")
    assert decode(one, struct.unpack(">2H", struct.pack(">f", coded))) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("raw", "exponent", "expected"), [(95, 0, 0.95), (-9550, -2, -0.955), (955, -3, 0.955), (1, 0, 1.0)])
def test_a_power_factor_in_percent_or_as_a_ratio_is_a_ratio(raw: int, exponent: int, expected: float) -> None:
    one = register("int16", quantity="power_factor", coding="percent_or_ratio", scale_register=1)
    (planned,) = plan([one], Limits(), 1)
    assert compile_block(planned).decode((raw & 0xFFFF, exponent & 0xFFFF))[0]["power_factor"] == pytest.approx(expected, abs=1e-12)


def test_bit_fields_are_told_as_the_number_that_their_bits_make() -> None:
    assert decode(register("bits32", "CDAB"), (0x0001, 0x8000)) == float(0x80000001)
