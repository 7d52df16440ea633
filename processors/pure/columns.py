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
    bodies = _from_columns(list(columns.values()))
    parts = [(TIME, _from_whole(times)), *zip(columns, bodies, strict=True)]
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


def _from_columns(columns: list[Floats]) -> list[bytes]:
    """Return the bytes of each column. Those without gaps are worked on together: a call of numpy costs more than its rows."""
    whole = [at for at, column in enumerate(columns) if len(column) and not np.isnan(column).any()]
    table = np.array([columns[at] for at in whole]) if whole else np.empty((0, 1))
    said = dict(zip(whole, _from_table(table), strict=True))
    return [said[at] if at in said else _with_gaps(column) for at, column in enumerate(columns)]


def _with_gaps(column: Floats) -> bytes:
    there = ~np.isnan(column)
    bits = zlib.compress(np.packbits(there).tobytes(), 1)
    values = column[there]
    (body,) = _from_table(values.reshape(1, -1)) if len(values) else (bytes((ONE,)),)
    return bytes((body[0] | GAPS,)) + _LENGTH.pack(len(bits)) + bits + body[1:]


def _from_table(table: Floats) -> list[bytes]:
    """Return the bytes of columns without gaps, which are the rows of `table`."""
    bits = table.view(np.uint64)
    constant = (bits == bits[:, :1]).all(axis=1).tolist()
    powers = [0 if one else _power(row) for one, row in zip(constant, table, strict=True)]
    largest = np.abs(table).max(axis=1, initial=0.0)
    scales = 10.0 ** np.array(powers).reshape(-1, 1)
    fits = (largest < LARGEST / scales[:, 0])[:, None]
    integers = np.rint(np.where(fits, table, 0.0) * scales).astype(np.int64)
    exact = (fits & ((integers / scales).view(np.uint64) == bits)).all(axis=1).tolist()  # not so for -0.0
    coded = dict(zip((at for at, one in enumerate(exact) if one), _from_integers(integers[exact]), strict=True))
    out = []
    for at, row in enumerate(table):
        if constant[at]:
            out.append(bytes((ONE,)) + row[:1].tobytes())
        elif exact[at]:
            out.append(bytes((WHOLE, powers[at])) + coded[at])
        else:
            out.append(_from_any(row))
    return out


def _from_any(values: Floats) -> bytes:
    """Return values of which some have more decimals than the first few, or are no decimals at all."""
    power = max(_power(values, every=1), 0)
    scale = 10.0**power
    if float(np.abs(values).max()) < LARGEST / scale:
        integers = np.rint(values * scale).astype(np.int64)
        if ((integers / scale).view(np.uint64) == values.view(np.uint64)).all():
            return bytes((WHOLE, power)) + _from_whole(integers)
    words = values.view(np.uint64).copy()
    words[1:] ^= values.view(np.uint64)[:-1]
    return bytes((XORED,)) + _planes(words, 8)


def _power(values: Floats, *, every: int = 0) -> int:
    """Return how many decimals the values need, of some or of each `every`-th; DECIMALS at most."""
    most = 0
    for value in values[:: every or max(1, len(values) // 12)].tolist():
        digits, _, exponent = repr(value).partition("e")
        decimals = len(digits.partition(".")[2].rstrip("0")) - int(exponent or 0)
        if decimals > most:
            most = decimals
            if most >= DECIMALS:
                return DECIMALS
    return most


def _from_whole(whole: Times) -> bytes:
    return _from_integers(whole.reshape(1, -1))[0]


def _from_integers(table: Times) -> list[bytes]:
    """Return the bytes of columns of whole numbers, which are the rows of `table`."""
    steps, weights = [table], [_weights(table)]
    while len(steps) <= min(ORDERS, table.shape[1] - 1):
        steps.append(np.diff(steps[-1], axis=1))
        weights.append(_weights(steps[-1]))
    orders = np.argmin(weights, axis=0).tolist()
    out = []
    for at, order in enumerate(orders):
        firsts = b"".join(steps[each][at, :1].tobytes() for each in range(order))
        chosen = steps[order][at]
        words = ((chosen << 1) ^ (chosen >> 63)).view(np.uint64)
        some = np.sort(words[::SAMPLED])
        low = max(0, int(some[len(some) * 7 // 8]).bit_length() - KEPT_BITS) if len(some) else 0
        high = words >> np.uint64(low)
        width = (int(high.max()).bit_length() + 7) // 8 if len(high) else 0
        out.append(bytes((order, low, width)) + firsts + _low_bits(words, low) + _planes(high, width))
    return out


def _weights(table: Times) -> Floats:
    some = np.abs(table[:, ::SAMPLED]).astype(np.float32)
    weights: Floats = np.log2(1.0 + some).sum(axis=1) / max(1, some.shape[1])
    return weights


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
