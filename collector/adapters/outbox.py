"""The outbox: every polled row is synced to disk here before it counts, and stays until the plant has it.

One thread owns the one SQLite connection; all others ask that thread. A second connection that writes or
checkpoints could corrupt the file (the WAL-reset bug of SQLite before 3.51.3).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from collector.adapters import outbox_books, outbox_clock
from collector.adapters.outbox_keeper import Keeper
from collector.adapters.outbox_room import WhenFull
from collector.ports import OutboxStatus
from collector.pure.books import DAY_MS
from collector.pure.restamp import Segment
from collector.pure.sending import Held, Parcel
from driftwatt.errors import Unavailable
from driftwatt.readings import Removed, Row
from driftwatt.wire import LedgerLine

FILE = "outbox.sqlite3"
_P = ParamSpec("_P")
_T = TypeVar("_T")


def read_books(folder: Path, days: int = 7) -> tuple[LedgerLine, ...]:
    """Return the books of the outbox in `folder`, beside a running daemon or without one. Only reads. Raises Unavailable."""
    path = folder / FILE
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as sql:
            return outbox_books.lines(sql, days)
    except sqlite3.Error as error:
        raise Unavailable(f"outbox {path}: {error}") from error


class Outbox:
    """Rows of this edge, in epochs. Use `await Outbox.open(…)`.

    `epoch` is this process's own: 16 hex digits, random at each start, so that a cloned or restored disk
    never continues somebody else's numbers.
    """

    def __init__(self, folder: Path, *, max_bytes: int, tail_s: float, when_full: WhenFull) -> None:
        self._path = folder / FILE
        self._tail_ms = int(tail_s * 1000)
        self._keeper = Keeper(self._path, max_bytes=max_bytes, when_full=when_full)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox")

    @property
    def epoch(self) -> str:
        """Return this process's own epoch."""
        return self._keeper.epoch

    @classmethod
    async def open(cls, folder: Path, *, max_bytes: int, tail_s: float, when_full: WhenFull) -> Outbox:
        """Open or create the outbox in `folder`. Raises ConfigError when another daemon has it, Unavailable when the disk says no."""
        outbox = cls(folder, max_bytes=max_bytes, tail_s=tail_s, when_full=when_full)
        try:
            await outbox._ask(outbox._keeper.open)
        except BaseException:
            await outbox.close()
            raise
        return outbox

    async def commit(self, rows: Sequence[Row]) -> None:
        """Sync rows and their ledger counters to disk in one transaction.

        Raises OutboxFull (policy stop_polling, nothing was written) or Unavailable (nothing was written).
        """
        await self._ask(self._keeper.commit, rows)

    def commit_failed(self, rows: Sequence[Row]) -> None:
        """Count rows that could not be committed as failed polls; written to the books by the next commit that works."""
        self._thread.submit(self._keeper.commit_failed, [(row.meter, row.t_ms // DAY_MS) for row in rows if not isinstance(row, Removed)])

    def held(self) -> tuple[Held, ...]:
        """Return the epochs held, oldest first; the last one is this process's own."""
        return self._keeper.held

    async def read(self, epoch: str, first: int, max_bytes: int) -> tuple[Parcel, ...]:
        """Return consecutive parcels from seq `first` on, at least one if there is any, about `max_bytes` at most."""
        return await self._ask(self._keeper.read, epoch, first, max_bytes)

    async def tail(self, epoch: str, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Return the first and last seq of the acknowledged rows of a stretch of time; the first is above the last when there are none."""
        return await self._ask(lambda: self._keeper.tables.tail(epoch, from_ms, to_ms))

    async def claim(self, epoch: str, upto: int) -> None:
        """Note durably that rows up to `upto` may have been sent, before they are."""
        if any(span.epoch == epoch and span.sent >= upto for span in self._keeper.held):
            return
        await self._ask(self._keeper.claim, epoch, upto)

    async def settle(self, epoch: str, upto: int, by: str) -> None:
        """Move the plant's mark of an epoch to `upto`, forwards or (a plant that was restored) backwards."""
        await self._ask(self._keeper.settle, epoch, upto, by)

    async def note_clock(self, segments: tuple[Segment, ...], boot: str) -> None:
        """Keep how the clock of this process stood while it was not synchronised."""
        await self._ask(lambda: outbox_clock.note(self._keeper.tables, segments, boot))

    async def restamp(self, boot: str, offset_ms: float, *, last: bool) -> int:
        """Move rows of this boot that were never sent to their true time; returns how many. With `last` nothing more is to come."""
        return await self._ask(self._keeper.restamp, boot, offset_ms, last=last)

    async def give_up_clock(self, boot: str) -> int:
        """Mark rows of earlier boots whose clock was never synchronised as uncertain; returns how many."""
        return await self._ask(lambda: outbox_clock.give_up(self._keeper.tables, boot))

    async def prune(self, now_ms: int) -> None:
        """Delete acknowledged rows older than the tail, and epochs that have nothing left."""
        while await self._ask(self._keeper.prune, now_ms - self._tail_ms):
            pass

    async def ledger_lines(self, days: int = 7) -> tuple[LedgerLine, ...]:
        """Return the books of the newest `days` UTC days that have any, one line per meter and day."""
        return await self._ask(lambda: self._keeper.tables.ledger_lines(days))

    def status(self) -> OutboxStatus:
        """Return what people ask about: rows, bytes, hours left, alarms."""
        return self._keeper.status()

    async def close(self) -> None:
        """Close the file and free the lock; never raises."""
        with contextlib.suppress(sqlite3.Error, RuntimeError, Unavailable):
            await self._ask(self._keeper.close)
        self._thread.shutdown()

    async def _ask(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run in the outbox's thread, to the end even when the caller is cancelled; errors of the disk become Unavailable."""

        def guarded() -> _T:
            try:
                return work(*args, **kwargs)
            except (sqlite3.Error, OSError, LookupError) as error:
                self._keeper.mend(error)
                raise Unavailable(f"outbox {self._path}: {error}") from error

        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, guarded))
