"""Raw registers to values: every type and order that a profile may name. The inverse is `collector.pure.encode`.

One `struct.Struct` unpacks a whole block; "not available" patterns are compared before scaling. A reading holds
numbers only: text is read by `decode_text`.
Floats are told in the digits that they have: `collector.pure.digits`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

from collector.pure.digits import digits_kept, in_its_digits
from collector.pure.frames import Request
from collector.pure.layout import CODE, FLOATS, byte_order, scaling
from collector.pure.plan import PlannedRequest, words
from collector.pure.telling import EXACT, Part, Telling
from config.profiles import Register
from driftwatt.errors import ConfigError
from driftwatt.readings import Quality

NOT_AVAILABLE = int(Quality.NOT_AVAILABLE)
_LARGEST = 1.7976931348623157e308
_LARGEST_EXPONENT = 10
"""Of a scale register, from SunSpec; anything beyond is no exponent."""


@dataclass(frozen=True, slots=True)
class _Field:
    """How one unpacked item becomes a number: refused if in `absent`, through `special`, × `factor` ÷ `divisor`.

    `scaled`, where there is one, does the last step; `coded` undoes the coding of a power factor.
    """

    quantity: str
    factor: float
    divisor: float
    absent: frozenset[Any]
    special: Callable[[Any], float | None] | None
    scaled: Callable[[float], float] | None
    coded: Callable[[float], float] | None


class BlockDecoder:
    """Decodes the reply to one planned request. Built once per meter, used at every poll.

    `quantities` names what it brings. Raises ConfigError for a `not_available` pattern wider than its register.
    """

    __slots__ = ("_exponents", "_fields", "_pack", "_pick", "_telling", "_unpack", "quantities")

    def __init__(self, planned: PlannedRequest) -> None:
        numbers = [register for register in planned.registers if register.type != "text"]
        start, count = planned.request.address, planned.request.count
        scales = sorted({register.scale_register for register in numbers if register.scale_register is not None})
        order = [2 * (register.address - start) + at for register in numbers for at in byte_order(register)]
        order += [2 * (scale - start) + at for scale in scales for at in (0, 1)]
        self.quantities = tuple(register.quantity for register in numbers)
        self._fields = tuple(_field(register) for register in numbers)
        # For each field, which of the items behind the values is its exponent; empty where no register has one.
        self._exponents = tuple(
            None if register.scale_register is None else len(numbers) + scales.index(register.scale_register)
            for register in (numbers if scales else ())
        )
        self._pack = struct.Struct(f">{count}H").pack
        self._unpack = struct.Struct(">" + "".join(CODE[register.type] for register in numbers) + "h" * len(scales)).unpack_from
        self._pick = itemgetter(*order) if order and order != list(range(2 * count)) else None
        plain = numbers and not scales and all(field.special is None for field in self._fields)
        self._telling = Telling([_part(register, field) for register, field in zip(numbers, self._fields, strict=True)]) if plain else None

    def tell(self, registers: Sequence[int]) -> str:
        """Return the members of a JSON object that `decode` would give, "" unless every value is there and nothing is in doubt."""
        if self._telling is None:
            return ""
        raw = self._pack(*registers)
        return self._telling.text(self._unpack(raw if self._pick is None else bytes(self._pick(raw))))

    def decode(self, registers: Sequence[int]) -> tuple[dict[str, float], dict[str, int]]:
        """Return the values in canonical units, and the quality bits of the quantities that brought no number."""
        values: dict[str, float] = {}
        doubt: dict[str, int] = {}
        self.decode_into(registers, values, doubt)
        return values, doubt

    def decode_into(self, registers: Sequence[int], values: dict[str, float], doubt: dict[str, int]) -> None:
        """Add what `registers` say to `values` and `doubt`. They are exactly the count of the request (validated)."""
        raw = self._pack(*registers)
        if self._pick is not None:
            raw = bytes(self._pick(raw))
        items: Sequence[Any] = self._unpack(raw)
        if self._exponents:
            items = self._scaled(items)
        for field, item in zip(self._fields, items, strict=False):
            if item not in field.absent:
                number = item if field.special is None else field.special(item)
                if number is not None:
                    scaled = field.scaled
                    value = (number * field.factor / field.divisor if scaled is None else scaled(number)) + 0.0  # turns −0 into 0
                    if -_LARGEST <= value <= _LARGEST:  # false for NaN as well
                        values[field.quantity] = value if field.coded is None else field.coded(value)
                        continue
            doubt[field.quantity] = NOT_AVAILABLE

    def _scaled(self, items: Sequence[Any]) -> Sequence[Any]:
        """Return the items × 10^exponent; NaN, which no value is, where the meter gives no exponent. `absent` goes before."""
        return [
            item if at is None else _by_exponent(item, items[at], field.absent)
            for field, item, at in zip(self._fields, items, self._exponents, strict=False)
        ]


def _by_exponent(item: Any, exponent: int, absent: frozenset[Any]) -> Any:
    if item in absent:
        return item
    if not -_LARGEST_EXPONENT <= exponent <= _LARGEST_EXPONENT:
        return math.nan
    return item * 10**exponent if exponent >= 0 else item / 10**-exponent


def compile_block(planned: PlannedRequest) -> BlockDecoder:
    """Return the decoder of a planned request. Meters of one model that are asked the same share it. Raises ConfigError."""
    return _compiled(planned.request.address, planned.request.count, planned.registers)


@lru_cache(maxsize=1024)
def _compiled(address: int, count: int, registers: tuple[Register, ...]) -> BlockDecoder:
    return BlockDecoder(PlannedRequest(Request(0, registers[0].kind if registers else "holding", address, count), registers))


def decode_text(register: Register, registers: Sequence[int]) -> str:
    """Return the text in the registers of a `text` register, without padding; bytes outside ASCII become `?`."""
    wire = struct.pack(f">{len(registers)}H", *registers)
    return bytes(wire[at] for at in byte_order(register)).rstrip(b"\0 ").decode("ascii", "replace").replace("\ufffd", "?")


def _field(register: Register) -> _Field:
    factor, divisor = scaling(register.scale)
    special = _special(register)
    absent = [_pattern(register, raw) for raw in register.not_available]
    zeros = [item for item in absent if register.type in FLOATS and item == 0]
    if zeros:  # +0 and −0 are equal as numbers, so a set cannot tell which of them was meant
        special = partial(_other_than_zero, signs=frozenset(math.copysign(1.0, zero) for zero in zeros))
    told = in_its_digits(register.type, factor, divisor, counter=register.counter is not None)
    without_zeros = frozenset(item for item in absent if item not in zeros)
    return _Field(register.quantity, factor, divisor, without_zeros, special, told, _CODINGS[register.coding])


def _part(register: Register, field: _Field) -> Part:
    digits = digits_kept(register.type, counter=register.counter is not None)
    if field.coded is not None or (field.scaled is not None and digits is None):
        return Part(field.quantity, field.absent, 1, 1, partial(_number, field), EXACT)
    return Part(field.quantity, field.absent, field.factor, field.divisor, None, EXACT if digits is None else f"%.{digits}g")


def _number(field: _Field, item: Any) -> float:
    value: float = (item * field.factor / field.divisor if field.scaled is None else field.scaled(item)) + 0.0
    return value if field.coded is None or not math.isfinite(value) else field.coded(value)


def _four_quadrant(value: float) -> float:
    return round(2 - value, 7) if value > 1 else round(-2 - value, 7) if value < -1 else value


def _ratio(value: float) -> float:
    return value / 100 if abs(value) > 1 else value


_CODINGS: dict[str, Callable[[float], float] | None] = {"plain": None, "four_quadrant": _four_quadrant, "percent_or_ratio": _ratio}


def _pattern(register: Register, raw: int) -> Any:
    try:
        return struct.unpack(">" + CODE[register.type], raw.to_bytes(2 * words(register), "big"))[0]
    except OverflowError as error:
        raise ConfigError("pattern is wider than its register", key=register.quantity, found=f"0x{raw:X}") from error


def _special(register: Register) -> Callable[[Any], float | None] | None:
    if register.type.startswith("bcd"):
        return _from_bcd
    return _from_mod10k if register.type.startswith("mod10k") else None


def _from_bcd(item: int) -> int | None:
    text = f"{item:x}"
    return int(text) if text.isdecimal() else None


def _from_mod10k(item: bytes) -> int | None:
    total = 0
    for word in struct.unpack(f">{len(item) // 2}H", item):
        if word > 9999:
            return None
        total = total * 10000 + word
    return total


def _other_than_zero(item: float, *, signs: frozenset[float]) -> float | None:
    return None if item == 0 and math.copysign(1.0, item) in signs else item
