"""What the pages ask of the plant: numbers only, in UTC milliseconds, W, Wh and the tariff's currency.

The top half is what the view needs from the pipeline, in the view's own words; the pipeline provides it.
No HTML, no language, no formatting lives here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from driftwatt.alerts import Alert
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


class LiveBoard(Protocol):
    """The newest state of the plant, kept by the pipeline. Every method is called from the event loop."""

    def snapshot(self) -> Snapshot:
        """Return what is known now. Cheap; the result never changes afterwards."""

    def subscribe(self) -> asyncio.Queue[str]:
        """Return a bounded queue that receives a word whenever something changed, at most 4 times a second.

        Words: `meters`, `edges`, `alerts`, `progress`. A full queue drops words (the reader reads a whole snapshot).
        """

    def unsubscribe(self, queue: asyncio.Queue[str]) -> None:
        """Take a queue back; unknown queues are ignored."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said about an alert. `until_ms` belongs to `shelve`; `undo` takes the last `ack` back."""

    alert: str
    what: AnswerWord
    by: str
    at_ms: int
    reason: str = ""
    note: str = ""
    until_ms: int | None = None


class AlertBook(Protocol):
    """All alerts, and the way in for people's answers."""

    def alerts(self) -> Sequence[Alert]:
        """Return every alert that is kept, open or closed, in any order."""

    async def answer(self, answer: Answer) -> Alert:
        """Journal the answer durably, apply it and return the alert as it is now.

        Raises KeyError for an unknown alert, Refused with a sentence when the rules do not allow it
        (somebody else was first, the ten seconds of `undo` are over, shelved for longer than 7 days).
        """
