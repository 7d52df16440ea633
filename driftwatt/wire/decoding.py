"""Bytes back to rows. Trusts nothing: sizes, depth, names and numbers are checked before a value is taken."""

from __future__ import annotations

import json
import zlib
from functools import cache
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from driftwatt.errors import WireError
from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Batch, FailedPoll, Reading, Removed, Row
from driftwatt.wire.fields import (
    MAX_PAYLOAD_BYTES,
    MAX_ROWS,
    MAX_SEQS,
    READINGS_KEY,
    Epoch,
    Id,
    Seq,
    check_major,
    first_line,
    refuse_constant,
)
from driftwatt.wire.rows import RawRow, any_row, row_list


class _Header(TypedDict, total=False):
    v: int
    edge: Id
    epoch: Epoch
    base: Seq
    seq: Seq
    n: Annotated[int, Field(ge=1, le=MAX_SEQS, strict=True)]
    crc: Annotated[int, Field(ge=0, lt=2**32, strict=True)]
    replay: bool


@cache
def _header_check() -> TypeAdapter[_Header]:
    return TypeAdapter(_Header)


_ONLY_READINGS = frozenset((Reading,))
_Rows = tuple[tuple[tuple[int, Row], ...], tuple[tuple[int, str, str], ...], int]


def read_message(payload: bytes) -> Batch:
    """Return the batch in a data message.

    Rows that cannot be read are returned in `Batch.bad`, the good ones beside them. Raises WireError with
    reason `oversize`, `header` (nothing usable), `damaged` (crc wrong: ask again) or UnknownMajor (hold).
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("oversize", f"{len(payload)} bytes")
    cut = payload.find(READINGS_KEY)
    if cut < 0 or not payload.endswith(b"}"):
        _raise_header(payload, "no readings")
    header = _header(payload[:cut] + b"}")
    body = payload[cut + len(READINGS_KEY) : -1]
    if zlib.crc32(body) != header["crc"]:
        raise WireError("damaged", f"crc of rows {header['seq']}…")
    rows, bad, covered = _rows(body, header["seq"])
    if covered != header["n"]:
        raise WireError("header", f"n is {header['n']}, rows are {covered}")
    return Batch(header["edge"], header["epoch"], header["base"], header["seq"], header["n"], rows, bad, header.get("replay", False))


def read_header(payload: bytes) -> Batch:
    """Return a data message without its rows, for one whose rows cannot be read. Raises WireError `header`, UnknownMajor."""
    cut = payload.find(READINGS_KEY)
    if cut < 0 or len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("header", "no readings")
    header = _header(payload[:cut] + b"}")
    return Batch(header["edge"], header["epoch"], header["base"], header["seq"], header["n"], (), replay=header.get("replay", False))


def read_live(payload: bytes) -> tuple[Reading | FailedPoll, ...]:
    """Return the rows of a live message; bad ones are left out. Raises WireError when nothing can be read."""
    cut = payload.find(READINGS_KEY)
    if cut < 0 or len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("header", "no readings")
    rows, _, _ = _rows(payload[cut + len(READINGS_KEY) : -1], 1)
    return tuple(row for _, row in rows if not isinstance(row, Removed))


def read_row(raw: bytes) -> Row:
    """Return the row in its JSON. Raises WireError `row`."""
    try:
        return _row(any_row().validate_json(raw))
    except (ValidationError, RecursionError) as error:
        raise WireError("row", first_line(error)) from error


def _row(raw: RawRow) -> Row:
    if "x" in raw:
        return Removed(raw["x"], raw.get("k", 1))
    if "m" not in raw or "t" not in raw or not ("s" in raw) ^ ("f" in raw):
        raise WireError("row", "needs m, t and one of s, f")
    duration, clock = raw.get("d", 0), raw.get("c", "ok")
    if "f" in raw:
        return FailedPoll(raw["m"], raw["t"], raw["f"], duration, clock)
    doubt = raw.get("q", {})
    for quantity in (*raw["s"], *doubt):
        if quantity not in QUANTITIES:
            raise WireError("row", f"unknown quantity {quantity[:40]!r}")
    return Reading(raw["m"], raw["t"], raw["s"], doubt, duration, clock)


def _rows(body: bytes, seq: int) -> _Rows:
    """Return rows with their seqs, rows that cannot be read, and how many seqs both stand for."""
    try:
        whole = row_list().validate_json(body)
        if len(whole) > MAX_ROWS:
            raise WireError("header", f"{len(whole)} rows")
        if _ONLY_READINGS.issuperset(map(type, whole)):
            return tuple(enumerate(whole, seq)), (), len(whole)
        rows, at = [], seq
        for raw in whole:
            row = raw if type(raw) is Reading else _row(raw)
            rows.append((at, row))
            at += row.count if isinstance(row, Removed) else 1
        return tuple(rows), (), at - seq
    except (ValidationError, WireError, RecursionError):
        return _rows_one_by_one(body, seq)


def _rows_one_by_one(body: bytes, seq: int) -> _Rows:
    try:
        whole = json.loads(body, parse_constant=refuse_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError("header", first_line(error)) from error
    if not isinstance(whole, list) or len(whole) > MAX_ROWS:
        raise WireError("header", "readings is not a list of at most 1000 rows")
    rows: list[tuple[int, Row]] = []
    bad: list[tuple[int, str, str]] = []
    at = seq
    for raw in whole:
        try:
            row = _row(any_row().validate_python(raw))
        except (ValidationError, WireError) as error:
            bad.append((at, first_line(error), json.dumps(raw)[:4096]))
            at += 1
            continue
        rows.append((at, row))
        at += row.count if isinstance(row, Removed) else 1
    return tuple(rows), tuple(bad), at - seq


def _header(raw: bytes) -> _Header:
    try:
        loose = json.loads(raw, parse_constant=refuse_constant)
        check_major(loose.get("v") if isinstance(loose, dict) else None)
        header = _header_check().validate_python(loose)
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError("header", first_line(error)) from error
    missing = [key for key in ("edge", "epoch", "base", "seq", "n", "crc") if key not in header]
    if missing:
        raise WireError("header", f"missing {', '.join(missing)}")
    return header


def _raise_header(payload: bytes, detail: str) -> None:
    try:
        loose = json.loads(payload)
    except (ValueError, RecursionError, MemoryError):
        raise WireError("header", detail) from None
    check_major(loose.get("v") if isinstance(loose, dict) else None)
    raise WireError("header", detail)
