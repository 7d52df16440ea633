"""How the outbox makes room: what leaves first, and how it is booked. Called only in the outbox's own thread.

Acknowledged rows go first, then failed polls, then what the policy says: `thin` keeps one row per meter and
minute, `drop_oldest` gives up the oldest rows. The newest row of an epoch always stays: it tells the plant
that what lay before it will never come.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from collector.adapters import outbox_books
from collector.adapters.outbox_books import Sql
from collector.adapters.outbox_tables import Tables
from collector.pure.books import CORRUPT, DAY_MS, FAILED, change

WhenFull = Literal["thin", "drop_oldest", "stop_polling"]
CHUNK_ROWS = 2000
DROPPED = "dropped:outbox_full"
_SEQ = (1 << 40) - 1


@dataclass(frozen=True, slots=True)
class Made:
    """How many acknowledged and waiting rows went, and how, in words; nothing when only those went that cost nothing."""

    tail: int
    waiting: int
    how: str


class Pages:
    """How many pages the file has and may have."""

    def __init__(self, sql: Sql, own: int) -> None:
        self._sql, self._own = sql, own
        self.limit = own
        self._tell()

    def used(self) -> int:
        """Return how many pages hold something."""
        return self._pragma("page_count") - self._pragma("freelist_count")

    def free(self) -> int:
        """Return how many more pages can be used; negative when the limit was lowered below what is used."""
        return self.limit - self.used()

    def stay(self) -> None:
        """Let the file grow no further than it is: the disk has no room for it."""
        self.limit = self._pragma("page_count")
        self._tell()

    def grow(self) -> bool:
        """Let the file grow to its own bound again. Returns whether that is news."""
        news, self.limit = self.limit != self._own, self._own
        self._tell()
        return news

    def _tell(self) -> None:
        self._sql.execute(f"PRAGMA max_page_count = {self.limit}")

    def _pragma(self, name: str) -> int:
        return int(self._sql.execute(f"PRAGMA {name}").fetchone()[0])


class Room:
    """Deletes rows from the tables. Each method is one transaction of bounded size and returns how many rows it freed."""

    def __init__(self, tables: Tables, chunk_rows: int = CHUNK_ROWS) -> None:
        self._tables = tables
        self._chunk_rows = chunk_rows
        self._without_failed = 0
        self._thinned_upto = 0
        self._minutes: dict[int, int] = {}

    def make(self, pages: Pages, need: int, when_full: WhenFull) -> Made:
        """Free pages until `need` fit and some to spare, as far as the policy goes."""
        tail = waiting = 0
        how = ""
        goal = need + max(4, pages.limit // 50) if pages.free() < need else 0
        while pages.free() < goal:
            gone = self.tail()
            if gone:
                tail += gone
                continue
            gone, word = self._worth_something(when_full)
            if not gone:
                break
            waiting += gone
            how = word or how
        return Made(tail, waiting, how)

    def _worth_something(self, when_full: WhenFull) -> tuple[int, str]:
        gone = self.failed()
        if gone or when_full == "stop_polling":
            return gone, ""
        gone = self.thin() if when_full == "thin" else 0
        if gone:
            return gone, "old rows are thinned to one a minute"
        return self.oldest(), "the oldest rows are dropped"

    def tail(self, older_than_ms: int | None = None) -> int:
        """Delete the oldest acknowledged rows: those older than an instant, or the first ones whatever their age."""
        sql = self._tables.sql
        for no, acked in sql.execute("SELECT no, acked FROM epochs ORDER BY no").fetchall():
            oldest = "SELECT key, t FROM rows WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?"
            found = sql.execute(oldest, (no << 40, no << 40 | acked, self._chunk_rows)).fetchall()
            keys = [key for key, _ in takewhile(lambda row: older_than_ms is None or row[1] < older_than_ms, found)]
            if keys:
                with self._tables.transaction(synced=False):
                    freed = int(sql.execute("DELETE FROM rows WHERE key BETWEEN ? AND ?", (no << 40, keys[-1])).rowcount)
                    self._tables.rebase(no, (keys[-1] & _SEQ) + 1)
                return freed
        return 0

    def epochs(self) -> int:
        """Delete epochs of earlier lives that are acknowledged and hold nothing, and books of long ago."""
        sql = self._tables.sql
        with self._tables.transaction(synced=False):
            gone = sql.execute(
                "DELETE FROM epochs WHERE no <> ? AND acked >= top AND NOT EXISTS "
                "(SELECT 1 FROM rows WHERE key BETWEEN epochs.no << 40 AND (epochs.no << 40) | epochs.top)",
                (self._tables.own,),
            )
            outbox_books.forget(sql)
        return int(gone.rowcount)

    def failed(self) -> int:
        """Delete failed polls that were never sent; their books stay."""
        sql = self._tables.sql
        for no, top, acked, sent in sql.execute("SELECT no, top, acked, sent FROM epochs ORDER BY no").fetchall():
            first, last = max(no << 40 | max(acked, sent) + 1, self._without_failed + 1), no << 40 | top - 1
            query = "SELECT key FROM rows WHERE key BETWEEN ? AND ? AND kind = ? ORDER BY key LIMIT ?"
            found = sql.execute(query, (first, last, FAILED, self._chunk_rows)).fetchall()
            self._without_failed = max(self._without_failed, found[-1][0] if len(found) == self._chunk_rows else last)
            if found:
                with self._tables.transaction():
                    sql.executemany("DELETE FROM rows WHERE key = ?", found)
                return len(found)
        return 0

    def thin(self) -> int:
        """Thin the oldest rows that were never sent to one per meter and minute. A removed row keeps its seq."""
        sql = self._tables.sql
        for no, top, acked, sent in sql.execute("SELECT no, top, acked, sent FROM epochs ORDER BY no").fetchall():
            while True:
                first = max(no << 40 | max(acked, sent) + 1, self._thinned_upto + 1)
                query = "SELECT key, meter, t, kind FROM rows WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?"
                found = sql.execute(query, (first, no << 40 | top - 1, self._chunk_rows)).fetchall()
                freed = self._thin(found)
                if freed:
                    return freed
                if not found:
                    break
        return 0

    def _thin(self, found: list[tuple[int, int, int, int]]) -> int:
        extra = []
        for key, meter, t_ms, kind in found:
            if kind != CORRUPT and (kind == FAILED or self._minutes.get(meter) == t_ms // 60_000):
                extra.append((key, meter, t_ms // DAY_MS, kind))
            else:
                self._minutes[meter] = t_ms // 60_000
            self._thinned_upto = key
        if extra:
            with self._tables.transaction():
                self._tables.sql.executemany("DELETE FROM rows WHERE key = ?", [(key,) for key, *_ in extra])
                outbox_books.add(
                    self._tables.sql, change([(meter, day, kind, 1) for _, meter, day, kind in extra], {"thinned": 1, "waiting": -1})
                )
        return len(extra)

    def oldest(self) -> int:
        """Give up the oldest rows that the plant does not have, all but the newest of each epoch."""
        sql = self._tables.sql
        for no, top, acked in sql.execute("SELECT no, top, acked FROM epochs ORDER BY no").fetchall():
            first = no << 40 | acked + 1
            query = "SELECT max(key) FROM (SELECT key FROM rows WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?)"
            last = sql.execute(query, (first, no << 40 | top - 1, max(1, self._chunk_rows // 4))).fetchone()[0]
            if last is not None:
                with self._tables.transaction():
                    moved = self._tables.moved(first, last)
                    freed = int(sql.execute("DELETE FROM rows WHERE key BETWEEN ? AND ?", (first, last)).rowcount)
                    outbox_books.add(self._tables.sql, change(moved, {DROPPED: 1, "waiting": -1}))
                    self._tables.rebase(no, (last & _SEQ) + 1)  # thinned seqs behind it are still held
                return freed
        return 0
