"""Values to raw registers, the inverse of `collector.pure.decode`: for simulated meters, and for tests."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from collector.pure.layout import CODE, FLOATS, byte_order, scaling
from collector.pure.plan import words
from config.profiles import Register

_SPOKEN = {"V": -1, "A": -2, "Hz": -2, "1": -3, "W": 1, "var": 1, "VA": 1}


def encode(register: Register, value: float | str | None) -> tuple[int, ...]:
    """Return the registers that say `value` (canonical unit) for this register, the inverse of decoding.

    None gives the first `not_available` pattern, or NaN for a float. Raises ValueError when the type
    cannot hold the value.
    """
    return encoder(register)(value)


@lru_cache(maxsize=4096)
def encoder(register: Register) -> Callable[[float | str | None], tuple[int, ...]]:
    """Return `encode` for one register, for those who encode it often."""
    order, to_bytes = byte_order(register), _to_bytes(register)
    count = words(register)

    def registers_of(value: float | str | None) -> tuple[int, ...]:
        try:
            logical = to_bytes(value)
        except (struct.error, OverflowError, TypeError) as error:
            raise ValueError(f"{register.quantity}: {register.type} cannot hold {value!r}") from error
        return struct.unpack(f">{count}H", bytes([logical[at] for at in order]))

    return registers_of


def spoken_exponent(register: Register) -> int:
    """Return the exponent that `encode` counts with, for the register's `scale_register` to say; 0 where it has none."""
    return 0 if register.scale_register is None else _SPOKEN.get(register.unit, 0)


def _to_bytes(register: Register) -> Callable[[Any], bytes]:
    size = 2 * words(register)
    if register.type == "text":
        return lambda value: _text_bytes(value, size)
    factor, divisor = scaling(register.scale * 10.0 ** spoken_exponent(register))
    absent = register.not_available[0] if register.not_available else FLOATS.get(register.type)
    packer = _packer(register, size)

    def to_bytes(value: float | None) -> bytes:
        if value is None:
            if absent is None:
                raise OverflowError
            return absent.to_bytes(size, "big")
        return packer(value * divisor / factor)

    return to_bytes


def _packer(register: Register, size: int) -> Callable[[float], bytes]:
    if register.type in FLOATS:
        return struct.Struct(">" + CODE[register.type]).pack
    if register.type.startswith("bcd"):
        return lambda number: _bcd_bytes(round(number), size)
    if register.type.startswith("mod10k"):
        return lambda number: _mod10k_bytes(round(number), size // 2)
    pack = struct.Struct(">" + CODE[register.type]).pack
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
