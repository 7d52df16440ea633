"""The outbox: every polled row is synced to disk here before it counts, and stays until the plant has it.

One thread owns the one SQLite connection; all others ask that thread. A second connection that writes or
checkpoints could corrupt the file (the WAL-reset bug of SQLite before 3.51.3). The only importer of sqlite3 in this room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

from collector.adapters import outbox_clock
from collector.adapters import outbox_salvage as salvage
from collector.adapters.outbox_disk import LOCK, Ballast, lock
from collector.adapters.outbox_room import Pages, Room, WhenFull
from collector.adapters.outbox_tables import DAY_MS, SCHEMA_VERSION, Tables, books
from collector.ports import OutboxFull, OutboxStatus
from collector.pure.gauge import Alarms, Rate
from collector.pure.restamp import Segment
from collector.pure.sending import Held, Parcel
from driftwatt.errors import ConfigError, Unavailable
from driftwatt.readings import Removed, Row
from driftwatt.wire import LedgerLine

log = logging.getLogger(__name__)

FILE = "outbox.sqlite3"
PAGE_BYTES = 4096
ROW_BYTES = 700
"""Room asked for per row before its size is known."""
ROW_OVERHEAD_BYTES = 40
CLAIM_AHEAD = 500
"""Rows beyond those sent that are claimed with them, so that not every message needs a sync."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


def read_books(folder: Path, days: int = 7) -> tuple[LedgerLine, ...]:
    """Return the books of the outbox in `folder`, beside a running daemon or without one. Only reads. Raises Unavailable."""
    path = folder / FILE
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as sql:
            return books(sql, days)
    except sqlite3.Error as error:
        raise Unavailable(f"outbox {path}: {error}") from error


