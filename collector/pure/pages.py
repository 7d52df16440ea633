"""The records in the pages of a SQLite file, without trusting the file: what a damaged outbox still says.

Layout after https://www.sqlite.org/fileformat2.html. Every page is looked at on its own; a cell that does not add up is
passed over. Pages that the file itself calls free are left out as far as its list of them can be followed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

PAGE_BYTES = 4096
TABLE_LEAF, INDEX_LEAF, INDEX_INNER = 0x0D, 0x0A, 0x02
_WAL_HEADER, _FRAME_HEADER = 32, 24
_MAX_RECORD_BYTES = 1 << 20
_FIXED = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

Value = int | float | str | bytes | None


class Bytes(Protocol):
    """Anything that gives bytes by position (bytes, mmap)."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, span: slice, /) -> bytes:
        """Return some of them."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row: `rowid` is None in tables without."""

    rowid: int | None
    values: tuple[Value, ...]


class Pages:
    """The pages of a database file, those of its write-ahead log in the place of older ones."""

    def __init__(self, file: Bytes, wal: Bytes = b"") -> None:
        self._file = file
        self._newer = committed_frames(wal)
        self.count = max(len(file) // PAGE_BYTES, max(self._newer, default=0))

    def page(self, number: int) -> bytes:
        """Return a page, empty when there is none."""
        return self._newer.get(number) or self._file[(number - 1) * PAGE_BYTES : number * PAGE_BYTES] if number > 0 else b""

    def records(self) -> Iterator[Record]:
        """Yield every record that can be read, in no particular order."""
        free = self._free()
        for number in range(1, self.count + 1):
            page = self.page(number)
            if number not in free and len(page) == PAGE_BYTES:
                yield from self._cells(page, 100 if number == 1 else 0)

    def _free(self) -> set[int]:
        free: set[int] = set()
        trunk = int.from_bytes(self.page(1)[32:36], "big")
        while 0 < trunk <= self.count and trunk not in free:
            free.add(trunk)
            page = self.page(trunk)
            count = min(int.from_bytes(page[4:8], "big"), (PAGE_BYTES - 8) // 4)
            free.update(struct.unpack(f">{count}I", page[8 : 8 + 4 * count]))
            trunk = int.from_bytes(page[:4], "big")
        return free

    def _cells(self, page: bytes, start: int) -> Iterator[Record]:
        kind = page[start]
        if kind not in (TABLE_LEAF, INDEX_LEAF, INDEX_INNER):
            return
        count = int.from_bytes(page[start + 3 : start + 5], "big")
        head = start + (12 if kind == INDEX_INNER else 8)
        for at in range(head, min(head + 2 * count, PAGE_BYTES - 1), 2):
            try:
                yield self._record(page, int.from_bytes(page[at : at + 2], "big"), kind)
            except (ValueError, IndexError, struct.error):
                continue

    def _record(self, page: bytes, at: int, kind: int) -> Record:
        at += 4 if kind == INDEX_INNER else 0
        size, at = _varint(page, at)
        rowid = None
        if kind == TABLE_LEAF:
            rowid, at = _varint(page, at)
        if size > _MAX_RECORD_BYTES:
            raise ValueError(size)
        most = PAGE_BYTES - 35 if kind == TABLE_LEAF else (PAGE_BYTES - 12) * 64 // 255 - 23
        if size <= most:
            payload = page[at : at + size]
        else:
            least = (PAGE_BYTES - 12) * 32 // 255 - 23
            local = least + (size - least) % (PAGE_BYTES - 4)
            local = local if local <= most else least
            payload = page[at : at + local] + self._rest(int.from_bytes(page[at + local : at + local + 4], "big"), size - local)
        if len(payload) != size:
            raise ValueError(size)
        return Record(rowid, _values(payload))

    def _rest(self, number: int, size: int) -> bytes:
        out = b""
        while len(out) < size and 0 < number <= self.count:
            page = self.page(number)
            number = int.from_bytes(page[:4], "big")
            out += page[4:]
        return out[:size]


def committed_frames(wal: Bytes) -> Mapping[int, bytes]:
    """Return the newest committed content of each page in a write-ahead log, as far as its checksums hold."""
    if len(wal) < _WAL_HEADER:
        return {}
    magic, _, page_bytes, _, salt_1, salt_2, first, second = struct.unpack(">8I", wal[:_WAL_HEADER])
    if magic & ~1 != 0x377F0682 or page_bytes != PAGE_BYTES:
        return {}
    order = ">" if magic & 1 else "<"
    sums = _summed((0, 0), wal[: _WAL_HEADER - 8], order)
    out: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    at = _WAL_HEADER
    while sums == (first, second) and at + _FRAME_HEADER + PAGE_BYTES <= len(wal):
        number, commit, one, two, first, second = struct.unpack(">6I", wal[at : at + _FRAME_HEADER])
        page = wal[at + _FRAME_HEADER : at + _FRAME_HEADER + PAGE_BYTES]
        sums = _summed(_summed(sums, wal[at : at + 8], order), page, order)
        if sums != (first, second) or (one, two) != (salt_1, salt_2):
            break
        pending[number] = page
        if commit:
            out |= pending
            pending = {}
        at += _FRAME_HEADER + PAGE_BYTES
    return out


def _summed(sums: tuple[int, int], data: bytes, order: str) -> tuple[int, int]:
    one, two = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for at in range(0, len(words), 2):
        one = (one + words[at] + two) & 0xFFFFFFFF
        two = (two + words[at + 1] + one) & 0xFFFFFFFF
    return one, two


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count in range(9):
        byte = data[at + count]
        if count == 8:
            value = value << 8 | byte
            break
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value - (1 << 64) if value >= 1 << 63 else value, at + count + 1


def _values(payload: bytes) -> tuple[Value, ...]:
    head, at = _varint(payload, 0)
    types = []
    while at < head:
        serial, at = _varint(payload, at)
        types.append(serial)
    if at != head:
        raise ValueError(head)
    out: list[Value] = []
    for serial in types:
        value, at = _value(payload, at, serial)
        out.append(value)
    if at != len(payload):
        raise ValueError(at)
    return tuple(out)


def _value(payload: bytes, at: int, serial: int) -> tuple[Value, int]:
    if serial == 0:
        return None, at
    if serial in (8, 9):
        return serial - 8, at
    if serial in _FIXED:
        size = _FIXED[serial]
        return int.from_bytes(payload[at : at + size], "big", signed=True), at + size
    if serial == 7:
        return struct.unpack(">d", payload[at : at + 8])[0], at + 8
    if serial < 12:
        raise ValueError(serial)
    size = (serial - 12) // 2
    raw = payload[at : at + size]
    return (raw.decode("utf-8") if serial & 1 else raw), at + size
