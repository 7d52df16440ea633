"""What is known of the plant at one instant, and what a person may answer: shapes between pipeline and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from driftwatt.readings import Reading
from processors.pure.outputs import Advice, Readiness

AnswerWord = Literal["ack", "undo", "shelve", "unshelve", "comment", "dismiss", "fixed"]


@dataclass(frozen=True, slots=True)
class MeterNow:
    """The newest that is known of one listed meter.

    `reading` is the newest reading as the meter said it (before CT/PT ratio and sign), None before the first.
    `every_ms` is how often its edge asks it (from the hello; None when unknown). `failing_since_ms` is the
    time of the first failed poll since the last good one, None while it answers; `fail_reason` its word.
    """

    meter: str
    reading: Reading | None = None
    every_ms: int | None = None
    failing_since_ms: int | None = None
    fail_reason: str = ""
    bus: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True)
class EdgeNow:
    """The newest that is known of one edge. `since_ms` is when `online` last changed, `last_ms` its last message."""

    edge: str
    online: bool
    since_ms: int
    last_ms: int
    hours_left: float | None = None
    clock: str = "ok"
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """The past being filled in. `history`: imported from a file; `catch_up`: rows older than now are arriving.

    `done` and `total` count the same thing (rows, or milliseconds of history); total 0 means unknown.
    """

    phase: Literal["history", "catch_up"]
    done: int
    total: int
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything live at one instant. Mappings are keyed by meter or edge id; `unlisted` are meters not in plant.toml."""

    meters: Mapping[str, MeterNow]
    edges: Mapping[str, EdgeNow]
    progress: Progress | None = None
    readiness: Mapping[str, Readiness] = field(default_factory=dict)
    advice: Sequence[Advice] = ()
    unlisted: Sequence[Reading] = ()
    broker: str = ""
    broker_connected: bool = True
    store_ok: bool = True
    store_lag_s: float = 0.0
    started_ms: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said about an alert. `until_ms` belongs to `shelve`, `repaired_ms` to `fixed`; `undo` takes the last `ack` back."""

    alert: str
    what: AnswerWord
    by: str
    at_ms: int
    reason: str = ""
    note: str = ""
    until_ms: int | None = None
    repaired_ms: int | None = None
