"""What the broker sends waits here: bounded, filled by the network thread, emptied by the event loop.

Two lanes. *Counted* messages (data, hello, ledger) keep their order; when the lane is full a message is let go,
which loses nothing because it was not acknowledged. *Shown* messages (live, state) only matter while they are
new: when their lane is full the oldest leaves.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from driftwatt.errors import WireError
from driftwatt.topics import parse
from processors.ports import Message

MAX_BYTES = 16 * 1024 * 1024
MAX_MESSAGES = 2000
MAX_SHOWN = 400
SHOWN = frozenset({"live", "state"})


class Inbox:
    """Hands messages from one foreign thread to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._counted: deque[Message] = deque()
        self._shown: deque[Message] = deque(maxlen=MAX_SHOWN)
        self.bytes = 0
        self.let_go = 0
        self.counted_waiting = asyncio.Event()
        self.shown_waiting = asyncio.Event()

    def put(self, topic: str, payload: bytes) -> None:
        """Take a message; called in the network thread. Never blocks."""
        event = self.shown_waiting if _is_shown(topic) else self.counted_waiting
        with self._lock:
            if event is self.shown_waiting:
                self._shown.append(Message(topic, payload))
            elif self.bytes + len(payload) > MAX_BYTES or len(self._counted) >= MAX_MESSAGES:
                self.let_go += 1
                return
            else:
                self._counted.append(Message(topic, payload))
                self.bytes += len(payload)
        if not event.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(event.set)

    def counted(self, max_bytes: int) -> list[Message]:
        """Return the oldest counted messages, at most `max_bytes` of them but at least one if any waits."""
        taken: list[Message] = []
        with self._lock:
            room = max_bytes
            while self._counted and (not taken or len(self._counted[0].payload) <= room):
                taken.append(self._counted.popleft())
                room -= len(taken[-1].payload)
            self.bytes -= max_bytes - room
            if not self._counted:
                self.counted_waiting.clear()
        return taken

    def shown(self) -> list[Message]:
        """Return all shown messages."""
        with self._lock:
            taken = list(self._shown)
            self._shown.clear()
            self.shown_waiting.clear()
        return taken


def _is_shown(topic: str) -> bool:
    try:
        return parse(topic)[1] in SHOWN
    except WireError:
        return False
