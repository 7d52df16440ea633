"""`driftwatt replay EDGE.toml` at work: asks the running collector, or sends in its place where none runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collector.adapters.outbox import Outbox
from collector.forwarder import Forwarder, mqtt
from collector.status import edge_status, outbox_of
from config.broker import broker_address
from config.edge import EdgeFile
from config.loader import load_edge
from driftwatt import __version__
from driftwatt.adapters import control
from driftwatt.clock import SystemClock
from driftwatt.errors import ConfigError, Unavailable
from driftwatt.wire import Hello, Span

ANSWER_S = 10.0
CONNECT_S = 15.0
LEAVE_S = 2.0


def replay_edge(file: Path, from_ms: int, to_ms: int, *, edge: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield how far it is about once a second, the last time when it is done. Raises ConfigErrors, Unavailable, Refused."""
    found = load_edge(file)
    if edge not in (None, found.edge.id):
        raise ConfigError("is not the edge of this file", key="--edge", found=str(edge), allowed=found.edge.id)
    folder = outbox_of(file, found).parent
    if edge_status(file).get("running"):
        yield from _asked(folder, from_ms, to_ms)
    else:
        yield asyncio.run(_sent(found, file, folder, Span(from_ms, to_ms)))


def _asked(folder: Path, from_ms: int, to_ms: int) -> Iterator[dict[str, Any]]:
    said = control.ask(folder, {"do": "replay", "from_ms": from_ms, "to_ms": to_ms}, within_s=ANSWER_S)
    while said["running"]:
        yield said
        time.sleep(1.0)
        said = control.ask(folder, {"do": "replaying"}, within_s=ANSWER_S)
    yield said


async def _sent(edge: EdgeFile, file: Path, folder: Path, span: Span) -> dict[str, Any]:
    settings, clock = edge.outbox, SystemClock()
    outbox = await Outbox.open(folder, max_bytes=settings.max_bytes, tail_s=settings.tail, when_full=settings.when_full)
    try:
        hello = Hello(edge.edge.id, __version__, clock.now_ms(), "replay", edge.edge.clock, (), ())
        forwarder = Forwarder(
            edge.edge.id, outbox, mqtt(edge.edge.id, broker_address(edge.broker, file.parent, edge.edge.id)), lambda: hello, clock
        )
        work = asyncio.create_task(forwarder.run())
        try:
            async with asyncio.timeout(CONNECT_S):
                while not forwarder.connected:  # noqa: ASYNC110 - the link tells its thread, not us
                    await asyncio.sleep(0.05)
            progress = forwarder.replaying.ask(span, now_s=0.0, asked_by="a person", limited=False)
            while progress.running:  # noqa: ASYNC110 - a tenth of a second is what a turn of the forwarder takes
                await asyncio.sleep(0.1)
            await forwarder.drain(LEAVE_S)
            await asyncio.sleep(LEAVE_S / 2)  # what was handed over leaves
        except TimeoutError:
            raise Unavailable("the broker cannot be reached") from None
        finally:
            work.cancel()
            await asyncio.wait({work})
    finally:
        await outbox.close()
    return progress.told()
