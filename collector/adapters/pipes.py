"""Bytes to a bus and back, over TCP. What leaves is checked here, as bytes: the last place before the wire."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Protocol

from collector.pure.adu import refuse_writes
from driftwatt.errors import Unavailable

PIECE_BYTES = 264
"""More than any reply has."""
HIGH_WATER = 4096
"""A gateway that takes no bytes is a lost link, not a growing buffer."""


class Pipe(Protocol):
    """Carries bytes both ways. `received` and `lost` are called in the event loop."""

    name: str

    async def open(self, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """Connect. Raises Unavailable."""

    def send(self, frame: bytes) -> None:
        """Send one request whole. Raises PermissionError for anything but a read, OSError when the bytes cannot leave."""

    def close(self) -> None:
        """Disconnect; never raises, and neither callback is called afterwards."""


class _Ends(asyncio.BufferedProtocol):
    """Takes bytes into a small buffer of its own: asyncio's reserves a quarter of a megabyte for each piece."""

    def __init__(self, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self.received, self.lost = received, lost
        self._buffer = bytearray(PIECE_BYTES)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 – what it would like makes no difference
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.received(bytes(self._buffer[:nbytes]))

    def connection_lost(self, error: Exception | None) -> None:
        self.lost(str(error) if error else "closed by the other side")


class TcpPipe:
    """A TCP connection to a gateway or meter."""

    def __init__(self, name: str, host: str, port: int, *, timeout_s: float, function_at: int) -> None:
        self.name = name
        self._host, self._port, self._timeout_s, self._function_at = host, port, timeout_s, function_at
        self._ends: _Ends | None = None
        self._transport: asyncio.Transport | None = None

    async def open(self, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """See Pipe."""
        self.close()
        try:
            async with asyncio.timeout(self._timeout_s):
                self._transport, self._ends = await asyncio.get_running_loop().create_connection(
                    lambda: _Ends(received, lost), self._host, self._port
                )
        except TimeoutError as error:
            raise Unavailable(f"cannot connect to {self.name}: no answer within {self._timeout_s:g} s") from error
        except OSError as error:
            raise Unavailable(f"cannot connect to {self.name}: {_why(error)}") from error
        plug = self._transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def send(self, frame: bytes) -> None:
        """See Pipe."""
        refuse_writes(frame, self._function_at)
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("not connected")
        self._transport.write(frame)
        if self._transport.get_write_buffer_size() > HIGH_WATER:
            raise ConnectionError("the other side takes no bytes")

    def close(self) -> None:
        """See Pipe."""
        if self._ends is not None:
            self._ends.received, self._ends.lost = _ignore, _ignore
        if self._transport is not None:
            self._transport.abort()
        self._ends = self._transport = None


def _ignore(_what: object) -> None:
    """Take what a connection still says after it was closed."""


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the host is not known"
    return os.strerror(error.errno).lower() if error.errno else str(error)
