"""The daemon's ear for commands that change something: one request and one answer, JSON lines, over `<folder>/control.sock`.

Only the user who runs the daemon reaches it (0600). Sockets are addressed through the open folder, because their
own names may be no longer than 107 bytes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from driftwatt.errors import DriftwattError, Refused, Unavailable

log = logging.getLogger(__name__)

SOCKET = "control.sock"
MAX_REQUEST_BYTES = 64 * 1024
REQUEST_S = 5.0
Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Answers a request; a DriftwattError is told to the other side in words."""


@asynccontextmanager
async def listening(folder: Path, handler: Handler) -> AsyncIterator[None]:
    """Answer requests while the block runs. Raises Unavailable when the socket cannot be had."""
    with _through(folder) as name:
        try:
            with suppress(FileNotFoundError):
                (folder / SOCKET).unlink()  # left by a daemon that was killed; the folder is locked, so nobody listens
            server = await asyncio.start_unix_server(lambda r, w: _answer(r, w, handler), name, limit=MAX_REQUEST_BYTES)
            (folder / SOCKET).chmod(0o600)
        except OSError as error:
            raise Unavailable(f"{folder / SOCKET}: {error.strerror or error}") from error
    try:
        yield
    finally:
        server.close()
        with suppress(OSError):
            (folder / SOCKET).unlink()


async def serve(folder: Path, handler: Handler, name: str) -> None:
    """Answer requests until cancelled. A daemon (`name`, for the log) that cannot have its socket does its work without."""
    try:
        async with listening(folder, handler):
            await asyncio.Event().wait()
    except Unavailable as error:
        log.warning("commands cannot reach this %s: %s", name, error)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    try:
        async with asyncio.timeout(REQUEST_S):
            line = await reader.readline()
        request = json.loads(line)
        answer = await handler(request) if isinstance(request, dict) else {"error": "not an object"}
    except DriftwattError as error:
        answer = {"error": str(error)}
    except (ValueError, TimeoutError, RecursionError, OSError) as error:
        answer = {"error": f"request not understood: {error}"}
    with suppress(OSError):
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()


def ask(folder: Path, request: Mapping[str, Any], *, within_s: float) -> dict[str, Any]:
    """Ask the daemon of a folder and return its answer. Raises Unavailable when it does not answer, Refused with its words."""
    try:
        with _through(folder) as name, socket.socket(socket.AF_UNIX) as line:
            line.settimeout(within_s)
            line.connect(name)
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("rb") as reader:
                said = json.loads(reader.readline())
    except (OSError, ValueError) as error:
        raise Unavailable(f"the daemon does not answer at {folder / SOCKET}: {error}") from error
    if "error" in said:
        raise Refused(str(said["error"]))
    return dict(said)


@contextmanager
def _through(folder: Path) -> Iterator[str]:
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)
