"""The tables of the outbox and the transactions on them. Called only in the outbox's own thread.

A row's key is `epoch number << 40 | seq`, so rows lie in the order in which they are sent. The books count
polls per meter and UTC day in the same transaction that changes the rows.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from collector.pure.sending import Held, Parcel
from driftwatt.clock import utc_day
from driftwatt.readings import FailedPoll, Reading, Removed, Row
from driftwatt.wire import MAX_PAYLOAD_BYTES, MAX_ROWS, MESSAGE_OVERHEAD_BYTES, LedgerLine, row_bytes

SCHEMA_VERSION = 1
DAY_MS = 86_400_000
OK, FAILED, CORRUPT = 0, 1, 2
FULL = "outbox_full"
NOBODY = "-"
KEEP_BOOK_DAYS = 62
_SEAL = struct.Struct("<qqqq")

_SCHEMA = """
CREATE TABLE epochs (no INTEGER PRIMARY KEY AUTOINCREMENT, epoch TEXT NOT NULL UNIQUE, base INTEGER NOT NULL, top INTEGER NOT NULL,
  acked INTEGER NOT NULL, sent INTEGER NOT NULL, by TEXT NOT NULL);
CREATE TABLE meters (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE rows (key INTEGER PRIMARY KEY, meter INTEGER NOT NULL, t INTEGER NOT NULL, kind INTEGER NOT NULL,
  crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE books (day INTEGER NOT NULL, meter INTEGER NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (day, meter, what)) WITHOUT ROWID;
"""

Book = tuple[int, int, str]
"""One counter: UTC day since 1970, meter number, what is counted (`failed:timeout`, `waiting`, …)."""
Moved = Sequence[tuple[int, int, int, int]]
"""Rows counted by (meter number, day, kind): (meter, day, kind, count)."""


class Sql(Protocol):
    """What is used of a SQLite connection in autocommit mode."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each of the parameters."""

    def executescript(self, script: str, /) -> Any:
        """Run several statements."""

    def rollback(self) -> None:
        """Take back the open transaction, if there is one."""


def create(sql: Sql) -> None:
    """Make the tables in an empty file."""
    sql.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")


class Tables:
    """The state on disk. Every method that changes it is one transaction: all of it happens, or nothing."""

    def __init__(self, sql: Sql, epoch: str) -> None:
        self.sql = sql
        if not sql.execute("PRAGMA user_version").fetchone()[0]:
            create(sql)
        with self.transaction():
            sql.execute("DELETE FROM epochs WHERE top = 0")
            sql.execute("INSERT INTO epochs (epoch, base, top, acked, sent, by) VALUES (?, 1, 0, 0, 0, '')", (epoch,))
        self.own = sql.execute("SELECT no FROM epochs WHERE epoch = ?", (epoch,)).fetchone()[0]
        self._meters: dict[str, int] = dict(sql.execute("SELECT id, no FROM meters"))
        self.unwritten: Counter[tuple[str, int]] = Counter()
        """Polls whose commit failed, by meter and day; the next commit that works books them."""

    @contextmanager
    def transaction(self, *, synced: bool = True) -> Iterator[None]:
        """Run the block as one transaction. Without `synced` a power cut may undo it: only for what costs nothing but duplicates."""
        self.sql.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
        self.sql.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.sql.execute("COMMIT")
        except BaseException:
            self.sql.rollback()
            raise

    def held(self) -> tuple[Held, ...]:
        """Return all epochs, oldest first."""
        return tuple(Held(*row) for row in self.sql.execute("SELECT epoch, base, top, acked, sent, by FROM epochs ORDER BY no"))

    def number(self, epoch: str) -> int:
        """Return the number of an epoch. Raises KeyError when it is not held."""
        found = self.sql.execute("SELECT no FROM epochs WHERE epoch = ?", (epoch,)).fetchone()
        if found is None:
            raise KeyError(epoch)
        return int(found[0])

    def meter(self, name: str) -> int:
        """Return the number of a meter, a new one inside the open transaction when it is not known."""
        known = self._meters.get(name)
        if known is None:
            self.sql.execute("INSERT OR IGNORE INTO meters (id) VALUES (?)", (name,))
            known = self.sql.execute("SELECT no FROM meters WHERE id = ?", (name,)).fetchone()[0]
        return int(known)

    def commit(self, rows: Sequence[Row]) -> tuple[int, int]:
        """Append rows to this process's epoch with their books. Returns (rows, bytes) written."""
        counts: Counter[Book] = Counter()
        seq = int(self.sql.execute("SELECT top FROM epochs WHERE no = ?", (self.own,)).fetchone()[0])
        records = []
        met: dict[str, int] = {}
        with self.transaction():
            for row in rows:
                if isinstance(row, Removed):
                    continue
                meter = met[row.meter] = met.get(row.meter) or self.meter(row.meter)
                seq += 1
                failed, body = _judged(row)
                kind = FAILED if failed else OK
                count_poll(counts, meter, row.t_ms // DAY_MS, failed)
                key = self.own << 40 | seq
                records.append((key, meter, row.t_ms, kind, seal(key, meter, row.t_ms, kind, body), body))
            self.sql.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", records)
            for (name, day), n in self.unwritten.items():
                meter = met[name] = met.get(name) or self.meter(name)
                counts.update({(day, meter, "polled"): n, (day, meter, "failed:commit_failed"): n})
            self.book(counts)
            self.sql.execute("UPDATE epochs SET top = ? WHERE no = ?", (seq, self.own))
        self._meters.update(met)
        self.unwritten.clear()
        return len(records), sum(len(record[5]) for record in records)

    def book(self, counts: Counter[Book]) -> None:
        """Add to the books inside the open transaction."""
        self.sql.executemany(
            "INSERT INTO books VALUES (?, ?, ?, ?) ON CONFLICT (day, meter, what) DO UPDATE SET n = n + excluded.n",
            [(*book, n) for book, n in counts.items() if n],
        )

    def moved(self, first: int, last: int) -> Moved:
        """Return how many rows lie between two keys, by meter, day and kind."""
        found = self.sql.execute(
            f"SELECT meter, t / {DAY_MS}, kind, count(*) FROM rows WHERE key BETWEEN ? AND ? GROUP BY 1, 2, 3",  # noqa: S608
            (first, last),
        )
        return list(found)

    def settle(self, epoch: str, upto: int, by: str) -> int:
        """Move the mark of an epoch. Returns how many rows more (fewer: negative) are acknowledged now.

        Need not be synced: a mark that a power cut takes back costs duplicates only.
        """
        no = self.number(epoch)
        acked = int(self.sql.execute("SELECT acked FROM epochs WHERE no = ?", (no,)).fetchone()[0])
        sign = 1 if upto >= acked else -1
        with self.transaction(synced=False):
            moved = self.moved(no << 40 | min(upto, acked) + 1, no << 40 | max(upto, acked))
            self.book(change(moved, {"stored": sign, "waiting": -sign}))
            self.sql.execute("UPDATE epochs SET acked = ?, by = ? WHERE no = ?", (upto, by, no))
        return sign * sum(count for *_, count in moved)

    def claim(self, epoch: str, upto: int) -> None:
        """Note durably that rows up to `upto` may have been sent."""
        with self.transaction():
            self.sql.execute("UPDATE epochs SET sent = max(sent, ?) WHERE epoch = ?", (upto, epoch))

    def read(self, epoch: str, first: int, max_bytes: int) -> tuple[Parcel, ...]:
        """Return consecutive parcels from `first` on. A row whose checksum is wrong is booked as corrupt and travels as removed."""
        no = self.number(epoch)
        base, top, acked = self.sql.execute("SELECT base, top, acked FROM epochs WHERE no = ?", (no,)).fetchone()
        first = max(first, base)  # rows that were dropped a moment ago are no thinned ones
        query = "SELECT key, meter, t, kind, crc, CAST(body AS BLOB) FROM rows WHERE key BETWEEN ? AND ? ORDER BY key"
        parcels: list[Parcel] = []
        broken: list[tuple[int, int, int, int]] = []
        expected, size = first, 0
        cursor = self.sql.execute(query, (no << 40 | first, no << 40 | top))
        for key, meter, t_ms, kind, crc, body in cursor:
            seq = key & (1 << 40) - 1
            parcels.extend(_hole(expected, seq - expected))
            if kind == CORRUPT or not _sound((key, meter, t_ms, kind, body), crc):
                parcels.append(Parcel(seq, 1, row_bytes(Removed("corrupt"))))
                if kind != CORRUPT:
                    broken.append((key, meter, t_ms if isinstance(t_ms, int) else 0, kind if seq > acked else CORRUPT))
            else:
                parcels.append(Parcel(seq, 1, body))
            expected = seq + 1
            size += len(parcels[-1].body)
            if size >= max_bytes:
                break
        else:
            parcels.extend(_hole(expected, top - expected + 1))
        cursor.close()
        if broken:
            self._set_aside(broken)
        return tuple(parcels)

    def tail(self, epoch: str, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Return the first and last seq of the acknowledged rows in `[from_ms, to_ms)`, as rows of an epoch ascend in time."""
        no = self.number(epoch)
        base, acked = self.sql.execute("SELECT base, acked FROM epochs WHERE no = ?", (no,)).fetchone()
        return self._first_from(no, from_ms, base, acked + 1), self._first_from(no, to_ms, base, acked + 1) - 1

    def _first_from(self, no: int, t_ms: int, low: int, high: int) -> int:
        """Return the first seq in `[low, high]` whose row is of an instant or later; `high` when there is none."""
        while low < high:
            middle = (low + high) // 2
            query = "SELECT key, t FROM rows WHERE key BETWEEN ? AND ? ORDER BY key LIMIT 1"
            found = self.sql.execute(query, (no << 40 | middle, no << 40 | high - 1)).fetchone()
            if found is None or found[1] >= t_ms:
                high = middle
            else:
                low = (found[0] & (1 << 40) - 1) + 1
        return low

    def _set_aside(self, broken: Sequence[tuple[int, int, int, int]]) -> None:
        counts: Counter[Book] = Counter()
        nobody = self.meter(NOBODY)
        known = {number for (number,) in self.sql.execute("SELECT no FROM meters")}
        with self.transaction():
            for key, meter, t_ms, kind in broken:
                self.sql.execute("UPDATE rows SET kind = ?, body = x'' WHERE key = ?", (CORRUPT, key))
                owner = meter if meter in known else nobody
                counts.update(change([(owner, t_ms // DAY_MS, kind, 1)], {"waiting": -1, "dropped:corrupt": 1}))
            self.book(counts)

    def ledger_lines(self, days: int) -> tuple[LedgerLine, ...]:
        """Return the books of the newest `days` days."""
        return books(self.sql, days)


def books(sql: Sql, days: int) -> tuple[LedgerLine, ...]:
    """Return the books of the newest `days` days that have any. Only reads."""
    newest = sql.execute("SELECT max(day) FROM books").fetchone()[0] or 0
    query = "SELECT day, meter, what, n FROM books WHERE day > ? ORDER BY day, meter"
    names = {number: name for name, number in sql.execute("SELECT id, no FROM meters")}
    lines: dict[tuple[int, int], dict[str, int]] = {}
    for day, meter, what, n in sql.execute(query, (newest - days,)):
        lines.setdefault((day, meter), {})[what] = n
    return tuple(ledger_line(names.get(meter, NOBODY), day, found) for (day, meter), found in lines.items())


def seal(key: int, meter: int, t_ms: int, kind: int, body: bytes) -> int:
    """Return the checksum that is kept with a row from its commit on: any bit that flips on flash shows."""
    return zlib.crc32(body, zlib.crc32(_SEAL.pack(key, meter, t_ms, kind)))


def _sound(row: tuple[int, int, int, int, bytes], crc: int) -> bool:
    try:
        return seal(*row) == crc
    except (struct.error, TypeError):  # a flipped bit can make a number a text, or nothing
        return False


def count_poll(counts: Counter[Book], meter: int, day: int, failed: str | None) -> None:
    """Count one poll in its one class."""
    for what in ("polled", f"failed:{failed}") if failed else ("polled", "committed", "waiting"):
        counts[day, meter, what] += 1


def change(moved: Moved, by: dict[str, int]) -> Counter[Book]:
    """Return the changes of the books when good rows move from one class to another."""
    counts: Counter[Book] = Counter()
    for meter, day, kind, count in moved:
        if kind == OK:
            for what, sign in by.items():
                counts[day, meter, what] += sign * count
    return counts


def ledger_line(meter: str, day: int, books: dict[str, int]) -> LedgerLine:
    """Return the books of one meter and day as the wire has them."""
    parts: dict[str, dict[str, int]] = {"failed": {}, "dropped": {}}
    for what, n in books.items():
        head, _, reason = what.partition(":")
        if reason and n:
            parts[head][reason] = n
    plain = {name: books.get(name, 0) for name in ("polled", "committed", "stored", "waiting", "thinned")}
    return LedgerLine(meter, utc_day(day * DAY_MS), failed=parts["failed"], dropped=parts["dropped"], **plain)


def _judged(row: Reading | FailedPoll) -> tuple[str | None, bytes]:
    """Return why a row counts as failed (None: it does not) and its bytes. What cannot travel must never get in."""
    try:
        body = row_bytes(row)
        reason = row.reason if isinstance(row, FailedPoll) else None
        if len(body) <= MAX_PAYLOAD_BYTES - MESSAGE_OVERHEAD_BYTES:
            return reason, body
        reason = "oversize"
    except ValueError:
        reason = "not_finite"
    return reason, row_bytes(FailedPoll(row.meter, row.t_ms, reason, row.duration_ms, row.clock))


def _hole(first: int, count: int) -> Iterator[Parcel]:
    while count > 0:
        part = min(count, MAX_ROWS)
        yield Parcel(first, part, row_bytes(Removed("thinned", part)))
        first, count = first + part, count - part
