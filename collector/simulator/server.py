"""Gateways and serial lines with several meters behind each, that tell the truth about one instant, or lie on request."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collector.simulator.answers import Answers
from collector.simulator.faults import Mischief
from collector.simulator.journal import Entry, Journal
from collector.simulator.line import Line, NotModbus
from collector.simulator.meter import Unit
from collector.simulator.terminal import Terminal
from collector.simulator.wire import NETWORK, Wire
from driftwatt.errors import Unavailable

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Gateway:
    """A listener, or a serial line when its wire has a link, and the meters behind it by unit id."""

    name: str
    host: str
    port: int
    meters: Mapping[int, Unit]
    wire: Wire = NETWORK


class Simulator:
    """Serves gateways until stopped. `now_ms` says which instant the registers show, `mischief` what goes wrong."""

    def __init__(self, now_ms: Callable[[], int], journal: Journal, mischief: Mischief | None = None) -> None:
        self._now_ms = now_ms
        self._journal = journal
        self._mischief = mischief or Mischief()
        self._servers: list[asyncio.Server] = []
        self._terminals: list[Terminal] = []
        self._connections: set[_Connection] = set()

    @property
    def glued(self) -> int:
        """Requests that serial lines did not understand because the silence before them was too short."""
        return sum(terminal.glued for terminal in self._terminals)

    async def listen(self, gateway: Gateway) -> int:
        """Begin to serve one gateway and return its port, 0 for a serial line. Raises Unavailable, ConfigError for impossible faults."""
        self._mischief.fits(gateway.wire.framing)
        answers = Answers(gateway.meters, self._now_ms, self._mischief, framing=gateway.wire.framing)
        if gateway.wire.link is not None:
            self._terminals.append(Terminal(gateway.wire.link, gateway.wire, answers, self._journal))
            return 0
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: _Connection(answers, gateway.wire, self._journal, self._connections), gateway.host, gateway.port
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
        for connection in list(self._connections):
            connection.hang_up()
        for terminal in self._terminals:
            terminal.close()
        self._journal.close()


class _Connection(asyncio.Protocol):
    """One connection. A reply is noted in the journal once its last byte is with the kernel."""

    def __init__(self, answers: Answers, wire: Wire, journal: Journal, connections: set[_Connection]) -> None:
        self._journal, self._connections = journal, connections
        self._line = Line(answers, wire, self._send)
        self._transport: asyncio.Transport | None = None
        self._unsent: list[Entry] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=0)  # resume_writing then means that everything has left
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._line.hang_up()
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._line.heard(data)
        except NotModbus as error:
            log.warning("hanging up: %s", error)
            self.hang_up()

    def resume_writing(self) -> None:
        for entry in self._unsent:
            self._journal.note(entry)
        self._unsent.clear()

    def hang_up(self) -> None:
        """End the connection at once."""
        if self._transport:
            self._transport.abort()

    def _send(self, data: bytes, entry: Entry | None) -> None:
        assert self._transport is not None
        self._transport.write(data)
        if entry is not None:
            self._unsent.append(entry)
            if not self._transport.get_write_buffer_size():
                self.resume_writing()
