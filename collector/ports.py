"""What the collector's loops need from the outside, in the collector's own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.pure.frames import FUNCTION_CODE, BusFault, RegisterKind, Reply, Request
from collector.pure.sending import Held, Parcel
from driftwatt.errors import Unavailable
from driftwatt.readings import Row
from driftwatt.wire import EdgeAlarm, EdgeDeed, LedgerLine

__all__ = [
    "FUNCTION_CODE",
    "BusFault",
    "DeedBook",
    "Link",
    "MeterBus",
    "OpenLink",
    "OutboxFull",
    "OutboxReader",
    "OutboxStatus",
    "RegisterKind",
    "Reply",
    "Request",
    "RowSink",
    "RowStore",
]


class MeterBus(Protocol):
    """One physical line or gateway. At most one request is under way; it is never cancelled from outside.

    `shared` is true of lines whose replies do not say which request they answer: those need a sentinel. `wired` is true
    of a port of this machine: it tells by itself when it is gone, so that silence on it is never a lost link.
    """

    name: str
    shared: bool
    wired: bool

    async def open(self) -> None:
        """Connect. Raises Unavailable."""

    async def read(self, request: Request) -> Reply:
        """Return the raw reply. Raises BusFault."""

    async def close(self) -> None:
        """Disconnect; never raises."""


class RowSink(Protocol):
    """Where polled rows go to be committed."""

    async def accept(self, rows: Sequence[Row]) -> None:
        """Take the rows of one bus cycle in order. Waits while commits lag; never drops."""


class OutboxFull(Unavailable):
    """There is no room and the policy says to stop polling; nothing was written."""


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """How full the outbox is. `rows` wait to be acknowledged, `tail_rows` are kept for replay; `oldest_ms` is of the waiting ones.

    `hours_left` is how long an outage it survives at the present rate, None before the rate is known.
    """

    rows: int
    tail_rows: int
    bytes: int
    max_bytes: int
    oldest_ms: int | None
    hours_left: float | None
    alarms: tuple[EdgeAlarm, ...] = ()


class RowStore(Protocol):
    """The outbox as the committer sees it; see collector/adapters/outbox.py for the promises."""

    async def commit(self, rows: Sequence[Row]) -> None:
        """Sync rows to disk. Raises OutboxFull, Unavailable; nothing was written then."""

    def commit_failed(self, rows: Sequence[Row]) -> None:
        """Count rows that could not be committed."""


class OutboxReader(Protocol):
    """The outbox as the forwarder sees it; see collector/adapters/outbox.py for the promises."""

    def held(self) -> tuple[Held, ...]:
        """Return the epochs held, oldest first."""

    async def read(self, epoch: str, first: int, max_bytes: int) -> tuple[Parcel, ...]:
        """Return consecutive parcels from seq `first` on."""

    async def tail(self, epoch: str, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Return the first and last seq of the acknowledged rows of a stretch of time."""

    async def claim(self, epoch: str, upto: int) -> None:
        """Note durably that rows up to `upto` may have been sent."""

    async def settle(self, epoch: str, upto: int, by: str) -> None:
        """Move the plant's mark of an epoch."""

    async def prune(self, now_ms: int) -> None:
        """Delete acknowledged rows older than the tail."""

    async def ledger_lines(self, days: int = 7) -> tuple[LedgerLine, ...]:
        """Return the books."""

    def status(self) -> OutboxStatus:
        """Return how full it is."""


class DeedBook(Protocol):
    """The audit log of the edge (collector.adapters.deeds.Deeds)."""

    def note(self, what: str, detail: str) -> None:
        """Put something on record."""

    def newest(self) -> tuple[EdgeDeed, ...]:
        """Return what the plant is to be told of."""


class Link(Protocol):
    """A connection to the broker that comes back by itself (driftwatt.adapters.mqtt.MqttLink)."""

    @property
    def connected(self) -> bool:
        """True while the line is up."""

    def start(self) -> None:
        """Begin connecting."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Hand a message over; False when not connected."""

    def stop(self) -> None:
        """Disconnect."""


OpenLink = Callable[[Callable[[str, bytes], None], Callable[[bool], None]], Link]
"""Makes a Link from `on_message(topic, payload)` and `on_change(connected)`, both called in the network thread."""
