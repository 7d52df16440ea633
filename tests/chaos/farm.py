"""Modbus TCP meters whose every reply can be traced, own codec; some replies are lies on purpose.

One line per reply sent to its end: `t_ms meter counter address energy_wh kind took_ms`, kind `true` or that of the lie,
`took_ms` from the arrival of its request: who asks again after a late reply waits behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time
from collections import Counter
from pathlib import Path
from typing import TextIO

from tests.chaos.coded import energy_wh, registers
from tests.chaos.listening import listening

_REQUEST = struct.Struct(">HHHBBHH")
LIES = {
    "stale id": 0.004,
    "wrong unit": 0.004,
    "short": 0.003,
    "long": 0.003,
    "wrong function": 0.003,
    "doubled": 0.01,
    "late": 0.002,
    "silent": 0.002,
    "half": 0.001,
    "busy": 0.002,
}
"""Share of replies by kind of trouble. `doubled` and `late` carry the truth, late or twice."""
TRUE_KINDS = ("true", "doubled", "late")


def now_ms() -> int:
    """Return UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Farm:
    """Meters by number behind gateways. `lying` can be ended."""

    def __init__(self, journal: Path, seed: int, timeout_s: float) -> None:
        self._file: TextIO = journal.open("w", encoding="ascii", buffering=1)
        self._dice, self._timeout_s = random.Random(seed), timeout_s
        self._served: Counter[int] = Counter()
        self.counts: Counter[str] = Counter()
        self.functions: Counter[int] = Counter()
        self.lying = True

    async def listen(self, meters: dict[int, int]) -> int:
        """Serve meters by unit id on one gateway and return its port."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
            serving = asyncio.ensure_future(self._serve_all(meters, asked, writer))
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    raw = await reader.readexactly(_REQUEST.size)
                    asked.put_nowait((now_ms(), raw))
            serving.cancel()
            writer.transport.abort()

        return await listening(connected)

    async def _serve_all(self, meters: dict[int, int], asked: asyncio.Queue[tuple[int, bytes]], writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                await self._serve(meters, *await asked.get(), writer)

    async def _serve(self, meters: dict[int, int], arrived_ms: int, raw: bytes, writer: asyncio.StreamWriter) -> None:
        tid, _, _, unit, function, address, count = _REQUEST.unpack(raw)
        self.functions[function] += 1
        meter = meters.get(unit)
        if meter is None or function != 4:
            self._send(writer, (tid, unit, function | 0x80), b"\x0b")
            return
        kind = self._trouble()
        self.counts[kind] += 1
        t_ms = now_ms()
        self._served[meter] += 1
        counter = self._served[meter]
        words = registers(meter, address, count, counter, t_ms, lie=kind not in TRUE_KINDS)
        if words is None:
            self._send(writer, (tid, unit, function | 0x80), b"\x02")
            return
        await self._answer(kind, writer, (tid, unit, function), words)
        if kind not in ("silent", "busy"):
            await writer.drain()
            energy, took_ms = energy_wh(meter, t_ms), now_ms() - arrived_ms
            self._file.write(f"{t_ms} {meter} {counter} {address} {energy} {kind.replace(' ', '-')} {took_ms}\n")

    def _trouble(self) -> str:
        draw = self._dice.random()
        for kind, share in LIES.items():
            if draw < share:
                return kind if self.lying else "true"
            draw -= share
        return "true"

    async def _answer(self, kind: str, writer: asyncio.StreamWriter, head: tuple[int, int, int], words: list[int]) -> None:
        tid, unit, function = head
        if kind == "silent":
            return
        if kind == "busy":
            self._send(writer, (tid, unit, function | 0x80), b"\x06")
            return
        if kind == "late":
            await asyncio.sleep(self._timeout_s * self._dice.uniform(1.1, 2.0))
        tid = (tid - 1) % 65536 if kind == "stale id" else tid
        unit = unit % 247 + 1 if kind == "wrong unit" else unit
        function = 3 if kind == "wrong function" else function
        words = words[:-2] if kind == "short" else [*words, 0x4248, 0] if kind == "long" else words
        body = bytes((2 * len(words),)) + struct.pack(f">{len(words)}H", *words)
        self._send(writer, (tid, unit, function), body[: len(body) // 2] if kind == "half" else body, whole=len(body))
        if kind == "doubled":
            self._send(writer, (tid, unit, function), body)

    @staticmethod
    def _send(writer: asyncio.StreamWriter, head: tuple[int, int, int], body: bytes, whole: int | None = None) -> None:
        tid, unit, function = head
        length = (len(body) if whole is None else whole) + 2
        writer.write(struct.pack(">HHHBB", tid, 0, length, unit, function) + body)
