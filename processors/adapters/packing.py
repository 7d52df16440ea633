"""The writing side of packed series: points in, waiting points into chunks. One connection, one thread at a time.

What waits is in memory as well as in the log: it is packed from there, and pages read it there.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Iterator

from processors.adapters.chunks import Chunks
from processors.adapters.database import transaction
from processors.adapters.packed import HABITS
from processors.adapters.shelves import NEVER, Draft, Shelf, appended, joined
from processors.pure.columns import Block, DamagedError
from processors.pure.runs import Fields, Run, block_of, log_row, logged

log = logging.getLogger(__name__)

WAITING, A_SERIES, LONGEST = 65_536, 128, 8640
"""Packing begins when so many points wait, for plants of many meters so many a series; or so many of one series."""
FEW = 16
"""One series fills up only where few are written together."""
STEP = 1000
"""Points that move in one transaction, or those of one series."""
SHAPES = 4096


class Packing:
    """What the writer knows of its file: the ids of series and fields, and what waits."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.chunks = Chunks(db)
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Read everything known from the file again; after a write that was undone nothing else is right."""
        self._fields: dict[str, int] = dict(self._db.execute("SELECT name, id FROM field"))
        self._shapes: dict[tuple[str, ...], Fields] = {}
        newest = dict(self._db.execute("SELECT series, max(last) FROM chunk GROUP BY series"))
        moved = dict(self._db.execute("SELECT series, upto FROM moved"))
        shelves: dict[str, dict[str, Shelf]] = {table: {} for table in HABITS}
        by_number = {}
        for number, table, tag in self._db.execute("SELECT id, name, tag FROM series"):
            by_number[number] = shelves[table][tag] = Shelf(number, HABITS[table], newest.get(number, NEVER))
        self._count = 0
        for number, body in self._db.execute("SELECT id, body FROM open ORDER BY id").fetchall():
            try:
                for series, run in list(logged(body)):
                    if number > moved.get(series, 0):
                        appended(by_number[series], run)
                        self._count += len(run.times)
            except (DamagedError, KeyError) as error:
                self._set_aside(number, error)
        self._going: deque[Shelf] = deque()
        self._upto = self._credit = 0
        with self._lock:
            self.shelves = shelves

    def shelf(self, table: str, tag: str) -> Shelf:
        """Return the shelf of a series; a new one gets its number. Call it in the transaction that writes its points."""
        found = self.shelves[table].get(tag)
        if found is None:
            number = self._db.execute("INSERT INTO series (name, tag) VALUES (?, ?)", (table, tag)).lastrowid or 0
            found = Shelf(number, HABITS[table])
            with self._lock:
                self.shelves[table][tag] = found
        return found

    def shape(self, names: tuple[str, ...]) -> Fields:
        """Return the ids of some fields. Call it in the transaction that writes them."""
        found = self._shapes.get(names)
        if found is None:
            if len(self._shapes) >= SHAPES:  # an edge gone mad makes ever new sets of fields
                self._shapes.clear()
            found = self._shapes[names] = tuple(self._field(name) for name in names)
        return found

    def append(self, draft: Draft) -> None:
        """Write a draft to the log, in the transaction that is open."""
        if draft.rows:
            self._db.execute("INSERT INTO open (body) VALUES (?)", (draft.log_row(),))

    def settled(self, draft: Draft) -> None:
        """Count a draft that is committed, and pack as much as it brought: each write pays for itself, none for long."""
        with self._lock:
            draft.settle()
        self._count += draft.rows
        if not self._going and self._is_enough(draft):
            self._begin()
        self._credit = min(self._credit + 2 * draft.rows, WAITING) if self._going else 0
        while self._going and self._credit > 0:
            self._credit -= max(1, self.step())

    def waiting(self, table: str, tag: str) -> list[Block]:
        """Return copies of what waits of a series, from any thread.

        Ask before the chunks are read: a point may be in both then, never in none.
        """
        with self._lock:
            shelf = self.shelves[table].get(tag)
            return [run.block() for run in (*shelf.going, *shelf.runs)] if shelf else []

    def step(self) -> int:
        """Pack some series of those on their way and return how many points moved; the last step removes their rows of the log."""
        shelves, rows = list[Shelf](), 0
        with transaction(self._db) as db:
            while self._going and rows < STEP:
                shelves.append(self._going.popleft())
                self.chunks.put(shelves[-1], block_of(shelves[-1].going))
                db.execute("INSERT OR REPLACE INTO moved VALUES (?, ?)", (shelves[-1].number, self._upto))
                rows += sum(len(run.times) for run in shelves[-1].going)
        self._count -= rows
        with self._lock:
            for shelf in shelves:
                shelf.going = []
        if not self._going:
            self._end()
        return rows

    def pack_all(self, before_ms: int) -> int:
        """Take one step of packing every series that has points waiting in a span that ended before an instant; 0 when none has."""
        if not self._going:
            old = [shelf for shelf in self.every() if any(run.times[0] < shelf.habit.begin(before_ms) for run in shelf.runs)]
            if not old:
                return 0
            self._begin(old)
        return max(1, self.step())

    def shrink(self, pages: int, *, spare: int) -> int:
        """Give at most `pages` free pages back to the disk, keeping one of `spare` pages free; return how many were given."""
        free: int = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        giving = min(pages, free - self._db.execute("PRAGMA page_count").fetchone()[0] // spare)
        if giving <= 0:
            return 0
        self._db.execute(f"PRAGMA incremental_vacuum({giving})").fetchall()
        left: int = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        return free - left

    def _is_enough(self, draft: Draft) -> bool:
        if self._count >= max(WAITING, A_SERIES * sum(map(len, self.shelves.values()))):
            return True
        return len(draft.runs) < FEW and any(shelf.rows() >= LONGEST for shelf in self.every() if shelf.number in draft.runs)

    def every(self) -> Iterator[Shelf]:
        """Yield the shelves of all series."""
        return (shelf for table in self.shelves.values() for shelf in table.values())

    def _begin(self, chosen: Iterable[Shelf] | None = None) -> None:
        """Send series on their way: those chosen, or all that have enough waiting."""
        self._upto = self._db.execute("SELECT coalesce(max(id), 0) FROM open").fetchone()[0]
        for shelf in list(chosen if chosen is not None else (each for each in self.every() if each.rows() >= each.habit.wait)):
            with self._lock:
                shelf.going, shelf.runs = shelf.runs, []
            self._going.append(shelf)
        if not self._going:
            self._end()

    def _end(self) -> None:
        """Remove the rows of the log whose points have moved; what of them still waits is written anew as one row."""
        with transaction(self._db) as db:
            moved = dict(db.execute("SELECT series, upto FROM moved"))
            kept: list[tuple[int, Run]] = []
            for number, body in db.execute("SELECT id, body FROM open WHERE id <= ? ORDER BY id", (self._upto,)):
                kept += [(series, run) for series, run in logged(body) if number > moved.get(series, 0)]
            db.execute("DELETE FROM open WHERE id <= ?", (self._upto,))
            db.execute("DELETE FROM moved")
            if kept:
                db.execute("INSERT INTO open VALUES (?, ?)", (self._upto, log_row(joined(kept))))

    def _field(self, name: str) -> int:
        found = self._fields.get(name)
        if found is None:
            found = self._fields[name] = self._db.execute("INSERT INTO field (name) VALUES (?)", (name,)).lastrowid or 0
        return found

    def _set_aside(self, number: int, error: Exception) -> None:
        log.error("row %d of the store's log is damaged and set aside; the ledger shows what is missing: %s", number, error)
        self._db.execute("INSERT OR REPLACE INTO damaged SELECT id, body FROM open WHERE id = ?", (number,))
        self._db.execute("DELETE FROM open WHERE id = ?", (number,))
