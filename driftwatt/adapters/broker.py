"""The embedded MQTT broker of demos and one-box plants. The only importer of amqtt.

It listens on loopback, speaks MQTT 3.1.1 and keeps nothing over a restart: the outbox is the queue, and the
application acknowledgement makes delivery whole. amqtt's own queues have no bounds, so this file owns the
listener and bounds what it lets through: connections, packet size, silent strangers and stalled readers.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig
from amqtt.plugins.base import BaseAuthPlugin

from driftwatt.errors import ConfigError, Unavailable
from driftwatt.hosts import is_loopback

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 32
MAX_PACKET_BYTES = 128 * 1024
FIRST_PACKET_S = 10.0
STALLED_READER_S = 5.0
SHUTDOWN_S = 3.0
_LISTENER = "default"


@dataclass(frozen=True, slots=True)
class User:
    """The one user who may sign in. `password` is never printed."""

    name: str
    password: str = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> User:
        """Return the user in a file of one line `user:password`, readable by its owner only. Raises ConfigError."""
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            found = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise ConfigError("password file cannot be read", file=str(path), found=found) from error
        if mode & 0o077:
            raise ConfigError("password file is open to others", file=str(path), found=f"mode {mode & 0o777:04o}", allowed="mode 0600")
        name, colon, password = text.partition(":")
        if not colon or not name or not password or "\n" in text:
            raise ConfigError("password file is not understood", file=str(path), allowed="one line, user:password")
        return cls(name, password)


class OneUserAuth(BaseAuthPlugin):  # type: ignore[misc]  # amqtt is not typed
    """Lets exactly one user in. amqtt loads it by its dotted name and fills `Config`."""

    @dataclass
    class Config:
        """What amqtt fills in."""

        name: str = ""
        password: str = field(default="", repr=False)

    async def authenticate(self, *, session: Any) -> bool:
        """Tell whether the session's name and password are the user's."""
        name, password = (session.username or ""), (session.password or "")
        right = hmac.compare_digest(name.encode(), self.config.name.encode())
        return hmac.compare_digest(password.encode(), self.config.password.encode()) and right


class _BoundedReader(StreamReaderAdapter):  # type: ignore[misc]  # amqtt is not typed
    """Refuses packets above the cap before their bytes are taken in."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.WriteTransport) -> None:
        super().__init__(reader)
        self._transport = transport
        self._heard = False

    def cut_if_silent(self) -> None:
        """End a connection that has not said a word."""
        if not self._heard:
            self._transport.abort()

    async def read(self, n: int = -1) -> bytes:
        if n > MAX_PACKET_BYTES:
            self._transport.abort()  # amqtt would go on reading in the middle of the packet
            raise ConnectionResetError(f"packet of {n} bytes")
        data: bytes = await super().read(n)
        self._heard = True
        return data


class _BoundedWriter(StreamWriterAdapter):  # type: ignore[misc]  # amqtt is not typed
    """Cuts a reader that stopped taking its messages, before they pile up here."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer)
        self._transport = writer.transport

    async def drain(self) -> None:
        try:
            await asyncio.wait_for(super().drain(), STALLED_READER_S)
        except TimeoutError:
            log.warning("a client stopped reading and was cut off")
            self._transport.abort()
            raise ConnectionResetError("reader stalled") from None


class EmbeddedBroker:
    """A broker in this process. `start` gives the port, `stop` ends every connection."""

    def __init__(self, host: str, port: int, user: User | None) -> None:
        if not is_loopback(host):
            raise ConfigError("the embedded broker listens on loopback only", found=host, allowed="127.0.0.1 or ::1")
        self._host, self._port, self._user = host, port, user
        self._broker: Any = None
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Begin listening and return the port. Raises Unavailable when the port is in use."""
        try:
            self._server = await asyncio.start_server(self._accept, self._host, self._port)
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise Unavailable(f"cannot listen on {self._host}:{self._port}: {reason}") from error
        if self._user:
            plugins: dict[str, Any] = {f"{__name__}.OneUserAuth": {"name": self._user.name, "password": self._user.password}}
        else:
            plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        listeners = {_LISTENER: {"type": "external", "bind": f"{self._host}:{self._port}"}}
        self._broker = Broker(BrokerConfig.from_dict({"listeners": listeners, "plugins": plugins}))
        await self._broker.start()
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening and disconnect everybody; takes at most a few seconds."""
        if self._server:
            self._server.close()
        if self._broker:
            try:
                await asyncio.wait_for(self._broker.shutdown(), SHUTDOWN_S)
            except TimeoutError:
                log.warning("broker sessions did not end in time")
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._broker is None or len(self._serving) >= MAX_CONNECTIONS:
            log.warning("connection refused: %s are open", len(self._serving))
            writer.transport.abort()
            return
        bounded = _BoundedReader(reader, writer.transport)
        stranger = asyncio.get_running_loop().call_later(FIRST_PACKET_S, bounded.cut_if_silent)
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._broker.external_connected(bounded, _BoundedWriter(writer), _LISTENER)
        except (OSError, asyncio.CancelledError) as error:
            log.debug("client connection ended: %r", error)
        finally:
            stranger.cancel()
            self._serving.discard(task)
            writer.transport.abort()
