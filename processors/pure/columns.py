"""Many points of one series as a few bytes, column by column, and back bit for bit.

A block is its times (ms, ascending, distinct) and columns of floats; NaN stands where a point has no such field.
A column is written in one of three ways: one number for all; whole numbers (what a meter says is a short decimal:
value × 10^k is whole, and whole / 10^k is the same float again, which is checked); the bits of each float XORed with
those before. Whole numbers are taken as differences of up to third order, zigzag; their noisy low bits are kept as
they are and what is left is deflated byte plane by byte plane, so that noise costs what it weighs and no more.

    block  = crc32 of the rest u32, version u8, rows u32, columns u16; per column: field u16, length u32; the columns
    column = kind u8; where kind & GAPS: length u32, deflated bits of who has a value; then as `kind` says
    whole  = order u8, low bits u8, byte planes u8; first value of each difference; low bits; deflated planes
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from struct import Struct, error
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Times: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]
Block: TypeAlias = tuple[Times, dict[int, Floats]]

VERSION = 1
TIME = 0
"""The field id of a block's times."""
ONE, WHOLE, XORED, GAPS = 1, 2, 3, 0x80
DECIMALS = 9
ORDERS = 3
KEPT_BITS = 6
"""Of the bits that change from row to row so many go to deflate; those below are noise."""
SAMPLED = 4
"""Choices are made on every fourth row."""
LARGEST = float(1 << 51)
_CRC, _HEAD, _ENTRY, _FLOAT, _LENGTH = Struct("<I"), Struct("<BIH"), Struct("<HI"), Struct("<d"), Struct("<I")


class DamagedError(ValueError):
    """Bytes that are no block, or not the block that was written."""


def packed(block: Block) -> bytes:
    """Return the bytes of a block. Field ids are 1 … 65535; all columns have the length of the times."""
    times, columns = block
    parts = [(TIME, _from_whole(times)), *((field, _from_floats(column)) for field, column in columns.items())]
    head = [_HEAD.pack(VERSION, len(times), len(parts)), *(_ENTRY.pack(field, len(part)) for field, part in parts)]
    data = b"".join((*head, *(part for _, part in parts)))
    return _CRC.pack(zlib.crc32(data)) + data


def unpacked(data: bytes, fields: Collection[int] | None = None) -> Block:
    """Return the block of these bytes, with all its columns or those of `fields` that it has. Raises DamagedError."""
    try:
        if _CRC.unpack_from(data)[0] != zlib.crc32(memoryview(data)[_CRC.size :]):
            raise DamagedError("the checksum is wrong")
        version, rows, count = _HEAD.unpack_from(data, _CRC.size)
        if version != VERSION:
            raise DamagedError(f"written by a later version, {version}")
        entry = _CRC.size + _HEAD.size
        at, times, columns = entry + count * _ENTRY.size, np.empty(0, np.int64), dict[int, Floats]()
        for number in range(count):
            field, length = _ENTRY.unpack_from(data, entry + number * _ENTRY.size)
            if field == TIME:
                times = _to_whole(data[at : at + length], rows)
            elif fields is None or field in fields:
                columns[field] = _to_floats(data[at : at + length], rows)
            at += length
    except (error, zlib.error, IndexError) as fault:
        raise DamagedError(str(fault)) from fault
    return times, columns


def _from_floats(column: Floats) -> bytes:
    there = column == column  # noqa: PLR0124 - NaN is not
    if there.all():
        return _from_values(column)
    bits = zlib.compress(np.packbits(there).tobytes(), 1)
    body = _from_values(column[there])
    return bytes((body[0] | GAPS,)) + _LENGTH.pack(len(bits)) + bits + body[1:]


def _from_values(values: Floats) -> bytes:
    bits = values.view(np.uint64)
    if not len(values) or (bits == bits[0]).all():
        return bytes((ONE,)) + values[:1].tobytes()
    largest = float(np.abs(values).max())
    for power in range(_least_power(values), DECIMALS + 1):
        scale = 10.0**power
        if largest >= LARGEST / scale:
            break
        whole = np.rint(values * scale).astype(np.int64)
        if ((whole / scale).view(np.uint64) == bits).all():  # not so for -0.0
            return bytes((WHOLE, power)) + _from_whole(whole)
    words = bits.copy()
    words[1:] ^= bits[:-1]
    return bytes((XORED,)) + _planes(words, 8)


