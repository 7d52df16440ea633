"""What the broker sends waits here: bounded, filled by the network thread, emptied by the event loop.

Two lanes. *Counted* messages (data, hello, ledger) keep their order per edge; when the lane is full a message is let go,
which loses nothing because it was not acknowledged. Edges are served in turn, and one alone may fill only a part of the
lane, so that a mad one does not delay the others; those that the plant file does not name share one turn. *Shown*
messages (live, state) only matter while they are new: when their lane is full the oldest leaves.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Collection

from driftwatt.errors import WireError
from driftwatt.topics import parse
from processors.ports import Message

MAX_BYTES = 16 * 1024 * 1024
MAX_MESSAGES = 2000
EDGE_BYTES, EDGE_MESSAGES = 4 * 1024 * 1024, 800
"""What one edge may have waiting: twice of what an honest one has under way."""
MAX_SHOWN = 400
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
        self._shown: deque[Message] = deque(maxlen=MAX_SHOWN)
        self.bytes = 0
        self.let_go = 0
        self.counted_waiting = asyncio.Event()
        self.shown_waiting = asyncio.Event()

    def put(self, topic: str, payload: bytes) -> None:
        """Take a message; called in the network thread. Never blocks."""
        edge, kind = _parsed(topic)
        event = self.shown_waiting if kind in SHOWN else self.counted_waiting
        with self._lock:
            if event is self.shown_waiting:
                self._shown.append(Message(topic, payload))
            elif not self._room(turn := edge if not self.named or edge in self.named else STRANGERS, len(payload)):
                self.let_go += 1
                return
            else:
                self._counted.setdefault(turn, deque()).append(Message(topic, payload))
                self._edge_bytes[turn] = self._edge_bytes.get(turn, 0) + len(payload)
                self._count += 1
                self.bytes += len(payload)
        if not event.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(event.set)

    def _room(self, turn: str, size: int) -> bool:
        if self.bytes + size > MAX_BYTES or self._count >= MAX_MESSAGES:
            return False
        waiting = self._counted.get(turn)
        return waiting is None or (self._edge_bytes[turn] + size <= EDGE_BYTES and len(waiting) < EDGE_MESSAGES)

    def counted(self, max_bytes: int) -> list[Message]:
        """Return the oldest counted messages of each edge in turn, at most `max_bytes` of them but at least one if any waits."""
        taken: list[Message] = []
        with self._lock:
            room, full = max_bytes, False
            while self._counted and not full:
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
