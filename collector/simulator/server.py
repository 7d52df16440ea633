"""Gateways: Modbus TCP listeners with several meters behind each, that tell the truth about one instant."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collector.simulator import codec
from collector.simulator.journal import Entry, Journal
from collector.simulator.meter import SimulatedMeter
from driftwatt.errors import Unavailable

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Gateway:
    """A listener and the meters behind it by unit id."""

    name: str
    host: str
    port: int
    meters: Mapping[int, SimulatedMeter]


class Simulator:
    """Serves gateways until stopped. `now_ms` says which instant the registers show."""

    def __init__(self, now_ms: Callable[[], int], journal: Journal) -> None:
        self._now_ms = now_ms
        self._journal = journal
        self._servers: list[asyncio.Server] = []
        self._lines: set[_Line] = set()

    async def listen(self, gateway: Gateway) -> int:
        """Begin to serve one gateway and return its port. Raises Unavailable when the port is in use."""
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: _Line(gateway.meters, self._now_ms, self._journal, self._lines), gateway.host, gateway.port
            )
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise Unavailable(f"cannot listen on {gateway.host}:{gateway.port}: {reason}") from error
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def keep_books(self) -> None:
        """Flush the journal again and again, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self._journal.flush()

    async def stop(self) -> None:
        """Hang up everywhere and close the books."""
        for server in self._servers:
            server.close()
        for line in list(self._lines):
            line.hang_up()
        self._journal.close()


class _Line(asyncio.Protocol):
    """One connection. A reply is noted in the journal once its last byte is with the kernel."""

    def __init__(self, meters: Mapping[int, SimulatedMeter], now_ms: Callable[[], int], journal: Journal, lines: set[_Line]) -> None:
        self._meters, self._now_ms, self._journal, self._lines = meters, now_ms, journal, lines
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._unsent: list[Entry] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=0)  # resume_writing then means that everything has left
        self._transport = transport
        self._lines.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._lines.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= codec.HEADER.size:
            try:
                header = codec.parse_header(bytes(self._received[: codec.HEADER.size]))
            except ValueError as error:
                log.warning("hanging up: %s", error)
                self.hang_up()
                return
            end = codec.HEADER.size - 1 + header.length
            if len(self._received) < end:
                return
            pdu = bytes(self._received[codec.HEADER.size : end])
            del self._received[:end]
            self._answer(header, pdu)

    def resume_writing(self) -> None:
        for entry in self._unsent:
            self._journal.note(entry)
        self._unsent.clear()

    def hang_up(self) -> None:
        """End the connection at once."""
        if self._transport:
            self._transport.abort()

    def _answer(self, header: codec.Header, pdu: bytes) -> None:
        assert self._transport is not None
        try:
            request = codec.parse_read(pdu)
            meter = self._meters.get(header.unit)
            if meter is None:
                raise codec.Refusal(codec.NO_ANSWER_BEHIND_GATEWAY)
            t_ms = self._now_ms()
            registers = meter.read(request.kind, request.address, request.count, t_ms)
        except codec.Refusal as refusal:
            self._transport.write(codec.refuse(header, pdu[0], refusal.code))
            return
        self._transport.write(codec.reply(header, pdu[0], registers))
        self._unsent.append(Entry(t_ms, header.unit, meter.name, request.kind, request.address, registers))
        if not self._transport.get_write_buffer_size():
            self.resume_writing()
