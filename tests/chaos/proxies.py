"""A TCP proxy that breaks what it carries, in an order drawn from a seed: between a daemon and its broker."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.listening import listening

FAULTS = ("cut", "reset in a packet", "half-open", "one way", "delay", "throttle", "one byte at a time", "second connection")
CALM_S = (1.0, 3.0)
"""How long a connection is left alone between two faults."""


@dataclass(slots=True)
class _Line:
    """One connection through the proxy and the fault that holds it just now."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    fault: str = ""
    first: bytes = b""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def abort(self) -> None:
        """End both sides with a reset."""
        for writer in (self.client, self.server):
            with contextlib.suppress(OSError):
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self.over.set()


class Deck:
    """Faults in an order drawn from a seed, each once before any comes again: none is left out by chance."""

    def __init__(self, faults: Iterable[str], seed: int) -> None:
        self._faults, self._dice = tuple(faults), random.Random(seed)
        self._left: list[str] = []

    def draw(self) -> str:
        """Return the next fault."""
        if not self._left:
            self._left = self._dice.sample(self._faults, len(self._faults))
        return self._left.pop()


class FaultProxy:
    """Carries connections to `upstream`. `calm` ends all faults; `counts` says how many of each struck."""

    def __init__(self, upstream: int, seed: int) -> None:
        self._upstream, self._dice = upstream, random.Random(seed)
        self._deck = Deck(FAULTS, seed)
        self.counts: Counter[str] = Counter()
        self.calm = False

    async def listen(self) -> int:
        """Begin and return the port."""
        return await listening(self._connected)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        self.counts["connections"] += 1
        line = _Line(writer, up_writer)
        work = [self._pump(reader, up_writer, line, up=True), self._pump(up_reader, writer, line, up=False), self._trouble(line)]
        tasks = [asyncio.ensure_future(each) for each in work]
        await line.over.wait()
        for task in tasks:
            task.cancel()
        for each in (writer, up_writer):
            each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line, *, up: bool) -> None:
        try:
            while data := await reader.read(16_384):
                if up and not line.first:
                    line.first = data
                await self._pass(data, writer, line, up=up)
        except OSError:
            pass
        line.over.set()

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, line: _Line, *, up: bool) -> None:
        if line.fault == "half-open" or (line.fault == "one way" and not up):
            await line.over.wait()
        elif line.fault == "reset in a packet":
            writer.write(data[: max(1, len(data) // 2)])
            await asyncio.sleep(0)
            line.abort()
        elif line.fault == "delay":
            await asyncio.sleep(self._dice.uniform(0.1, 1.5))
            writer.write(data)
        elif line.fault in ("throttle", "one byte at a time"):
            await self._slowly(data, writer, line)
        else:
            writer.write(data)
        if not writer.is_closing():
            await writer.drain()

    @staticmethod
    async def _slowly(data: bytes, writer: asyncio.StreamWriter, line: _Line) -> None:
        at = 0
        while at < len(data):
            step, pause_s = {"throttle": (256, 0.05), "one byte at a time": (1, 0.001)}.get(line.fault, (len(data), 0.0))
            writer.write(data[at : at + step])
            await writer.drain()
            await asyncio.sleep(pause_s)
            at += step

    async def _trouble(self, line: _Line) -> None:
        """Strike one connection again and again until it ends."""
        while True:
            await asyncio.sleep(self._dice.uniform(*CALM_S))
            if self.calm:
                return
            line.fault = self._deck.draw()
            self.counts[line.fault] += 1
            if line.fault == "cut":
                line.abort()
                return
            if line.fault == "second connection":
                await self._second(line)
            else:
                await asyncio.sleep(self._dice.uniform(0.5, 2.0))
            if line.fault in ("half-open", "one way"):  # what was swallowed must not be followed by what comes later
                line.abort()
                return
            line.fault = ""

    async def _second(self, line: _Line) -> None:
        """Say the client's first packet on a connection of its own: to the broker the same client has come again."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
            writer.write(line.first)
            await writer.drain()
            await asyncio.sleep(0.3)
            writer.transport.abort()
