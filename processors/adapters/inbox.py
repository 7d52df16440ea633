"""What the broker sends waits here: bounded, filled by the network thread, emptied by the event loop.

Two lanes. *Counted* messages (data, hello, ledger) keep their order per edge; when the lane is full a message is let go,
which loses nothing because it was not acknowledged. Edges are served in turn, and one alone may fill only a part of the
lane, so that a mad one does not delay the others; those that the plant file does not name share one turn. *Shown*
messages (live, state) only matter while they are new: when their lane is full the oldest leaves. An edge may come only so
often with each kind; an honest one never does so too often, and one that did is served little at a time until it is calm.
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
FLOODING_AT_A_TIME = 4
CALM_S = 10.0
"""An edge that came too often within this time is handed over in so small turns: what it says costs more than it brings."""
MAX_SHOWN = 400
EDGE_PER_S, EDGE_AT_ONCE = 50.0, 800.0
"""Messages of one edge in one lane. An honest one has 400 under way; 50 of 64 KiB a second are more than we can take."""
WORDS_PER_S, WORDS_AT_ONCE = 2.0, 128.0
"""Hellos and books of one edge: they come when a connection does (64 parts at most) and every few seconds, and cost far more than data."""
MAX_BUCKETS = 1024
STRANGERS = ""
SHOWN, WORDS, DATA = "shown", "words", "data"
LANES = {"live": SHOWN, "state": SHOWN, "hello": WORDS, "ledger": WORDS}


class Inbox:
    """Hands messages from one foreign thread to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, named: Collection[str] = ()) -> None:
        self._loop = loop
        self.named = named
        self._lock = threading.Lock()
        self._counted: dict[str, deque[Message]] = {}
        self._edge_bytes: dict[str, int] = {}
        self._count = 0
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._shown: deque[Message] = deque(maxlen=MAX_SHOWN)
        self.bytes = 0
        self.let_go = 0
        self.counted_waiting = asyncio.Event()
        self.shown_waiting = asyncio.Event()

    def put(self, topic: str, payload: bytes) -> None:
        """Take a message; called in the network thread. Never blocks."""
        edge, kind = _parsed(topic)
        lane = LANES.get(kind, DATA)
        event = self.shown_waiting if lane == SHOWN else self.counted_waiting
        turn = edge if not self.named or edge in self.named else STRANGERS
        with self._lock:
            if not self._in_time(turn, lane):
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

    def _in_time(self, turn: str, lane: str) -> bool:
        now_s = self._loop.time()
        if len(self._buckets) >= MAX_BUCKETS:  # a full one says as much as none
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket.level(now_s) < bucket.size}
        bucket = self._buckets.get((turn, lane))
        if bucket is None:
            pace = (WORDS_PER_S, WORDS_AT_ONCE) if lane == WORDS else (EDGE_PER_S, EDGE_AT_ONCE)
            bucket = self._buckets[turn, lane] = Bucket(*pace)
        return bucket.take(now_s)

    def _share(self, turn: str) -> int:
        """Return how many messages of an edge are handed over together."""
        buckets = (self._buckets.get((turn, lane)) for lane in (WORDS, DATA))
        flooding = any(bucket and self._loop.time() - bucket.refused_s < CALM_S for bucket in buckets)
        return FLOODING_AT_A_TIME if flooding else AT_A_TIME

    def _room(self, turn: str, size: int) -> bool:
        if self.bytes + size > MAX_BYTES or self._count >= MAX_MESSAGES:
            return False
        waiting = self._counted.get(turn)
        return waiting is None or (self._edge_bytes[turn] + size <= EDGE_BYTES and len(waiting) < EDGE_MESSAGES)

    def counted(self, max_bytes: int) -> list[Message]:
        """Return the oldest counted messages of each edge in turn, its share and `max_bytes` at most, but one if any waits."""
        taken: list[Message] = []
        with self._lock:
            room = max_bytes
            left = {turn: self._share(turn) for turn in self._counted}
            while left:
                for turn in list(left):
                    size = len(self._counted[turn][0].payload)
                    if taken and size > room:
                        left.clear()
                        break
                    room -= size
                    taken.append(self._pop(turn))
                    left[turn] -= 1
                    if not left[turn] or turn not in self._counted:
                        del left[turn]
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
