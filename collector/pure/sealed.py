"""A row as the outbox keeps it: its JSON, and a checksum from the commit on, so that any bit that flips on flash shows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from collector.pure.sending import Parcel
from driftwatt.readings import FailedPoll, Reading, Removed
from driftwatt.wire import MAX_PAYLOAD_BYTES, MAX_ROWS, MESSAGE_OVERHEAD_BYTES, row_bytes

_SEAL = struct.Struct("<qqqq")


def seal(key: int, meter: int, t_ms: int, kind: int, body: bytes) -> int:
    """Return the checksum of a row."""
    return zlib.crc32(body, zlib.crc32(_SEAL.pack(key, meter, t_ms, kind)))


def sound(row: tuple[int, int, int, int, bytes], crc: int) -> bool:
    """Tell whether a row is what was written; its numbers may be anything."""
    try:
        return seal(*row) == crc
    except (struct.error, TypeError):  # a flipped bit can make a number a text, or nothing
        return False


def judged(row: Reading | FailedPoll) -> tuple[str | None, bytes]:
    """Return why a row counts as failed (None: it does not) and its bytes. What cannot travel must never get in."""
    try:
        body = row_bytes(row)
        reason = row.reason if isinstance(row, FailedPoll) else None
        if len(body) <= MAX_PAYLOAD_BYTES - MESSAGE_OVERHEAD_BYTES:
            return reason, body
        reason = "oversize"
    except ValueError:
        reason = "not_finite"
    return reason, row_bytes(FailedPoll(row.meter, row.t_ms, reason, row.duration_ms, row.clock))


def hole(first: int, count: int) -> Iterator[Parcel]:
    """Yield parcels that say that rows were thinned."""
    while count > 0:
        part = min(count, MAX_ROWS)
        yield Parcel(first, part, row_bytes(Removed("thinned", part)))
        first, count = first + part, count - part
