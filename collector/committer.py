"""Between the pollers and the outbox: gathers rows so that one sync serves many of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from collector.ports import OutboxFull, RowStore
from driftwatt.clock import Clock, StridingClock
from driftwatt.errors import Unavailable
from driftwatt.readings import Row

log = logging.getLogger(__name__)

MAX_WAITING_ROWS = 1000
"""Pollers wait once this many rows are not yet committed; more than this many are never lost at a crash."""
RETRY_S = 1.0


class Committer:
    """A RowSink (collector/ports.py). Rows wait here for at most `commit_every_s`, not at all while the clock strides.

    Real seconds, not the clock's: a disk syncs no faster because the plant's clock is catching up.
    `on_commit` is called in the event loop after each commit (pass `Forwarder.wake`).
    """

    def __init__(self, outbox: RowStore, clock: Clock, commit_every_s: float, *, on_commit: Callable[[], None] | None = None) -> None:
        self._outbox = outbox
        self._clock = clock
        self._commit_every_s = commit_every_s
        self._on_commit = on_commit or (lambda: None)
        self._waiting: list[Row] = []
        self._arrived = asyncio.Event()
        self._urgent = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._failing = False

    async def accept(self, rows: Sequence[Row]) -> None:
        """Take the rows of one bus cycle in order. Waits while commits lag; never drops."""
        await self._room.wait()
        self._waiting.extend(rows)
        if self._waiting:
            self._arrived.set()
        if len(self._waiting) >= MAX_WAITING_ROWS:
            self._room.clear()
        if len(self._waiting) >= MAX_WAITING_ROWS // 2:
            self._urgent.set()

    async def run(self) -> None:
        """Commit for ever. Cancel it to stop, then call `drain`."""
        while True:
            await self._arrived.wait()
            if not (isinstance(self._clock, StridingClock) and self._clock.striding):
                await self._gather()
            await self._commit()

    async def drain(self) -> None:
        """Commit what still waits; for a clean shutdown and for `--once`."""
        if self._waiting:
            await self._commit()

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(self._commit_every_s):
                await self._urgent.wait()
        except TimeoutError:
            pass

    async def _commit(self) -> None:
        rows, self._waiting = self._waiting, []
        self._arrived.clear()
        self._urgent.clear()
        try:
            await self._outbox.commit(rows)
        except OutboxFull as error:
            self._report(error)
            self._waiting[:0] = rows
            self._arrived.set()
            self._room.clear()
            await asyncio.sleep(RETRY_S)
            return
        except Unavailable as error:
            self._report(error)
            self._outbox.commit_failed(rows)
        else:
            if self._failing:
                log.info("commits work again")
                self._failing = False
        self._room.set()
        self._on_commit()

    def _report(self, error: Unavailable) -> None:
        log.log(logging.DEBUG if self._failing else logging.WARNING, "cannot commit %d rows: %s", len(self._waiting), error)
        self._failing = True
