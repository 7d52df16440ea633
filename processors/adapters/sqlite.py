"""The embedded store: time series in one SQLite file, with the names of docs/store.md.

Points are inserted, never replaced: the first of a (meter, time) stays, so that writing again changes nothing.
One connection writes, in one thread at a time; readers of the page use connections of their own.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from driftwatt.alerts import Alert
from driftwatt.errors import PartialWrite, Unavailable
from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Quality, Reading
from processors.pure.flat import event_fields, event_times
from processors.pure.outputs import MAX_REV_MS, ExpectedPower, IntervalEnergy
from processors.pure.whole import whole_reading

INTERVAL_FIELDS = tuple(field.name for field in fields(IntervalEnergy) if field.name not in ("meter", "kind"))
KINDS = ("15m", "1h", "1d")
SAME_INSTANT = "another reading of this meter stands at the same millisecond"
FORGET_ROWS = 20_000
"""So many rows leave in one transaction: what has to be written in the meantime waits for no more than this."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS readings (meter TEXT, t INT, q INT, PRIMARY KEY (meter, t)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS expected_15m (meter TEXT, t INT, w REAL, lo REAL, hi REAL, PRIMARY KEY (meter, t)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drivers_1h (driver TEXT, t INT, value REAL, coverage REAL, PRIMARY KEY (driver, t)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (meter TEXT, t INT, alert TEXT, PRIMARY KEY (meter, t, alert)) WITHOUT ROWID;
""" + "".join(
    f"CREATE TABLE IF NOT EXISTS energy_{kind} (meter TEXT, t INT, start_ms INT, end_ms INT, import_wh REAL, export_wh REAL,"
    " import_varh REAL, export_varh REAL, peak_w REAL, cost REAL, co2e_g REAL, coverage REAL, q INT, rev INT,"
    " PRIMARY KEY (meter, t)) WITHOUT ROWID;\n"
    for kind in KINDS
)


class SqliteStore:
    """See processors.ports.SeriesStore."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _translated():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
        self._columns = {table: self._columns_of(table) for table in ("readings", "events")}
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def write_readings(self, readings: Sequence[Reading]) -> None:
        """See SeriesStore."""
        shapes: dict[tuple[str, ...], dict[int, tuple[object, ...]]] = {}
        for at, reading in enumerate(readings):
            doubt = {f"{quantity}_q": bits for quantity, bits in reading.doubt.items() if bits}
            columns = ("meter", "t", "q", *reading.values, *doubt)
            shapes.setdefault(columns, {})[at] = (reading.meter, reading.t_ms, reading.quality, *reading.values.values(), *doubt.values())
        rejected: dict[int, str] = {}
        with _translated(), self._transaction() as db:
            for columns, rows in shapes.items():
                self._need("readings", columns)
                if db.executemany(_insert("readings", columns), rows.values()).rowcount < len(rows):
                    rejected |= {at: SAME_INSTANT for at, row in rows.items() if not _stands(db, columns, row)}
        if rejected:
            raise PartialWrite(rejected)

    def write_intervals(self, intervals: Sequence[IntervalEnergy]) -> None:
        """See SeriesStore."""
        with _translated(), self._transaction() as db:
            for kind in KINDS:
                rows = [_interval_row(interval) for interval in intervals if interval.kind == kind]
                db.executemany(f"INSERT OR IGNORE INTO energy_{kind} VALUES ({_marks(14)})", rows)  # noqa: S608 - closed list of kinds

    def write_expected(self, points: Sequence[ExpectedPower]) -> None:
        """See SeriesStore."""
        with _translated(), self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO expected_15m VALUES (?, ?, ?, ?, ?)",
                [(point.meter, point.start_ms, point.w, point.lo, point.hi) for point in points],
            )

    def write_events(self, alerts: Sequence[Alert]) -> None:
        """See SeriesStore."""
        with _translated(), self._transaction() as db:
            for t_ms, alert in event_times(alerts):
                flat = {"meter": alert.meter, "t": t_ms, **event_fields(alert)}
                self._need("events", tuple(flat))
                db.execute(_insert("events", tuple(flat)), tuple(flat.values()))

    def readings(self, meter: str, quantity: str, from_ms: int, to_ms: int) -> list[tuple[int, float, int]]:
        """See SeriesStore."""
        columns = self._columns["readings"]
        if quantity not in QUANTITIES or quantity not in columns:
            return []
        doubt = f'"{quantity}_q"' if f"{quantity}_q" in columns else "0"
        rows = self._read(
            f'SELECT t, "{quantity}", coalesce({doubt}, 0) | (q & {int(Quality.CLOCK_UNCERTAIN)}) FROM readings'  # noqa: S608 - closed table
            f' WHERE meter = ? AND t >= ? AND t < ? AND "{quantity}" IS NOT NULL ORDER BY t',
            (meter, from_ms, to_ms),
        )
        return [(t_ms, value, quality) for t_ms, value, quality in rows]

    def whole_readings(self, meter: str, from_ms: int, to_ms: int, limit: int) -> list[Reading]:
        """See SeriesStore."""
        names = [name for name in self._columns["readings"] if name in QUANTITIES or name.endswith("_q")]
        columns = "".join(f', "{name}"' for name in names)
        rows = self._read(
            f"SELECT t, q{columns} FROM readings WHERE meter = ? AND t >= ? AND t < ? ORDER BY t LIMIT ?",  # noqa: S608 - closed table
            (meter, from_ms, to_ms, limit),
        )
        return [whole_reading(meter, t_ms, q, dict(zip(names, values, strict=True))) for t_ms, q, *values in rows]

    def intervals(self, kind: str, meter: str, from_ms: int, to_ms: int) -> list[IntervalEnergy]:
        """See SeriesStore."""
        if kind not in KINDS:
            return []
        sql = f"SELECT * FROM energy_{kind} WHERE meter = ? AND t >= ? AND t < ? ORDER BY t"  # noqa: S608 - closed list of kinds
        newest = {row[2]: _interval(kind, row) for row in self._read(sql, (meter, from_ms, to_ms + MAX_REV_MS))}
        return [interval for start_ms, interval in newest.items() if from_ms <= start_ms < to_ms]

    def expected(self, meter: str, from_ms: int, to_ms: int) -> list[ExpectedPower]:
        """See SeriesStore."""
        rows = self._read("SELECT * FROM expected_15m WHERE meter = ? AND t >= ? AND t < ? ORDER BY t", (meter, from_ms, to_ms))
        return [ExpectedPower(*row) for row in rows]

    def forget_readings(self, before_ms: int) -> int:
        """Remove some raw readings older than an instant and return how many, 0 when none is left; what was derived from them stays."""
        oldest = "SELECT t FROM readings WHERE meter = ? AND t < ? ORDER BY t LIMIT 1 OFFSET ?"
        with _translated(), self._transaction() as db:
            meter = ""
            while found := db.execute("SELECT meter FROM readings WHERE meter > ? ORDER BY meter LIMIT 1", (meter,)).fetchone():
                meter = found[0]
                (until_ms,) = db.execute(oldest, (meter, before_ms, FORGET_ROWS)).fetchone() or (before_ms,)
                gone = db.execute("DELETE FROM readings WHERE meter = ? AND t < ?", (meter, until_ms)).rowcount
                if gone:
                    return gone
        return 0

    def close(self) -> None:
        """See SeriesStore."""
        with self._lock:
            for reader in self._idle:
                reader.close()
            self._idle.clear()
        self._db.close()

    def _read(self, sql: str, values: tuple[object, ...]) -> list[Any]:
        with _translated():
            with self._lock:
                reader = self._idle.pop() if self._idle else None
            reader = reader or sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            try:
                return reader.execute(sql, values).fetchall()
            finally:
                with self._lock:
                    self._idle.append(reader)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._columns = {table: self._columns_of(table) for table in self._columns}
            raise

    def _columns_of(self, table: str) -> set[str]:
        return {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}

    def _need(self, table: str, columns: Sequence[str]) -> None:
        for column in columns:
            if column not in self._columns[table]:
                self._db.execute(f'ALTER TABLE {table} ADD COLUMN "{column}"')
                self._columns[table].add(column)


def _insert(table: str, columns: Sequence[str]) -> str:
    names = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({_marks(len(columns))})"  # noqa: S608 - names come from closed tables


def _stands(db: sqlite3.Connection, columns: Sequence[str], row: tuple[object, ...]) -> bool:
    """Tell whether the reading that is stored at this instant is this one: written again, not another one."""
    names = ", ".join(f'"{column}"' for column in columns)
    found: tuple[object, ...] = db.execute(f"SELECT {names} FROM readings WHERE meter = ? AND t = ?", row[:2]).fetchone()  # noqa: S608 - closed tables
    return found == row


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _interval_row(interval: IntervalEnergy) -> tuple[object, ...]:
    values = [getattr(interval, name) for name in INTERVAL_FIELDS]
    return (interval.meter, interval.start_ms + interval.rev, *values)


def _interval(kind: str, row: Any) -> IntervalEnergy:
    return IntervalEnergy(row[0], kind, *row[2:])  # type: ignore[arg-type]  # the caller took kind from the closed list


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"store: {error}") from error
