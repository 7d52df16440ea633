"""An RTU slave, on a pseudo terminal or behind a TCP gateway, that answers as sickly as a test wants. Own codec."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import struct
import tty
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


def crc(data: bytes) -> bytes:
    """Return the two bytes of the CRC, bit by bit as the standard writes it: not the collector's table."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


@dataclass(frozen=True)
class Asked:
    """One request; `turn` counts the requests that the slave has understood."""

    unit: int
    function: int
    address: int
    count: int
    turn: int
    frame: bytes

    def truth(self) -> tuple[int, ...]:
        return truth(self.unit, self.function, self.address, self.count, self.turn)

    def reply(self, *, count: int | None = None, unit: int | None = None, function: int | None = None) -> bytes:
        registers = truth(self.unit, self.function, self.address, self.count if count is None else count, self.turn)
        return body(unit or self.unit, function or self.function, registers)

    def refusal(self, code: int) -> bytes:
        head = bytes((self.unit, self.function | 0x80, code))
        return head + crc(head)


def truth(unit: int, function: int, address: int, count: int, turn: int) -> tuple[int, ...]:
    """Return what the registers hold at a turn: no two blocks and no two turns look alike."""
    return tuple((at * 257 + unit * 31 + function * 8191 + turn * 4099) & 0xFFFF for at in range(address, address + count))


def body(unit: int, function: int, registers: Iterable[int]) -> bytes:
    values = list(registers)
    head = struct.pack(f">BBB{len(values)}H", unit, function, 2 * len(values), *values)
    return head + crc(head)


Answer = Callable[[Asked], Iterable[tuple[float, bytes]]]
"""What the slave sends, each after a delay in seconds from the request on."""


def well(asked: Asked) -> Iterable[tuple[float, bytes]]:
    return [(0.0, asked.reply())]


@dataclass
class SickSlave:
    """Understands read requests and sends what `answer` says through `write`."""

    answer: Answer
    write: Callable[[bytes], object] = print
    turn: int = 0
    bytes_seen: bytearray = field(default_factory=bytearray)
    pending: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> None:
        self.bytes_seen += data
        self.pending += data
        while len(self.pending) >= 8:
            frame = bytes(self.pending[:8])
            del self.pending[:8]
            assert crc(frame[:6]) == frame[6:], frame.hex(" ")
            self.turn += 1
            unit, function, address, count = struct.unpack(">BBHH", frame[:6])
            for delay_s, reply in self.answer(Asked(unit, function, address, count, self.turn, frame)):
                if delay_s:
                    asyncio.get_running_loop().call_later(delay_s, self._send, reply)
                else:
                    self._send(reply)

    def _send(self, reply: bytes) -> None:
        with contextlib.suppress(OSError):  # the other side is gone
            self.write(reply)


@asynccontextmanager
async def on_pty(answer: Answer) -> AsyncIterator[tuple[SickSlave, str]]:
    """Yield the slave and the path of its serial port."""
    master, port = pty.openpty()
    tty.setraw(port)
    loop = asyncio.get_running_loop()
    slave = SickSlave(answer, lambda data: os.write(master, data))

    def read() -> None:
        try:
            slave.take(os.read(master, 4096))
        except OSError:
            loop.remove_reader(master)

    loop.add_reader(master, read)
    try:
        yield slave, os.ttyname(port)
    finally:
        loop.remove_reader(master)
        slave.write = lambda _: None
        os.close(master)
        os.close(port)


@asynccontextmanager
async def on_tcp(answer: Answer) -> AsyncIterator[tuple[SickSlave, str]]:
    """Yield the slave and `host:port` of its gateway."""
    slave = SickSlave(answer)
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        slave.write = writer.write
        while data := await reader.read(4096):
            slave.take(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield slave, "{}:{}".format(*server.sockets[0].getsockname()[:2])
    finally:
        server.close()
        for writer in writers:
            writer.close()
            writer.transport.abort()
        await asyncio.sleep(0)
