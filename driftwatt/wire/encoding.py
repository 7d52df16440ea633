"""Rows and data messages to bytes. Exact: the bytes of a row are made once and are what the checksum covers."""

from __future__ import annotations

import zlib
from typing import Any

from driftwatt.errors import WireError
from driftwatt.readings import FailedPoll, Reading, Removed, Row
from driftwatt.wire.fields import MAJOR, MAX_PAYLOAD_BYTES, READINGS_KEY, dump


def row_bytes(row: Row) -> bytes:
    """Return the JSON of one row. The outbox keeps exactly these bytes. That of a reading is made once."""
    if not isinstance(row, Reading):
        return dump(_row_object(row))
    if row.encoded is None:
        object.__setattr__(row, "encoded", dump(_row_object(row)))
    assert row.encoded is not None
    return row.encoded


def message_bytes(edge: str, epoch: str, base: int, seq: int, rows: list[bytes], *, n: int | None = None, replay: bool = False) -> bytes:
    """Return a data message for consecutive rows starting at `seq`. `n` counts seqs (default: one per row).

    Raises WireError when it is over MAX_PAYLOAD_BYTES; the caller splits by `message_overhead`.
    """
    readings = b"[" + b",".join(rows) + b"]"
    header: dict[str, Any] = {"v": MAJOR, "edge": edge, "epoch": epoch, "base": base, "seq": seq, "n": len(rows) if n is None else n}
    if replay:
        header["replay"] = True
    header["crc"] = zlib.crc32(readings)
    payload = dump(header)[:-1] + READINGS_KEY + readings + b"}"
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("oversize", f"{len(payload)} bytes")
    return payload


MESSAGE_OVERHEAD_BYTES = 400
"""More than the header of any message needs, so that rows of MAX_PAYLOAD_BYTES − this always fit."""


def live_bytes(edge: str, rows: list[bytes]) -> bytes:
    """Return a live message: newest rows, never counted, never stored."""
    return dump({"v": MAJOR, "edge": edge})[:-1] + READINGS_KEY + b"[" + b",".join(rows) + b"]}"


def _row_object(row: Row) -> dict[str, Any]:
    if isinstance(row, Removed):
        return {"x": row.why, "k": row.count}
    out: dict[str, Any] = {"m": row.meter, "t": row.t_ms, "d": row.duration_ms, "c": row.clock}
    if isinstance(row, FailedPoll):
        out["f"] = row.reason
        return out
    out["s"] = row.values if isinstance(row.values, dict) else dict(row.values)
    if row.doubt:
        out["q"] = {quantity: int(bits) for quantity, bits in row.doubt.items()}
    return out
