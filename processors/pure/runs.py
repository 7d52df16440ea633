"""Points that wait to be packed: runs of one series with equal fields, as bytes and as blocks. And blocks put together.

A row of the log is the crc32 of its rest, u32, and runs. A run is: series u32, rows u32, fields u16; per field its id
u16; the times i64; per row its floats, float64, in the order of the fields.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from struct import Struct, error
from typing import TypeAlias

import numpy as np

from processors.pure.columns import Block, DamagedError, Floats

Fields: TypeAlias = tuple[int, ...]
_HEAD, _CRC = Struct("<IIH"), Struct("<I")
_WIDE = 8


@dataclass(slots=True)
class Run:
    """Points of one series, ascending by time, that have the same fields; `data` holds row after row."""

    fields: Fields
    times: array[int] = field(default_factory=lambda: array("q"))
    data: array[float] = field(default_factory=lambda: array("d"))

    def said(self, t_ms: int) -> dict[int, float] | None:
        """Return the fields of the point at an instant, None where there is none."""
        if t_ms not in self.times:
            return None
        at, width = self.times.index(t_ms), len(self.fields)
        return dict(zip(self.fields, self.data[at * width : (at + 1) * width], strict=True))

    def block(self) -> Block:
        """Return a copy as a block."""
        rows = np.array(self.data).reshape(len(self.times), len(self.fields))
        return np.array(self.times), {each: rows[:, at].copy() for at, each in enumerate(self.fields)}


def log_row(runs: Iterable[tuple[int, Run]]) -> bytes:
    """Return runs, each with the number of its series, as one row of the log."""
    parts = []
    for series, run in runs:
        head = _HEAD.pack(series, len(run.times), len(run.fields))
        parts += [head, array("H", run.fields).tobytes(), run.times.tobytes(), run.data.tobytes()]
    body = b"".join(parts)
    return _CRC.pack(zlib.crc32(body)) + body


def logged(body: bytes, only: int | None = None) -> Iterator[tuple[int, Run]]:
    """Yield the runs of a row of the log with the numbers of their series, of one series where `only` names it. Raises DamagedError."""
    try:
        if _CRC.unpack_from(body)[0] != zlib.crc32(memoryview(body)[_CRC.size :]):
            raise DamagedError("the checksum is wrong")
        at = _CRC.size
        while at < len(body):
            series, rows, width = _HEAD.unpack_from(body, at)
            ids, times = at + _HEAD.size, at + _HEAD.size + 2 * width
            data = times + _WIDE * rows
            at = data + _WIDE * rows * width
            if only is None or series == only:
                said = array("H", body[ids:times]), array("q", body[times:data]), array("d", body[data:at])
                yield series, Run(tuple(said[0]), *said[1:])
    except (error, ValueError) as fault:
        raise DamagedError(str(fault)) from fault


def merged(blocks: Iterable[Block]) -> Block:
    """Return all points ascending by time; where two have one instant the earlier block's stays."""
    blocks = [block for block in blocks if len(block[0])] or [(np.empty(0, np.int64), {})]
    if len(blocks) == 1:
        return blocks[0]
    times = np.concatenate([block[0] for block in blocks])
    fields = dict.fromkeys(each for _, columns in blocks for each in columns)
    columns = {each: np.concatenate([_column(block, each) for block in blocks]) for each in fields}
    if (np.diff(times) > 0).all():
        return times, columns
    times, order = np.unique(times, return_index=True)  # the first of equals
    return times, {each: column[order] for each, column in columns.items()}


def between(block: Block, from_ms: int, to_ms: int) -> Block:
    """Return the points in `[from_ms, to_ms)`."""
    first, last = np.searchsorted(block[0], (from_ms, to_ms)).tolist()
    if first == 0 and last == len(block[0]):
        return block
    return block[0][first:last], {each: column[first:last] for each, column in block[1].items()}


def pieces(block: Block, rows: int) -> list[Block]:
    """Return the block in pieces of at most `rows` points, as equal as can be."""
    total = len(block[0])
    count = max(1, -(-total // rows))
    cuts = [total * each // count for each in range(count + 1)]
    return [(block[0][a:b], {each: column[a:b] for each, column in block[1].items()}) for a, b in pairwise(cuts)]


def by_span(block: Block, span_ms: int) -> list[Block]:
    """Return the block cut at the multiples of `span_ms`."""
    cuts = np.flatnonzero(np.diff(block[0] // span_ms)) + 1
    times, names = np.split(block[0], cuts), list(block[1])
    columns = [np.split(block[1][name], cuts) for name in names]
    return [(part, {name: column[at] for name, column in zip(names, columns, strict=True)}) for at, part in enumerate(times) if len(part)]


def point(block: Block, t_ms: int) -> dict[int, float] | None:
    """Return the fields of the point at an instant, None where there is none."""
    at = int(np.searchsorted(block[0], t_ms))
    if at == len(block[0]) or block[0][at] != t_ms:
        return None
    found = {each: float(column[at]) for each, column in block[1].items()}
    return {each: value for each, value in found.items() if value == value}  # noqa: PLR0124 - NaN is no field


def _column(block: Block, each: int) -> Floats:
    found = block[1].get(each)
    return np.full(len(block[0]), np.nan) if found is None else found


def block_of(runs: Sequence[Run]) -> Block:
    """Return runs as one block."""
    return merged([run.block() for run in runs])
