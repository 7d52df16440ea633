"""The wire, version 1: how rows and messages become bytes and back. The layout is told in docs/wire.md.

Encoding is exact: the bytes of a row are made once, at commit, and are what the CRC of the message covers.
Decoding trusts nothing: sizes, depth, names and numbers are checked before a value is taken.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from driftwatt.errors import UnknownMajor, WireError
from driftwatt.names import ID_PATTERN
from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Batch, FailedPoll, Reading, Removed, Row

MAJOR = 1
MAX_PAYLOAD_BYTES = 64 * 1024
MAX_ROWS = 1000
MAX_SEQS = 1_000_000
"""No message stands for more rows than this, removed ones included."""
_MAX_MS = 4_102_444_800_000  # 2100-01-01; a later timestamp is a broken clock, not a reading
_READINGS_KEY = b',"readings":'

Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
Epoch = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Millis = Annotated[int, Field(ge=0, le=_MAX_MS, strict=True)]
Seq = Annotated[int, Field(ge=0, lt=2**62, strict=True)]
Count = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
Reason = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
Part = Annotated[int, Field(ge=1, le=1000, strict=True)]
Words = Annotated[str, Field(max_length=500)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Bits = Annotated[int, Field(ge=0, lt=1024, strict=True)]


class _Row(TypedDict, total=False):
    m: Id
    t: Millis
    d: Annotated[int, Field(ge=0, le=3_600_000, strict=True)]
    c: Literal["ok", "unsynced", "uncertain"]
    s: dict[str, Number]
    q: dict[str, Bits]
    f: Reason
    x: Literal["thinned", "corrupt"]
    k: Annotated[int, Field(ge=1, le=MAX_SEQS, strict=True)]


class _Header(TypedDict, total=False):
    v: int
    edge: Id
    epoch: Epoch
    base: Seq
    seq: Seq
    n: Annotated[int, Field(ge=1, le=MAX_SEQS, strict=True)]
    crc: Annotated[int, Field(ge=0, lt=2**32, strict=True)]
    replay: bool


@dataclass(frozen=True, slots=True)
class Ack:
    """Everything of `epoch` up to and including `upto` is stored at the plant. `by` names the processor's life."""

    edge: Id
    epoch: Epoch
    upto: Seq
    by: Annotated[str, Field(max_length=64)]


@dataclass(frozen=True, slots=True)
class EpochSpan:
    """One epoch that an edge still holds: its oldest seq held and the newest seq it ever wrote."""

    epoch: Epoch
    base: Seq
    top: Seq


@dataclass(frozen=True, slots=True)
class CounterFacts:
    """What the plant must know of a counter register: its modulus and resolution in canonical units."""

    modulus_wh: Number | None = None
    resolution_wh: Number | None = None
    secondary: bool = False


