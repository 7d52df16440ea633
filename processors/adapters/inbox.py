"""What the broker sends waits here: bounded, filled by the network thread, emptied by the event loop.

Two lanes. *Counted* messages (data, hello, ledger) keep their order per edge; when the lane is full a message is let go,
which loses nothing because it was not acknowledged. Edges are served in turn, and one alone may fill only a part of the
lane, so that a mad one does not delay the others; those that the plant file does not name share one turn. *Shown*
messages (live, state) only matter while they are new: when their lane is full the oldest leaves. In either lane an edge
may come only so often; an honest one never does.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Collection

from driftwatt.errors import WireError
from driftwatt.topics import parse
from processors.ports import Message
from processors.pure.bucket import Bucket

MAX_BYTES = 16 * 1024 * 1024
MAX_MESSAGES = 2000
EDGE_BYTES, EDGE_MESSAGES = 4 * 1024 * 1024, 800
"""What one edge may have waiting: twice of what an honest one has under way."""
AT_A_TIME = 32
"""Messages of one edge that are handed over together, 2 MiB of full ones: many small and costly ones would hold up the others."""
MAX_SHOWN = 400
EDGE_PER_S, EDGE_AT_ONCE = 50.0, 800.0
"""Messages of one edge in one lane. An honest one has 400 under way; 50 of 64 KiB a second are more than we can take."""
MAX_BUCKETS = 1024
STRANGERS = ""
SHOWN = frozenset({"live", "state"})


class Inbox:
    """Hands messages from one foreign thread to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, named: Collection[str] = ()) -> None:
        self._loop = loop
        self.named = named
        self._lock = threading.Lock()
        self._counted: dict[str, deque[Message]] = {}
        self._edge_bytes: dict[str, int] = {}
        self._count = 0
        self._buckets: dict[tuple[str, bool], Bucket] = {}
        self._shown: deque[Message] = deque(maxlen=MAX_SHOWN)
        self.bytes = 0
        self.let_go = 0
        self.counted_waiting = asyncio.Event()
        self.shown_waiting = asyncio.Event()

    def put(self, topic: str, payload: bytes) -> None:
        """Take a message; called in the network thread. Never blocks."""
        edge, kind = _parsed(topic)
        event = self.shown_waiting if kind in SHOWN else self.counted_waiting
        turn = edge if not self.named or edge in self.named else STRANGERS
        with self._lock:
            if not self._in_time(turn, shown=kind in SHOWN):
                self.let_go += 1
                return
            if event is self.shown_waiting:
                self._shown.append(Message(topic, payload))
            elif not self._room(turn, len(payload)):
                self.let_go += 1
                return
            else:
                self._counted.setdefault(turn, deque()).append(Message(topic, payload))
                self._edge_bytes[turn] = self._edge_bytes.get(turn, 0) + len(payload)
                self._count += 1
                self.bytes += len(payload)
        if not event.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(event.set)

    def _in_time(self, turn: str, *, shown: bool) -> bool:
        now_s = self._loop.time()
        if len(self._buckets) >= MAX_BUCKETS:  # a full one says as much as none
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket.level(now_s) < EDGE_AT_ONCE}
        bucket = self._buckets.get((turn, shown))
        if bucket is None:
            bucket = self._buckets[turn, shown] = Bucket(EDGE_PER_S, EDGE_AT_ONCE)
        return bucket.take(now_s)

    def _room(self, turn: str, size: int) -> bool:
        if self.bytes + size > MAX_BYTES or self._count >= MAX_MESSAGES:
            return False
        waiting = self._counted.get(turn)
        return waiting is None or (self._edge_bytes[turn] + size <= EDGE_BYTES and len(waiting) < EDGE_MESSAGES)

    def counted(self, max_bytes: int) -> list[Message]:
        """Return the oldest counted messages of each edge in turn, AT_A_TIME of each and `max_bytes` at most, but one if any waits."""
        taken: list[Message] = []
        with self._lock:
            room, full, rounds = max_bytes, False, 0
            while self._counted and not full and rounds < AT_A_TIME:
                rounds += 1
                for turn in list(self._counted):
                    message = self._counted[turn][0]
                    if taken and len(message.payload) > room:
                        full = True
                        break
                    room -= len(message.payload)
                    taken.append(self._pop(turn))
            self.bytes -= max_bytes - room
            if not self._counted:
                self.counted_waiting.clear()
        return taken

    def _pop(self, turn: str) -> Message:
        """Take the oldest of an edge, which then waits for its next turn behind the others."""
        waiting = self._counted.pop(turn)
        message = waiting.popleft()
        self._count -= 1
        self._edge_bytes[turn] -= len(message.payload)
        if waiting:
            self._counted[turn] = waiting
        else:
            del self._edge_bytes[turn]
        return message

    def shown(self) -> list[Message]:
        """Return all shown messages."""
        with self._lock:
            taken = list(self._shown)
            self._shown.clear()
            self.shown_waiting.clear()
        return taken


def _parsed(topic: str) -> tuple[str, str]:
    try:
        return parse(topic)
    except WireError:
        return STRANGERS, ""
