"""The page's server inside the processor's own event loop. The only importer of uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from driftwatt.errors import Unavailable

BACKLOG = 128
GOODBYE_S = 2


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals belong to the daemon, which ends the page in its own order.
        yield


class Page:
    """A web application at `host:port`. Raises Unavailable when the address cannot be had."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise Unavailable(f"the page cannot listen on {host}:{port}: {reason}") from error
        self._socket.listen(BACKLOG)
        chosen = self._socket.getsockname()[1]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{chosen}/"
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        settings = uvicorn.Config(
            app, lifespan="on", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=GOODBYE_S, ws="none"
        )
        self._server = _Server(settings)

    async def serve(self) -> None:
        """Answer requests until `stop`. When it is cancelled it still ends in order: uvicorn would print a traceback."""
        serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.stop()
            await serving
            raise

    def stop(self) -> None:
        """Ask it to end; open streams get two seconds."""
        self._server.should_exit = True
