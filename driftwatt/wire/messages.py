"""The messages beside the data: acknowledgement, hello, state and books of an edge."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter

from driftwatt.errors import WireError
from driftwatt.names import ID_PATTERN
from driftwatt.wire.fields import (
    MAJOR,
    MAX_PAYLOAD_BYTES,
    Count,
    Epoch,
    Id,
    Millis,
    Number,
    Part,
    Reason,
    Seq,
    Words,
    check_major,
    dump,
    fields_of,
    first_line,
    refuse_constant,
)


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
class EdgeDeed:
    """Something that happened to an edge and belongs into an audit log: `clock_step`, `ack_refused`. `at_ms` is by its own clock."""

    at_ms: Millis
    what: Reason
    detail: Words


@dataclass(frozen=True, slots=True)
class EdgeState:
    """Whether an edge is online (false is its last will), what worries it, and its newest deeds. Retained."""

    edge: Id
    online: bool
    started_ms: Millis = 0
    hours_left: Number | None = None
    alarms: tuple[EdgeAlarm, ...] = ()
    deeds: tuple[EdgeDeed, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time `[from_ms, to_ms)`."""

    from_ms: Millis
    to_ms: Millis


@dataclass(frozen=True, slots=True)
class Control:
    """The only thing that a plant may ask of an edge: to send again what it keeps of a stretch of time."""

    replay: Span


_T = TypeVar("_T", Ack, Hello, EdgeState, EdgeLedger, Control)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # made at first use: one costs milliseconds, a message microseconds


def to_bytes(message: Ack | Hello | EdgeState | EdgeLedger | Control) -> bytes:
    """Return any other message of the wire as JSON."""
    return dump({"v": MAJOR, **fields_of(message)})


def from_bytes(kind: type[_T], payload: bytes) -> _T:
    """Return a message of the given kind. Unknown keys are ignored. Raises WireError, UnknownMajor."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("oversize", f"{len(payload)} bytes")
    try:
        raw = json.loads(payload, parse_constant=refuse_constant)
        if not isinstance(raw, dict):
            raise WireError("header", "not an object")
        check_major(raw.pop("v", None))
        if kind not in _ADAPTERS:
            _ADAPTERS[kind] = TypeAdapter(kind)
        message: _T = _ADAPTERS[kind].validate_python(raw)
        return message
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError("header", first_line(error)) from error


def read_control(payload: bytes) -> Control:
    """Return what a plant asks for; `v` may be missing. Raises WireError, UnknownMajor."""
    try:
        raw = json.loads(payload[:1024], parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WireError("header", first_line(error)) from error
    if not isinstance(raw, dict):
        raise WireError("header", "not an object")
    return from_bytes(Control, dump({"v": MAJOR} | raw))
