"""The tables of the outbox and the transactions on them. Called only in the outbox's own thread.

A row's key is `epoch number << 40 | seq`, so rows lie in the order in which they are sent. The books count
polls per meter and UTC day in the same transaction that changes the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from collector.adapters import outbox_books
from collector.adapters.outbox_books import Sql
from collector.adapters.outbox_schema import SOUND, Spoilt, prepare
from collector.pure.books import CORRUPT, DAY_MS, FAILED, NOBODY, OK, Book, Moved, change, count_poll
from collector.pure.sealed import hole, judged, seal, sound
from collector.pure.sending import Held, Parcel
from driftwatt.readings import Removed, Row
from driftwatt.wire import LedgerLine, row_bytes


class Tables:
    """The state on disk. Every method that changes it is one transaction: all of it happens, or nothing."""

    def __init__(self, sql: Sql, epoch: str) -> None:
        self.sql = sql
        prepare(sql)
        with self.transaction():
            sql.execute("DELETE FROM epochs WHERE top = 0")
            sql.execute("INSERT INTO epochs (epoch, base, top, acked, sent, by, twin) VALUES (?, 1, 0, 0, 0, '', 1)", (epoch,))
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

    def rebase(self, no: int, base: int) -> None:
        """Note the oldest seq of an epoch that is still held, inside the open transaction."""
        self.sql.execute("UPDATE epochs SET twin = twin + ?1 - base, base = ?1 WHERE no = ?2", (base, no))

    def check(self, names: Mapping[int, str]) -> int:
        """Look whether the numbers are what was written; `names` are the epochs as they were noted elsewhere.

        Returns how many counters of the books had to be worked out. Raises Spoilt of epochs that are not what was written.
        """
        for no, epoch, right in self.sql.execute(f"SELECT no, epoch, twin = {SOUND} FROM epochs"):  # noqa: S608 - our own words
            if not right or names.get(no, epoch) != epoch:
                raise Spoilt(f"epoch {no} is not what was written")
        with self.transaction():
            return outbox_books.mend(self.sql)

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
                failed, body = judged(row)
                kind = FAILED if failed else OK
                count_poll(counts, meter, row.t_ms // DAY_MS, failed)
                key = self.own << 40 | seq
                records.append((key, meter, row.t_ms, kind, seal(key, meter, row.t_ms, kind, body), body))
            self.sql.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", records)
            for (name, day), n in self.unwritten.items():
                meter = met[name] = met.get(name) or self.meter(name)
                counts.update({(day, meter, "polled"): n, (day, meter, "failed:commit_failed"): n})
            outbox_books.add(self.sql, counts)
            self.sql.execute("UPDATE epochs SET twin = twin + 3 * (?1 - top), top = ?1 WHERE no = ?2", (seq, self.own))
        self._meters.update(met)
        self.unwritten.clear()
        return len(records), sum(len(record[5]) for record in records)

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
            outbox_books.add(self.sql, change(moved, {"stored": sign, "waiting": -sign}))
            self.sql.execute("UPDATE epochs SET twin = twin + 5 * (?1 - acked), acked = ?1, by = ?2 WHERE no = ?3", (upto, by, no))
        return sign * sum(count for *_, count in moved)

    def claim(self, epoch: str, upto: int) -> None:
        """Note durably that rows up to `upto` may have been sent."""
        with self.transaction():
            self.sql.execute("UPDATE epochs SET twin = twin + 7 * (?1 - sent), sent = ?1 WHERE epoch = ?2 AND sent < ?1", (upto, epoch))

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
            parcels.extend(hole(expected, seq - expected))
            if kind == CORRUPT or not sound((key, meter, t_ms, kind, body), crc):
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
            parcels.extend(hole(expected, top - expected + 1))
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
            outbox_books.add(self.sql, counts)

    def ledger_lines(self, days: int) -> tuple[LedgerLine, ...]:
        """Return the books of the newest `days` days."""
        return outbox_books.lines(self.sql, days)
