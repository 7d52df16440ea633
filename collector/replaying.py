"""Sends what is kept of the past again, on request: beside the live data, paced, one request at a time.

Only acknowledged rows are sent: the others are on their way anyway. The plant stores what it lacks and judges that stretch of
time again; its checkpoint and books do not move. Nothing here is kept over a restart: whoever asked asks again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from collector.ports import OutboxReader
from collector.pure.sending import Held, pack_replay
from driftwatt.errors import Refused
from driftwatt.wire import MAX_PAYLOAD_BYTES, Span

log = logging.getLogger(__name__)

PAUSE_S = 30.0
"""A plant may ask again this long after the last time at the earliest; a person at the edge at any time."""
STEP_BYTES = 2 * MAX_PAYLOAD_BYTES
"""So much leaves per turn of the forwarder (a tenth of a second): over a megabyte a second, and live data never waits for it."""


@dataclass(slots=True)
class Progress:
    """How far a replay is, in rows (seqs). `running` until all are sent."""

    from_ms: int = 0
    to_ms: int = 0
    sent: int = 0
    total: int = 0
    running: bool = False

    def told(self) -> dict[str, Any]:
        """Return it for a script."""
        return asdict(self)


class Replaying:
    """The one replay that may be under way."""

    def __init__(self, edge_id: str) -> None:
        self._edge = edge_id
        self.progress = Progress()
        self._asked_s = float("-inf")
        self._todo: list[tuple[str, int, int]] | None = None
        self.count = 0
        """Requests obeyed since the start."""

    @property
    def running(self) -> bool:
        """True while rows are still to be sent."""
        return self.progress.running

    def ask(self, span: Span, *, now_s: float, asked_by: str, limited: bool = True) -> Progress:
        """Begin to send a stretch of time again. Raises Refused while another one runs, soon after it, or for an empty one."""
        if self.running:
            raise Refused("a replay is under way")
        if span.from_ms >= span.to_ms:
            raise Refused("the stretch of time is empty")
        if limited and now_s - self._asked_s < PAUSE_S:
            raise Refused(f"the last replay was asked for less than {PAUSE_S:.0f} s ago")
        self._asked_s = now_s
        self.count += 1
        self._todo = None
        self.progress = Progress(span.from_ms, span.to_ms, running=True)
        log.info("replay of %d to %d, asked for by %s", span.from_ms, span.to_ms, asked_by)
        return self.progress

    async def step(self, outbox: OutboxReader, publish: Callable[[bytes], bool]) -> None:
        """Send a little more. A broker that goes away is met again at the same row. Raises Unavailable."""
        if not self.running:
            return
        held = outbox.held()
        if self._todo is None:
            self._todo = await self._found(outbox, held)
            self.progress.total = sum(last - first + 1 for _, first, last in self._todo)
        room = STEP_BYTES
        while self._todo and room > 0:
            room -= await self._send(outbox, held, publish, room)
        if not self._todo:
            self.progress.running = False
            log.info("replay done: %d rows sent again", self.progress.sent)

    async def _found(self, outbox: OutboxReader, held: tuple[Held, ...]) -> list[tuple[str, int, int]]:
        spans = [(each.epoch, *await outbox.tail(each.epoch, self.progress.from_ms, self.progress.to_ms)) for each in held if each.top]
        return [(epoch, first, last) for epoch, first, last in spans if first <= last]

    async def _send(self, outbox: OutboxReader, held: tuple[Held, ...], publish: Callable[[bytes], bool], room: int) -> int:
        """Send some rows of the first epoch of the list; returns how many bytes that were, `room` when the line is down."""
        assert self._todo
        epoch, first, last = self._todo[0]
        base = next((each.base for each in held if each.epoch == epoch), last + 1)
        parcels = [parcel for parcel in await outbox.read(epoch, max(first, base), room) if parcel.seq <= last] if base <= last else []
        size = 0
        for upto, message in pack_replay(self._edge, epoch, base, parcels):
            if not publish(message):
                return room
            size += len(message)
            self._reached(epoch, upto, last)
        if not parcels:
            self._reached(epoch, last, last)
        return size

    def _reached(self, epoch: str, upto: int, last: int) -> None:
        assert self._todo
        self.progress.sent += min(upto, last) - self._todo[0][1] + 1
        if upto >= last:
            self._todo.pop(0)
        else:
            self._todo[0] = epoch, upto + 1, last