class Outbox:
    """Rows of this edge, in epochs. Use `await Outbox.open(…)`.

    `epoch` is this process's own: 16 hex digits, random at each start, so that a cloned or restored disk
    never continues somebody else's numbers.
    """

    epoch: str

    def __init__(self, folder: Path, *, max_bytes: int, tail_s: float, when_full: WhenFull) -> None:
        self.epoch = secrets.token_hex(8)
        self._path = folder / FILE
        self._max_bytes = max_bytes
        self._tail_ms = int(tail_s * 1000)
        self._when_full = when_full
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox")
        self._ballast = Ballast(folder / "ballast", min(8 * 1024 * 1024, max_bytes // 16))
        self._held: tuple[Held, ...] = ()
        self._shown: dict[str, int] = {}
        self._waiting = self._tail = self._newest_ms = 0
        self._oldest_ms: int | None = None
        self._used_pages = 0
        self._alarms = Alarms()
        self._rate = Rate()
        self._sql: sqlite3.Connection | None = None
        self._lock: IO[str] | None = None

    @classmethod
    async def open(cls, folder: Path, *, max_bytes: int, tail_s: float, when_full: WhenFull) -> Outbox:
        """Open or create the outbox in `folder`. Raises ConfigError when another daemon has it, Unavailable when the disk says no."""
        outbox = cls(folder, max_bytes=max_bytes, tail_s=tail_s, when_full=when_full)
        try:
            await outbox._ask(outbox._open)
        except BaseException:
            await outbox.close()
            raise
        return outbox

    async def commit(self, rows: Sequence[Row]) -> None:
        """Sync rows and their ledger counters to disk in one transaction.

        Raises OutboxFull (policy stop_polling, nothing was written) or Unavailable (nothing was written).
        """
        await self._ask(self._commit, rows)

    def commit_failed(self, rows: Sequence[Row]) -> None:
        """Count rows that could not be committed as failed polls; written to the books by the next commit that works."""
        counted = [(row.meter, row.t_ms // DAY_MS) for row in rows if not isinstance(row, Removed)]

        def note() -> None:
            self._tables.unwritten.update(counted)
            self._alarm("commit_failed", "the outbox cannot be written")

        self._thread.submit(note)

    def held(self) -> tuple[Held, ...]:
        """Return the epochs held, oldest first; the last one is this process's own."""
        return self._held

    async def read(self, epoch: str, first: int, max_bytes: int) -> tuple[Parcel, ...]:
        """Return consecutive parcels from seq `first` on, at least one if there is any, about `max_bytes` at most."""
        return await self._ask(self._read, epoch, first, max_bytes)

    async def tail(self, epoch: str, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Return the first and last seq of the acknowledged rows of a stretch of time; the first is above the last when there are none."""
        return await self._ask(lambda: self._tables.tail(epoch, from_ms, to_ms))

    async def claim(self, epoch: str, upto: int) -> None:
        """Note durably that rows up to `upto` may have been sent, before they are."""
        if any(span.epoch == epoch and span.sent >= upto for span in self._held):
            return
        await self._ask(self._claim, epoch, upto)

    async def settle(self, epoch: str, upto: int, by: str) -> None:
        """Move the plant's mark of an epoch to `upto`, forwards or (a plant that was restored) backwards."""
        await self._ask(self._settle, epoch, upto, by)

    async def note_clock(self, segments: tuple[Segment, ...], boot: str) -> None:
        """Keep how the clock of this process stood while it was not synchronised."""
        await self._ask(lambda: outbox_clock.note(self._tables, segments, boot))

    async def restamp(self, boot: str, offset_ms: float, *, last: bool) -> int:
        """Move rows of this boot that were never sent to their true time; returns how many. With `last` nothing more is to come."""

        def work() -> int:
            moved = outbox_clock.put_right(self._tables, boot, offset_ms, self._shown)
            if last:
                outbox_clock.forget(self._tables, boot)
            self._look()
            return moved

        return await self._ask(work)

    async def give_up_clock(self, boot: str) -> int:
        """Mark rows of earlier boots whose clock was never synchronised as uncertain; returns how many."""
        return await self._ask(lambda: outbox_clock.give_up(self._tables, boot))

    async def prune(self, now_ms: int) -> None:
        """Delete acknowledged rows older than the tail, and epochs that have nothing left."""
        while await self._ask(self._prune, now_ms - self._tail_ms):
            pass

    async def ledger_lines(self, days: int = 7) -> tuple[LedgerLine, ...]:
        """Return the books of the newest `days` UTC days that have any, one line per meter and day."""
        return await self._ask(lambda: self._tables.ledger_lines(days))

    def status(self) -> OutboxStatus:
        """Return what people ask about: rows, bytes, hours left, alarms."""
        size = self._used_pages * PAGE_BYTES
        taken = size * self._waiting / max(1, self._waiting + self._tail)
        return OutboxStatus(
            rows=self._waiting,
            tail_rows=self._tail,
            bytes=size,
            max_bytes=self._max_bytes,
            oldest_ms=self._oldest_ms,
            hours_left=self._rate.hours(self._pages.limit * PAGE_BYTES - taken),
            alarms=self._alarms.all(),
        )

    async def close(self) -> None:
        """Close the file and free the lock; never raises."""
        with contextlib.suppress(sqlite3.Error, RuntimeError, Unavailable):
            await self._ask(self._close)
        self._thread.shutdown()

    async def _ask(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run in the outbox's thread, to the end even when the caller is cancelled; errors of the disk become Unavailable."""

        def guarded() -> _T:
            try:
                return work(*args, **kwargs)
            except (sqlite3.Error, OSError, LookupError) as error:
                if _damaged(error) and self._lock:
                    self._begin_anew(error)
                raise Unavailable(f"outbox {self._path}: {error}") from error

        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, guarded))

    # From here on everything runs in the outbox's thread.

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = lock(self._path.parent / LOCK)
        salvage.finish(self._path)
        try:
            self._connect()
            self._recount()
        except (sqlite3.DatabaseError, LookupError, TypeError) as error:  # the last two: numbers in the tables that are none
            if isinstance(error, sqlite3.DatabaseError) and not _damaged(error):
                raise
            self._begin_anew(error)
        self._ballast.fill()

    def _connect(self) -> None:
        sql = self._sql = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
        version = sql.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise ConfigError(
                "written by another version of driftwatt", file=str(self._path), found=str(version), allowed=str(SCHEMA_VERSION)
            )
        wal_pages = max(16, min(256, self._max_bytes // PAGE_BYTES // 16))
        sql.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        sql.execute("PRAGMA journal_mode = WAL")
        sql.execute("PRAGMA cache_size = -500")
        sql.execute(f"PRAGMA wal_autocheckpoint = {wal_pages}")
        sql.execute(f"PRAGMA journal_size_limit = {wal_pages * PAGE_BYTES}")
        self._tables = Tables(sql, self.epoch)
        salvage.note_epoch(self._path.parent, self._tables.own, self.epoch)
        self._pages = Pages(sql, (self._max_bytes - self._ballast.size) // PAGE_BYTES - 2 * wal_pages)
        self._room = Room(self._tables)

    def _begin_anew(self, error: Exception) -> None:
        """Go on with what the damaged file still says, under a new epoch: the plant would take our next rows for some it has."""
        if self._sql:
            self._sql.close()
        log.error("outbox damaged (%s): reading what can be read", error)
        aside, found = salvage.set_aside(self._path, self.epoch)
        text = f"{found.kept} rows recovered, {found.lost} lost" if found else "nothing in it could be read"
        log.error("outbox damaged (%s): set aside as %s; %s", error, aside, text)
        self._alarm("outbox_damaged", f"the outbox was damaged and set aside as {aside}; {text}")
        self.epoch = secrets.token_hex(8)
        self._connect()
        salvage.book_damage(self._tables)
        self._recount()

    def _recount(self) -> None:
        """Count what is held, once at the start; from then on the counts are kept."""
        self._waiting = self._tail = 0
        sql = self._tables.sql
        for no, acked, top in sql.execute("SELECT no, acked, top FROM epochs").fetchall():
            count = "SELECT count(*) FROM rows WHERE key BETWEEN ? AND ?"
            self._tail += sql.execute(count, (no << 40, no << 40 | acked)).fetchone()[0]
            self._waiting += sql.execute(count, (no << 40 | acked + 1, no << 40 | top)).fetchone()[0]
        self._look()

    def _look(self) -> None:
        """Take a picture of the tables for those who ask from other threads."""
        self._held = self._tables.held()
        self._used_pages = self._pages.used()
        active = next((span for span in self._held if not span.done), None)
        self._oldest_ms = None
        if active:
            no = self._tables.number(active.epoch)
            found = self._tables.sql.execute("SELECT t FROM rows WHERE key > ? ORDER BY key LIMIT 1", (no << 40 | active.acked,)).fetchone()
            self._oldest_ms = found[0] if found else None

    def _commit(self, rows: Sequence[Row]) -> None:
        self._newest_ms = max((row.t_ms for row in rows if not isinstance(row, Removed)), default=self._newest_ms)
        need = 4 + len(rows) * ROW_BYTES // PAGE_BYTES
        self._make_room(need)
        try:
            written, size = self._tables.commit(rows)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            written, size = self._commit_when_full(rows, need)
        self._waiting += written
        self._rate.add(self._newest_ms, size + ROW_OVERHEAD_BYTES * written)
        self._alarms.down("commit_failed")
        self._look()
        self._watch()

    def _commit_when_full(self, rows: Sequence[Row], need: int) -> tuple[int, int]:
        """Commit once more after making room: the file is at its cap, or somebody else filled the disk."""
        if self._pages.free() > need and self._ballast.drop():
            log.warning("disk full: the outbox gives up its ballast of %d bytes and grows no further", self._ballast.size)
            self._pages.stay()
        self._make_room(need + self._pages.limit // 20)
        return self._tables.commit(rows)

    def _make_room(self, need: int) -> None:
        """Free pages until `need` fit, by the policy. Raises OutboxFull when the policy is to stop."""
        made = self._room.make(self._pages, need, self._when_full)
        self._tail -= made.tail
        self._waiting -= made.waiting
        if made.how:
            self._alarm("outbox_full", f"the outbox is full; {made.how}")
        if self._when_full == "stop_polling" and self._pages.free() < need:
            self._alarm("outbox_full", "the outbox is full; polling has stopped")
            raise OutboxFull(f"outbox {self._path}: full")

    def _watch(self) -> None:
        """Raise and take back the alarms that follow from how full it is."""
        share = self._used_pages * self._waiting / max(1, self._waiting + self._tail) / self._pages.limit
        if share > 0.5:
            self._alarm("outbox_filling", "the outbox is more than half full")
        else:
            self._alarms.down("outbox_filling", "outbox_full")

    def _alarm(self, code: str, text: str) -> None:
        self._alarms.up(code, text, self._newest_ms)

    def _read(self, epoch: str, first: int, max_bytes: int) -> tuple[Parcel, ...]:
        parcels = self._tables.read(epoch, first, max_bytes)
        if parcels:
            self._shown[epoch] = max(self._shown.get(epoch, 0), parcels[-1].seq)
        return parcels

    def _claim(self, epoch: str, upto: int) -> None:
        self._tables.claim(epoch, upto + CLAIM_AHEAD)
        self._look()

    def _settle(self, epoch: str, upto: int, by: str) -> None:
        moved = self._tables.settle(epoch, upto, by)
        self._waiting -= moved
        self._tail += moved
        self._look()
        self._watch()

    def _prune(self, older_than_ms: int) -> int:
        freed = self._room.tail(older_than_ms)
        self._tail -= freed
        if not freed:
            self._room.epochs()
            if hidden := salvage.book_vanished(self._tables):
                self._alarm("outbox_damaged", f"{hidden} rows vanished from the outbox: counted as corrupt")
            if self._ballast.fill() and self._pages.grow():
                log.info("the disk has room again")
        self._look()
        return freed

    def _close(self) -> None:
        if self._sql:
            self._sql.close()
        if self._lock:
            self._lock.close()


def _damaged(error: Exception) -> bool:
    """Tell whether an error means that the file is not what was written."""
    if isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode"):
        return True  # not SQLite complains but Python, of a text that is none
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
