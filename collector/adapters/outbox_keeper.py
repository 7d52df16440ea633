"""The outbox in its own thread: what is asked of the tables, the counts that are kept beside them, the alarms that follow."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from collector.adapters import outbox_clock
from collector.adapters import outbox_salvage as salvage
from collector.adapters.outbox_disk import Ballast
from collector.adapters.outbox_file import PAGE_BYTES, OutboxFile
from collector.adapters.outbox_room import Pages, Room, WhenFull
from collector.adapters.outbox_tables import Tables
from collector.ports import OutboxFull, OutboxStatus
from collector.pure.gauge import Alarms, Rate
from collector.pure.sending import Held, Parcel
from driftwatt.readings import Removed, Row

log = logging.getLogger(__name__)

ROW_BYTES = 700
"""Room asked for per row before its size is known."""
ROW_OVERHEAD_BYTES = 40
CLAIM_AHEAD = 500
"""Rows beyond those sent that are claimed with them, so that not every message needs a sync."""


class Keeper:
    """The file at `path` and what is known of it. Only `held` and `status` may be read in another thread."""

    def __init__(self, path: Path, *, max_bytes: int, when_full: WhenFull) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._when_full = when_full
        self._file = OutboxFile(path, max(16, min(256, max_bytes // PAGE_BYTES // 16)))
        self._ballast = Ballast(path.with_name("ballast"), min(8 * 1024 * 1024, max_bytes // 16))
        self.held: tuple[Held, ...] = ()
        self._shown: dict[str, int] = {}
        self._waiting = self._tail = self._newest_ms = 0
        self._oldest_ms: int | None = None
        self._used_pages = 0
        self._alarms = Alarms()
        self._rate = Rate()

    @property
    def epoch(self) -> str:
        """Return this process's own epoch."""
        return self._file.epoch

    @property
    def tables(self) -> Tables:
        """Return the tables of the moment."""
        return self._file.tables

    def open(self) -> None:
        """Open or create the file and count what it holds. Raises as OutboxFile does."""
        self._file.open()
        try:
            self._begin()
        except (sqlite3.DatabaseError, LookupError, TypeError) as error:
            if isinstance(error, sqlite3.DatabaseError) and not self._file.damaged_by(error):
                raise
            self._file.begin_anew(error)
            self._begin()
        self._ballast.fill()

    def mend(self, error: Exception) -> None:
        """Begin anew when an error means that the file is damaged, otherwise do nothing."""
        if self._file.damaged_by(error):
            self._file.begin_anew(error)
            self._begin()

    def close(self) -> None:
        """Close the file and free the lock."""
        self._file.close()

    def _begin(self) -> None:
        """Take up a file that was opened just now."""
        if self._file.told:
            self._alarm("outbox_damaged", self._file.told)
        self._pages = Pages(self.tables.sql, (self._max_bytes - self._ballast.size) // PAGE_BYTES - 2 * self._file.wal_pages)
        self._room = Room(self.tables)
        self._recount()

    def _recount(self) -> None:
        """Count what is held, once at the start; from then on the counts are kept."""
        self._waiting = self._tail = 0
        sql = self.tables.sql
        for no, acked, top in sql.execute("SELECT no, acked, top FROM epochs").fetchall():
            count = "SELECT count(*) FROM rows WHERE key BETWEEN ? AND ?"
            self._tail += sql.execute(count, (no << 40, no << 40 | acked)).fetchone()[0]
            self._waiting += sql.execute(count, (no << 40 | acked + 1, no << 40 | top)).fetchone()[0]
        self._look()

    def _look(self) -> None:
        """Take a picture of the tables for those who ask from other threads."""
        self.held = self.tables.held()
        self._used_pages = self._pages.used()
        active = next((span for span in self.held if not span.done), None)
        self._oldest_ms = None
        if active:
            no = self.tables.number(active.epoch)
            found = self.tables.sql.execute("SELECT t FROM rows WHERE key > ? ORDER BY key LIMIT 1", (no << 40 | active.acked,)).fetchone()
            self._oldest_ms = found[0] if found else None

    def commit(self, rows: Sequence[Row]) -> None:
        """See Outbox."""
        self._newest_ms = max((row.t_ms for row in rows if not isinstance(row, Removed)), default=self._newest_ms)
        need = 4 + len(rows) * ROW_BYTES // PAGE_BYTES
        self._make_room(need)
        try:
            written, size = self.tables.commit(rows)
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
        return self.tables.commit(rows)

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

    def read(self, epoch: str, first: int, max_bytes: int) -> tuple[Parcel, ...]:
        """See Outbox."""
        parcels = self.tables.read(epoch, first, max_bytes)
        if parcels:
            self._shown[epoch] = max(self._shown.get(epoch, 0), parcels[-1].seq)
        return parcels

    def claim(self, epoch: str, upto: int) -> None:
        """See Outbox."""
        self.tables.claim(epoch, upto + CLAIM_AHEAD)
        self._look()

    def settle(self, epoch: str, upto: int, by: str) -> None:
        """See Outbox."""
        moved = self.tables.settle(epoch, upto, by)
        self._waiting -= moved
        self._tail += moved
        self._look()
        self._watch()

    def restamp(self, boot: str, offset_ms: float, *, last: bool) -> int:
        """See Outbox."""
        moved = outbox_clock.put_right(self.tables, boot, offset_ms, self._shown)
        if last:
            outbox_clock.forget(self.tables, boot)
        self._look()
        return moved

    def prune(self, older_than_ms: int) -> int:
        """Delete some acknowledged rows, or what is left behind when there are none; returns how many rows."""
        freed = self._room.tail(older_than_ms)
        self._tail -= freed
        if not freed:
            self._room.epochs()
            if hidden := salvage.book_vanished(self.tables):
                self._alarm("outbox_damaged", f"{hidden} rows vanished from the outbox: counted as corrupt")
            if self._ballast.fill() and self._pages.grow():
                log.info("the disk has room again")
        self._look()
        return freed

    def status(self) -> OutboxStatus:
        """See Outbox."""
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

    def commit_failed(self, polls: Sequence[tuple[str, int]]) -> None:
        """Count polls (meter, day) that could not be committed; the next commit that works books them."""
        self.tables.unwritten.update(polls)
        self._alarm("commit_failed", "the outbox cannot be written")