@dataclass(frozen=True, slots=True)
class HelloMeter:
    """One meter as its edge sees it."""

    id: Id
    bus: Words
    profile: Words
    profile_hash: Words
    every_ms: Count
    serial: Words | None = None
    counters: dict[Words, CounterFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hello:
    """An edge introduces itself: what it holds and what it measures. Retained."""

    edge: Id
    version: Words
    started_ms: Millis
    config: Words
    clock: Words
    epochs: tuple[EpochSpan, ...]
    meters: tuple[HelloMeter, ...]
    part: Part = 1
    parts: Part = 1


@dataclass(frozen=True, slots=True)
class EdgeAlarm:
    """One alarm of an edge; `code` is from driftwatt.alerts.ALARM_CODES."""

    code: Reason
    since_ms: Millis
    text: Words


@dataclass(frozen=True, slots=True)
class EdgeState:
    """Whether an edge is online (false is its last will), and what worries it. Retained."""

    edge: Id
    online: bool
    started_ms: Millis = 0
    hours_left: Number | None = None
    alarms: tuple[EdgeAlarm, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """The books of one meter and UTC day, as absolute counters."""

    meter: Annotated[str, Field(pattern=f"^({ID_PATTERN}|-)$")]
    day: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    polled: Count = 0
    failed: dict[Reason, Count] = field(default_factory=dict)
    committed: Count = 0
    stored: Count = 0
    waiting: Count = 0
    dropped: dict[Reason, Count] = field(default_factory=dict)
    thinned: Count = 0
    quarantined: Count = 0


@dataclass(frozen=True, slots=True)
class EdgeLedger:
    """The edge's books of the last seven days. Retained."""

    edge: Id
    lines: tuple[LedgerLine, ...]


_T = TypeVar("_T", Ack, Hello, EdgeState, EdgeLedger)

_ROWS: TypeAdapter[list[_Row]] = TypeAdapter(list[_Row])
_ROW: TypeAdapter[_Row] = TypeAdapter(_Row)
_HEADER: TypeAdapter[_Header] = TypeAdapter(_Header)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # made at first use: one costs milliseconds, a message microseconds


def row_bytes(row: Row) -> bytes:
    """Return the JSON of one row. The outbox keeps exactly these bytes. That of a reading is made once."""
    if not isinstance(row, Reading):
        return _dump(_row_object(row))
    if row.encoded is None:
        object.__setattr__(row, "encoded", _dump(_row_object(row)))
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
    payload = _dump(header)[:-1] + _READINGS_KEY + readings + b"}"
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("oversize", f"{len(payload)} bytes")
    return payload


MESSAGE_OVERHEAD_BYTES = 400
"""More than the header of any message needs, so that rows of MAX_PAYLOAD_BYTES − this always fit."""


def read_message(payload: bytes) -> Batch:
    """Return the batch in a data message.

    Rows that cannot be read are returned in `Batch.bad`, the good ones beside them. Raises WireError with
    reason `oversize`, `header` (nothing usable), `damaged` (crc wrong: ask again) or UnknownMajor (hold).
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("oversize", f"{len(payload)} bytes")
    cut = payload.find(_READINGS_KEY)
    if cut < 0 or not payload.endswith(b"}"):
        _raise_header(payload, "no readings")
    header = _header(payload[:cut] + b"}")
    body = payload[cut + len(_READINGS_KEY) : -1]
    if zlib.crc32(body) != header["crc"]:
        raise WireError("damaged", f"crc of rows {header['seq']}…")
    rows, bad = _rows(body, header["seq"])
    covered = sum(row.count if isinstance(row, Removed) else 1 for _, row in rows) + len(bad)
    if covered != header["n"]:
        raise WireError("header", f"n is {header['n']}, rows are {covered}")
    return Batch(header["edge"], header["epoch"], header["base"], header["seq"], header["n"], rows, bad, header.get("replay", False))


def read_header(payload: bytes) -> Batch:
    """Return a data message without its rows, for one whose rows cannot be read. Raises WireError `header`, UnknownMajor."""
    cut = payload.find(_READINGS_KEY)
    if cut < 0 or len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("header", "no readings")
    header = _header(payload[:cut] + b"}")
    return Batch(header["edge"], header["epoch"], header["base"], header["seq"], header["n"], (), replay=header.get("replay", False))


def live_bytes(edge: str, rows: list[bytes]) -> bytes:
    """Return a live message: newest rows, never counted, never stored."""
    return _dump({"v": MAJOR, "edge": edge})[:-1] + _READINGS_KEY + b"[" + b",".join(rows) + b"]}"


def read_live(payload: bytes) -> tuple[Reading | FailedPoll, ...]:
    """Return the rows of a live message; bad ones are left out. Raises WireError when nothing can be read."""
    cut = payload.find(_READINGS_KEY)
    if cut < 0 or len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("header", "no readings")
    rows, _ = _rows(payload[cut + len(_READINGS_KEY) : -1], 1)
    return tuple(row for _, row in rows if not isinstance(row, Removed))


def read_row(raw: bytes) -> Row:
    """Return the row in its JSON. Raises WireError `row`."""
    try:
        return _row(_ROW.validate_json(raw))
    except (ValidationError, RecursionError) as error:
        raise WireError("row", _first_line(error)) from error


def to_bytes(message: Ack | Hello | EdgeState | EdgeLedger) -> bytes:
    """Return any other message of the wire as JSON."""
    return _dump({"v": MAJOR, **_fields(message)})


def from_bytes(kind: type[_T], payload: bytes) -> _T:
    """Return a message of the given kind. Unknown keys are ignored. Raises WireError, UnknownMajor."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("oversize", f"{len(payload)} bytes")
    try:
        raw = json.loads(payload, parse_constant=_refuse_constant)
        if not isinstance(raw, dict):
            raise WireError("header", "not an object")
        _check_major(raw.pop("v", None))
        if kind not in _ADAPTERS:
            _ADAPTERS[kind] = TypeAdapter(kind)
        message: _T = _ADAPTERS[kind].validate_python(raw)
        return message
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError("header", _first_line(error)) from error


def _fields(message: Any) -> dict[str, Any]:
    """Return the fields of a message, not their copies: `asdict` of a book of 500 meters takes longer than its JSON."""
    return {name: getattr(message, name) for name in message.__dataclass_fields__}


_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_fields).encode


def _dump(value: object) -> bytes:
    return _ENCODE(value).encode()


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


def _row(raw: _Row) -> Row:
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


def _rows(body: bytes, seq: int) -> tuple[tuple[tuple[int, Row], ...], tuple[tuple[int, str, str], ...]]:
    try:
        whole = _ROWS.validate_json(body)
        if len(whole) > MAX_ROWS:
            raise WireError("header", f"{len(whole)} rows")
        rows, at = [], seq
        for raw in whole:
            row = _row(raw)
            rows.append((at, row))
            at += row.count if isinstance(row, Removed) else 1
        return tuple(rows), ()
    except (ValidationError, WireError, RecursionError):
        return _rows_one_by_one(body, seq)


def _rows_one_by_one(body: bytes, seq: int) -> tuple[tuple[tuple[int, Row], ...], tuple[tuple[int, str, str], ...]]:
    try:
        whole = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError("header", _first_line(error)) from error
    if not isinstance(whole, list) or len(whole) > MAX_ROWS:
        raise WireError("header", "readings is not a list of at most 1000 rows")
    rows: list[tuple[int, Row]] = []
    bad: list[tuple[int, str, str]] = []
    at = seq
    for raw in whole:
        try:
            row = _row(_ROW.validate_python(raw))
        except (ValidationError, WireError) as error:
            bad.append((at, _first_line(error), json.dumps(raw)[:4096]))
            at += 1
            continue
        rows.append((at, row))
        at += row.count if isinstance(row, Removed) else 1
    return tuple(rows), tuple(bad)


def _header(raw: bytes) -> _Header:
    try:
        loose = json.loads(raw, parse_constant=_refuse_constant)
        _check_major(loose.get("v") if isinstance(loose, dict) else None)
        header = _HEADER.validate_python(loose)
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError("header", _first_line(error)) from error
    missing = [key for key in ("edge", "epoch", "base", "seq", "n", "crc") if key not in header]
    if missing:
        raise WireError("header", f"missing {', '.join(missing)}")
    return header


def _raise_header(payload: bytes, detail: str) -> None:
    try:
        loose = json.loads(payload)
    except (ValueError, RecursionError, MemoryError):
        raise WireError("header", detail) from None
    _check_major(loose.get("v") if isinstance(loose, dict) else None)
    raise WireError("header", detail)


def _check_major(found: object) -> None:
    number = found if isinstance(found, int) and not isinstance(found, bool) else 0
    if number > MAJOR:
        raise UnknownMajor("major", f"version {str(number)[:40]}, this is {MAJOR}")
    if number != MAJOR:
        raise WireError("header", f"version {str(found)[:40]!r}")


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
