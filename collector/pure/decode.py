"""Raw registers to values and back: every type and order that a profile may name.

One `struct.Struct` unpacks a whole block; "not available" patterns are compared before scaling. The inverse,
`encode`, serves tests and simulated meters. A reading holds numbers only: text is read by `decode_text`.
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
from collector.pure.plan import PlannedRequest, words
from collector.pure.telling import EXACT, Part, Telling
from config.profiles import Register
from driftwatt.errors import ConfigError
from driftwatt.readings import Quality

NOT_AVAILABLE = int(Quality.NOT_AVAILABLE)
_LARGEST = 1.7976931348623157e308
_CODE = {
    "uint8": "xB", "uint16": "H", "uint32": "I", "uint64": "Q", "int8": "xb", "int16": "h", "int32": "i", "int64": "q",
    "float16": "e", "float32": "f", "float64": "d", "bcd16": "H", "bcd32": "I", "bcd64": "Q",
    "mod10k32": "4s", "mod10k48": "6s", "mod10k64": "8s", "bits16": "H", "bits32": "I",
}  # fmt: skip
_FLOATS = {"float16": 0x7E00, "float32": 0x7FC00000, "float64": 0x7FF8000000000000}  # with their usual NaN


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
        order = [2 * (register.address - start) + at for register in numbers for at in _byte_order(register)]
        order += [2 * (scale - start) + at for scale in scales for at in (0, 1)]
        self.quantities = tuple(register.quantity for register in numbers)
        self._fields = tuple(_field(register) for register in numbers)
        # For each field, which of the items behind the values is its exponent; empty where no register has one.
        self._exponents = tuple(
            None if register.scale_register is None else len(numbers) + scales.index(register.scale_register)
            for register in (numbers if scales else ())
        )
        self._pack = struct.Struct(f">{count}H").pack
        self._unpack = struct.Struct(">" + "".join(_CODE[register.type] for register in numbers) + "h" * len(scales)).unpack_from
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
    return bytes(wire[at] for at in _byte_order(register)).rstrip(b"\0 ").decode("ascii", "replace").replace("\ufffd", "?")


def encode(register: Register, value: float | str | None) -> tuple[int, ...]:
    """Return the registers that say `value` (canonical unit) for this register, the inverse of decoding.

    None gives the first `not_available` pattern, or NaN for a float. Raises ValueError when the type
    cannot hold the value.
    """
    return encoder(register)(value)


@lru_cache(maxsize=4096)
def encoder(register: Register) -> Callable[[float | str | None], tuple[int, ...]]:
    """Return `encode` for one register, for those who encode it often."""
    order, to_bytes = _byte_order(register), _to_bytes(register)
    count = words(register)

    def registers_of(value: float | str | None) -> tuple[int, ...]:
        try:
            logical = to_bytes(value)
        except (struct.error, OverflowError, TypeError) as error:
            raise ValueError(f"{register.quantity}: {register.type} cannot hold {value!r}") from error
        return struct.unpack(f">{count}H", bytes([logical[at] for at in order]))

    return registers_of


def _byte_order(register: Register) -> list[int]:
    """Return, for each logical byte (ABCD…), where it stands on the wire. Its own inverse."""
    count = words(register)
    reverse = register.order in ("CDAB", "DCBA") and register.type != "text"
    swap = register.order in ("BADC", "DCBA")
    positions = range(count - 1, -1, -1) if reverse else range(count)
    return [2 * at + (half ^ swap) for at in positions for half in (0, 1)]


def _field(register: Register) -> _Field:
    factor, divisor = _scaling(register.scale)
    special = _special(register)
    absent = [_pattern(register, raw) for raw in register.not_available]
    zeros = [item for item in absent if register.type in _FLOATS and item == 0]
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


def _scaling(scale: float) -> tuple[float, float]:
    # 2301 ÷ 10 is 230.1, while 2301 × 0.1 is 230.10000000000002.
    inverse = 1 / scale
    return (1.0, float(round(inverse))) if abs(scale) < 1 and math.isclose(inverse, round(inverse), rel_tol=1e-12) else (scale, 1.0)


def _pattern(register: Register, raw: int) -> Any:
    try:
        return struct.unpack(">" + _CODE[register.type], raw.to_bytes(2 * words(register), "big"))[0]
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


_SPOKEN = {"V": -1, "A": -2, "Hz": -2, "1": -3, "W": 1, "var": 1, "VA": 1}


def spoken_exponent(register: Register) -> int:
    """Return the exponent that `encode` counts with, for the register's `scale_register` to say; 0 where it has none."""
    return 0 if register.scale_register is None else _SPOKEN.get(register.unit, 0)


def _to_bytes(register: Register) -> Callable[[Any], bytes]:
    size = 2 * words(register)
    if register.type == "text":
        return lambda value: _text_bytes(value, size)
    factor, divisor = _scaling(register.scale * 10.0 ** spoken_exponent(register))
    absent = register.not_available[0] if register.not_available else _FLOATS.get(register.type)
    packer = _packer(register, size)

    def to_bytes(value: float | None) -> bytes:
        if value is None:
            if absent is None:
                raise OverflowError
            return absent.to_bytes(size, "big")
        return packer(value * divisor / factor)

    return to_bytes


def _packer(register: Register, size: int) -> Callable[[float], bytes]:
    if register.type in _FLOATS:
        return struct.Struct(">" + _CODE[register.type]).pack
    if register.type.startswith("bcd"):
        return lambda number: _bcd_bytes(round(number), size)
    if register.type.startswith("mod10k"):
        return lambda number: _mod10k_bytes(round(number), size // 2)
    pack = struct.Struct(">" + _CODE[register.type]).pack
    return lambda number: pack(round(number))


def _bcd_bytes(number: int, size: int) -> bytes:
    if number < 0:
        raise OverflowError
    return int(str(number), 16).to_bytes(size, "big")


def _mod10k_bytes(number: int, count: int) -> bytes:
    if not 0 <= number < 10000**count:
        raise OverflowError
    return struct.pack(f">{count}H", *(number // 10000**at % 10000 for at in range(count - 1, -1, -1)))


def _text_bytes(value: str, size: int) -> bytes:
    raw = value.encode("ascii")
    if len(raw) > size:
        raise OverflowError
    return raw.ljust(size, b"\0")