def _least_power(values: Floats) -> int:
    """Return how many decimals a few of the values need; beyond DECIMALS when they are no decimals."""
    few = np.clip(values[:: max(1, len(values) // 16)], -LARGEST, LARGEST)
    for power in range(DECIMALS + 1):
        scale = 10.0**power
        if (np.rint(few * scale) / scale == few).all():
            return power
    return DECIMALS + 1


def _from_whole(whole: Times) -> bytes:
    steps, order = _differences(whole)
    firsts = b"".join(np.diff(whole[: each + 1], each)[:1].tobytes() for each in range(order))
    words = (steps.astype(np.uint64) << np.uint64(1)) ^ (steps >> np.int64(63)).astype(np.uint64)
    some = np.sort(words[::SAMPLED])
    typical = int(some[len(some) * 7 // 8]) if len(some) else 0
    low = max(0, typical.bit_length() - KEPT_BITS)
    high = words >> np.uint64(low)
    width = (int(high.max()).bit_length() + 7) // 8 if len(high) else 0
    return bytes((order, low, width)) + firsts + _low_bits(words, low) + _planes(high, width)


def _differences(whole: Times) -> tuple[Times, int]:
    """Return the differences that are smallest, and of which order they are."""
    steps = best = whole
    order, least = 0, np.inf
    for each in range(min(ORDERS, len(whole) - 1) + 1):
        if each:
            steps = np.diff(steps)
        weight = float(np.log2(1.0 + np.abs(steps[::SAMPLED]).astype(np.float32)).mean()) if len(steps) else 0.0
        if weight < least:
            best, order, least = steps, each, weight
    return best, order


def _low_bits(words: Words, low: int) -> bytes:
    if not low:
        return b""
    raw = _as_bytes(words)[:, : (low + 7) // 8]
    return np.packbits(np.unpackbits(raw, axis=1, bitorder="little")[:, :low]).tobytes()


def _planes(words: Words, width: int) -> bytes:
    machine = zlib.compressobj(1, zlib.DEFLATED, -15, 9)
    return machine.compress(_as_bytes(words)[:, :width].T[::-1].tobytes()) + machine.flush()


def _as_bytes(words: Words) -> NDArray[np.uint8]:
    return words.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)


def _to_floats(data: bytes, rows: int) -> Floats:
    if not data[0] & GAPS:
        return _to_values(data, rows)
    (length,) = _LENGTH.unpack_from(data, 1)
    start = 1 + _LENGTH.size
    bits = np.frombuffer(zlib.decompress(data[start : start + length]), np.uint8)
    there = np.unpackbits(bits, count=rows).astype(bool)
    out = np.full(rows, np.nan)
    out[there] = _to_values(bytes((data[0] & ~GAPS,)) + data[start + length :], int(there.sum()))
    return out


def _to_values(data: bytes, rows: int) -> Floats:
    if data[0] == ONE:
        return np.full(rows, _FLOAT.unpack_from(data, 1)[0]) if rows else np.empty(0)
    if data[0] == WHOLE:
        values: Floats = _to_whole(data[2:], rows) / 10.0 ** data[1]
        return values
    if data[0] == XORED:
        return np.bitwise_xor.accumulate(_from_planes(data[1:], rows, 8)).view(np.float64)
    raise DamagedError(f"a column of kind {data[0]}")


def _to_whole(data: bytes, rows: int) -> Times:
    order, low, width = data[:3]
    left = rows - order
    at = 3 + 8 * order
    firsts = np.frombuffer(data[3:at], np.int64)
    size = (left * low + 7) // 8
    words = _from_planes(data[at + size :], left, width)
    if low:
        bits = np.unpackbits(np.frombuffer(data[at : at + size], np.uint8), count=left * low).reshape(left, low)
        raw = np.zeros((left, 8), np.uint8)
        raw[:, : (low + 7) // 8] = np.packbits(bits, axis=1, bitorder="little")
        words = (words << np.uint64(low)) | raw.view("<u8").reshape(-1)
    whole = (words >> np.uint64(1)).astype(np.int64) ^ -(words & np.uint64(1)).astype(np.int64)
    for first in firsts[::-1]:
        whole = np.cumsum(np.concatenate((firsts[:0], (first,), whole)))
    return whole


def _from_planes(data: bytes, rows: int, width: int) -> Words:
    raw = np.zeros((rows, 8), np.uint8)
    raw[:, :width] = np.frombuffer(zlib.decompress(data, -15), np.uint8).reshape(width, rows)[::-1].T
    return raw.view("<u8").reshape(-1)
