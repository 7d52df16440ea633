"""What every server of the stage does first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def listening(connected: Connected) -> int:
    """Serve connections on a port of the system's choice, on loopback, and return it."""
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port
