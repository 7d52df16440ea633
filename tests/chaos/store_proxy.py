"""An HTTP proxy in front of a store that fails as stores fail, in an order drawn from a seed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter

from tests.chaos.listening import listening
from tests.chaos.proxies import Deck

FAULTS = ("503", "500", "429 with Retry-After", "slow", "cut before", "cut after the write", "half an answer")
STRUCK = 0.25
"""Share of writes to which one of them happens."""
_ANSWERS = {
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    "429 with Retry-After": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
}


class StoreProxy:
    """Carries requests to `upstream`, one per connection. `calm` ends all faults; `counts` says how many of each struck."""

    def __init__(self, upstream: int, seed: int) -> None:
        self._upstream, self._dice = upstream, random.Random(seed)
        self._deck = Deck(FAULTS, seed)
        self.counts: Counter[str] = Counter()
        self.calm = False

    async def listen(self) -> int:
        """Begin and return the port."""
        return await listening(self._connected)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            head = await reader.readuntil(b"\r\n\r\n")
            size = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            body = await reader.readexactly(size)
            fault = self._fault() if b"/write" in head.split(b"\r\n")[0] else ""
            self.counts[fault or "passed"] += 1
            await self._answer(fault, head, body, writer)
        writer.close()

    def _fault(self) -> str:
        return "" if self.calm or self._dice.random() > STRUCK else self._deck.draw()

    async def _answer(self, fault: str, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        if fault in _ANSWERS:
            writer.write(_ANSWERS[fault])
        elif fault != "cut before":
            if fault == "slow":
                await asyncio.sleep(self._dice.uniform(0.5, 2.0))
            answer = await self._upstream_says(head, body)
            if fault != "cut after the write":
                writer.write(answer[: len(answer) // 2] if fault == "half an answer" else answer)
        await writer.drain()

    async def _upstream_says(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith((b"connection:", b"expect:"))]
        writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
        answer = await reader.read(-1)
        writer.close()
        return answer
