"""One line that meters hang on: whole requests out of what comes in, replies out at the pace of the line.

Connections (server.py) and pseudo-terminals (terminal.py) bring the bytes and take them away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from collector.simulator import codec, rtu
from collector.simulator.answers import Answers, Said
from collector.simulator.journal import Entry
from collector.simulator.wire import Wire

SLICE = 8
"""Characters that a paced line hands over together."""
BROKEN_CHARACTERS = 1.5
"""A request that begins so soon after a reply is not told apart from it: nobody on the line understands it."""
FORGET_S = 0.05


class NotModbus(Exception):
    """What came in is not Modbus TCP; only hanging up helps."""


class Line:
    """`send(bytes, entry)` takes what goes out; `entry` is noted once these bytes have left."""

    def __init__(self, answers: Answers, wire: Wire, send: Callable[[bytes, Entry | None], None]) -> None:
        self._answers, self._wire, self._send = answers, wire, send
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._requests = rtu.Requests()
        self._heard_s = self._free_s = self._quiet_s = 0.0
        self._timers: deque[asyncio.TimerHandle] = deque()
        self.glued = 0
        """Requests that came before the silence after a reply was over, and were not understood."""

    def heard(self, data: bytes) -> None:
        """Take what came in. Raises NotModbus."""
        now_s = self._loop.time()
        if self._wire.framing == "tcp":
            for header, pdu, raw in self._frames(data):
                self._play(self._answers.to(header, pdu, raw), now_s, 0)
            return
        if now_s - self._heard_s > max(FORGET_S, self._wire.silence_s):
            self._requests.forget()
        self._heard_s = now_s
        if now_s < self._quiet_s:
            self.glued += 1
            return
        for raw in self._requests.take(data):
            said = self._answers.to(codec.Header(0, len(raw) - 2, raw[0]), raw[1:-2], raw)
            self._play(said, now_s, len(raw))

    def hang_up(self) -> None:
        """Say nothing more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _frames(self, data: bytes) -> Iterator[tuple[codec.Header, bytes, bytes]]:
        self._received += data
        while len(self._received) >= codec.HEADER.size:
            try:
                header = codec.parse_header(bytes(self._received[: codec.HEADER.size]))
            except ValueError as error:
                raise NotModbus(str(error)) from error
            end = codec.HEADER.size - 1 + header.length
            if len(self._received) < end:
                return
            raw = bytes(self._received[:end])
            del self._received[:end]
            yield header, raw[codec.HEADER.size :], raw

    def _play(self, said: tuple[Said, ...], now_s: float, asked: int) -> None:
        """Send what is said to a request of `asked` characters that arrived in one piece, as its line would carry it."""
        wire = self._wire
        for each in said:
            begin_s = now_s + each.after_s
            if wire.baud is not None and not each.at_once:
                begin_s = max(begin_s + asked * wire.character_s + wire.silence_s + wire.turnaround_s, self._free_s)
            if wire.baud is not None:
                self._pace(each, begin_s)
            elif begin_s > now_s:
                self._at(begin_s, partial(self._send, each.frame, each.entry))
            else:
                self._send(each.frame, each.entry)

    def _pace(self, said: Said, begin_s: float) -> None:
        last = len(said.frame)
        for start in range(0, last, SLICE):
            end = min(start + SLICE, last)
            entry = said.entry if end == last else None
            self._at(begin_s + end * self._wire.character_s, partial(self._slice, said.frame[start:end], entry))
        self._free_s = begin_s + last * self._wire.character_s + self._wire.silence_s

    def _slice(self, part: bytes, entry: Entry | None) -> None:
        self._quiet_s = self._loop.time() + BROKEN_CHARACTERS * self._wire.character_s
        self._send(part, entry)

    def _at(self, when_s: float, work: Callable[[], None]) -> None:
        while self._timers and self._timers[0].when() < self._loop.time() - 1:
            self._timers.popleft()
        self._timers.append(self._loop.call_at(when_s, work))
