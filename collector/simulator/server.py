"""Gateways: Modbus TCP listeners with several meters behind each, that tell the truth about one instant."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collector.simulator import codec
from collector.simulator.journal import Journal
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
        self._lines: set[asyncio.StreamWriter] = set()
        self.replies = 0

    async def listen(self, gateway: Gateway) -> int:
        """Begin to serve one gateway and return its port. Raises Unavailable when the port is in use."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._lines.add(writer)
            try:
                await self._talk(gateway, reader, writer)
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                log.debug("line to %s ended: %r", gateway.name, error)
            finally:
                self._lines.discard(writer)
                writer.close()

        try:
            server = await asyncio.start_server(serve, gateway.host, gateway.port)
        except OSError as error:
            raise Unavailable(f"cannot listen on {gateway.host}:{gateway.port}: {error.strerror or error}") from error
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
        for writer in list(self._lines):
            writer.transport.abort()
        self._journal.close()

    async def _talk(self, gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)  # drain returns when the last byte is with the kernel
        while True:
            header = codec.parse_header(await reader.readexactly(codec.HEADER.size))
            pdu = await reader.readexactly(header.length - 1)
            try:
                request = codec.parse_read(pdu)
                meter = gateway.meters.get(header.unit)
                if meter is None:
                    raise codec.Refusal(codec.NO_ANSWER_BEHIND_GATEWAY)
                t_ms = self._now_ms()
                registers = meter.read(request.kind, request.address, request.count, t_ms)
            except codec.Refusal as refusal:
                writer.write(codec.refuse(header, pdu[0], refusal.code))
                await writer.drain()
                continue
            writer.write(codec.reply(header, pdu[0], registers))
            await writer.drain()
            self.replies += 1
            self._journal.note(
                t_ms=t_ms, unit=header.unit, meter=meter.name, kind=request.kind, address=request.address, registers=registers
            )
