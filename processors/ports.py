"""What the processor's loops need from the outside, in the processor's own words."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from driftwatt.alerts import Alert
from driftwatt.readings import Reading
from processors.pure.board import Answer
from processors.pure.commit import Aside, Commit, Deed, Kept
from processors.pure.interval_columns import EnergyColumns
from processors.pure.maintenance import Maintenance
from processors.pure.outputs import DriverHour, ExpectedPower, IntervalEnergy
from processors.pure.past import Move, Snapshot


class SeriesStore(Protocol):
    """Where time series stay. Writes are idempotent: the same point twice is one point.

    Every write raises Unavailable (try again later), Refused (nobody will ever take this) or PartialWrite
    (all but the named points are stored). Writes block and run in a worker thread.
    """

    def write_readings(self, readings: Sequence[Reading]) -> None:
        """Store readings as the meter said them."""

    def write_intervals(self, intervals: Sequence[IntervalEnergy]) -> None:
        """Store closed intervals; a revision is a point of its own."""

    def write_expected(self, points: Sequence[ExpectedPower]) -> None:
        """Store what should have been drawn."""

    def write_drivers(self, hours: Sequence[DriverHour]) -> None:
        """Store what drove the use; the first of an hour stays."""

    def write_events(self, alerts: Sequence[Alert]) -> None:
        """Store the state of alerts that changed."""

    def readings(self, meter: str, quantity: str, from_ms: int, to_ms: int) -> list[tuple[int, float, int]]:
        """Return (t_ms, value, quality) in `[from_ms, to_ms)`, ascending. Raises Unavailable."""

    def whole_readings(self, meter: str, from_ms: int, to_ms: int, limit: int) -> list[Reading]:
        """Return the first `limit` readings in `[from_ms, to_ms)`, ascending, as they were written.

        Only `duration_ms` is lost, and which doubt a clock was in that is not `ok`. Raises Unavailable.
        """

    def intervals(self, kind: str, meter: str, from_ms: int, to_ms: int) -> list[IntervalEnergy]:
        """Return the newest revision of each interval that starts in `[from_ms, to_ms)`, ascending."""

    def energy(self, kind: str, meters: Collection[str], from_ms: int, to_ms: int) -> Mapping[str, EnergyColumns]:
        """Return of each meter the energy of the newest revision of each interval that starts in `[from_ms, to_ms)`.

        What reports and charts sum: hundreds of meters in one call, no object per interval. Raises Unavailable.
        """

    def expected(self, meter: str, from_ms: int, to_ms: int) -> list[ExpectedPower]:
        """Return expected power for quarter-hours that start in `[from_ms, to_ms)`, ascending."""

    def close(self) -> None:
        """Release the store; never raises."""


@dataclass(frozen=True, slots=True)
class Journaled:
    """An answer of a person as the journal keeps it. `number` rises."""

    number: int
    answer: Answer


class StateFile(Protocol):
    """Where checkpoint, derived state, books and journal stay. Calls block and run in a worker thread."""

    def load(self) -> Kept:
        """Return what was committed. Raises Unavailable."""

    def commit(self, change: Commit) -> None:
        """Make all of it true in one synced transaction, or nothing. Raises Unavailable."""

    def journal(self, answer: Answer) -> int:
        """Keep an answer for ever, synced; returns its number. Raises Unavailable."""

    def plan(self, window: Maintenance) -> None:
        """Keep a maintenance window as it is now for ever, synced, and who set or ended it. Raises Unavailable."""

    def audit(self, deed: Deed) -> None:
        """Keep what somebody did, synced; what an edge tells again is there already, the oldest leave after many.

        Answers are kept by `journal`. Raises Unavailable.
        """

    def journaled(self, after: int) -> list[Journaled]:
        """Return the answers with a number above `after`, in order."""

    def snapshot(self, meter: str, before_ms: int) -> Snapshot | None:
        """Return the newest snapshot of a meter before an instant, None when there is none. Raises Unavailable."""

    def first_snapshot(self, meter: str, from_ms: int = -1) -> Snapshot | None:
        """Return the oldest snapshot of a meter from an instant on, None when there is none. Raises Unavailable."""

    def moves(self, meter: str, after: int) -> list[Move]:
        """Return the moves of a meter with a number above `after`, in order. Raises Unavailable."""

    def forget_past(self, before_ms: int) -> None:
        """Remove snapshots whose readings are no longer kept, all but the newest of each meter, and moves that none needs."""

    def newest_aside(self) -> int:
        """Return the highest number in the quarantine, 0 when nothing is set aside. Raises Unavailable."""

    def aside(self, after: int, limit: int) -> list[Aside]:
        """Return at most `limit` rows of the quarantine with a number above `after`, in order. Raises Unavailable."""


class Link(Protocol):
    """The connection to the broker as the pipeline uses it."""

    @property
    def connected(self) -> bool:
        """True while the broker has accepted us."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Hand over a message; False when not connected, nothing is queued then."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the broker."""

    topic: str
    payload: bytes


class Mail(Protocol):
    """Where messages wait, in two lanes; see processors.adapters.inbox."""

    counted_waiting: asyncio.Event
    shown_waiting: asyncio.Event

    def counted(self, max_bytes: int) -> list[Message]:
        """Return the oldest messages that have to be taken in order."""

    def shown(self) -> list[Message]:
        """Return the messages that only matter while they are new."""
