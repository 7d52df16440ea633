"""The processor's own memory: checkpoint, engine state, books, alerts, journal and quarantine in one SQLite file.

One connection writes it, from one thread at a time, WAL with full synchronisation: what a commit returned from
survives power loss. Readers of other processes open it read-only.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from driftwatt.alerts import Alert
from driftwatt.wire import LedgerLine
from processors.adapters import mending, past
from processors.adapters.database import told, transaction, written
from processors.ports import Journaled
from processors.pure.board import Answer
from processors.pure.commit import BY_EDGE, Aside, Commit, Deed, Kept
from processors.pure.delivery import Checkpoint
from processors.pure.maintenance import Maintenance
from processors.pure.past import Move, Snapshot

SCHEMA = """
CREATE TABLE IF NOT EXISTS checkpoint
    (edge TEXT, epoch TEXT, age INT, upto INT, at_ms INT, crc INT, PRIMARY KEY (edge, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part (meter TEXT, name TEXT, data BLOB, PRIMARY KEY (meter, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS book (meter TEXT, day TEXT, what TEXT, n INT, at_ms INT, PRIMARY KEY (day, meter, what)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gap (edge TEXT, epoch TEXT, first INT, last INT, at_ms INT, PRIMARY KEY (edge, epoch, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine
    (id INTEGER PRIMARY KEY, at_ms INT, reason TEXT, detail TEXT, edge TEXT, meter TEXT, t_ms INT, raw TEXT,
     counted INT NOT NULL DEFAULT 1);
CREATE INDEX IF NOT EXISTS quarantine_of ON quarantine (edge, id);
CREATE TABLE IF NOT EXISTS alert (id TEXT PRIMARY KEY, updated_ms INT, body TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INT, body TEXT);
CREATE TABLE IF NOT EXISTS edge_book (day TEXT, edge TEXT, meter TEXT, at_ms INT, body TEXT, PRIMARY KEY (day, edge, meter)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INT, who TEXT, what TEXT, detail TEXT);
CREATE TABLE IF NOT EXISTS move (number INTEGER PRIMARY KEY, meter TEXT, after_ms INT, what TEXT, body TEXT);
CREATE INDEX IF NOT EXISTS move_of ON move (meter, number);
CREATE TABLE IF NOT EXISTS snapshot
    (meter TEXT, t_ms INT, number INT, plan TEXT, facts TEXT, energy BLOB, detector BLOB, PRIMARY KEY (meter, t_ms)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS late (meter TEXT PRIMARY KEY, from_ms INT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS maintenance (id TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
QUARANTINE_ROWS = 20_000
"""Rows kept set aside, 4 KiB of raw text each at most; the oldest leave first, the books keep counting."""
QUARANTINE_EDGE_ROWS = 5_000
"""Of these one edge may take so many: a mad one does not push out what others need."""
AUDIT_ROWS = 50_000
RAW_CHARS = 4096

_T = TypeVar("_T")
ALERT: TypeAdapter[Alert] = TypeAdapter(Alert)
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
WINDOW: TypeAdapter[Maintenance] = TypeAdapter(Maintenance)
LINE: TypeAdapter[LedgerLine] = TypeAdapter(LedgerLine)


class SqliteState:
    """See processors.ports.StateFile."""

    def __init__(self, path: Path) -> None:
        self._damage: list[str] = []
        with told("state file"):
            if why := mending.damage(path, SCHEMA):
                self._damage.append(mending.mended(path, SCHEMA, why, secrets.token_hex(4)))
            self._db = written(path)
            self._db.executescript(SCHEMA)
            if "counted" not in {row[1] for row in self._db.execute("PRAGMA table_info(quarantine)")}:
                self._db.execute("ALTER TABLE quarantine ADD COLUMN counted INT NOT NULL DEFAULT 1")
            if "crc" not in {row[1] for row in self._db.execute("PRAGMA table_info(checkpoint)")}:
                self._db.execute("ALTER TABLE checkpoint ADD COLUMN crc INT")

    def load(self) -> Kept:
        """See StateFile."""
        with told("state file"):
            points = self._checkpoints()
            parts: dict[str, dict[str, bytes]] = {}
            for meter, name, data in self._db.execute("SELECT meter, name, data FROM part"):
                parts.setdefault(meter, {})[name] = data
            alerts = tuple(self._readable(ALERT, (body for (body,) in self._db.execute("SELECT body FROM alert"))))
            notes = dict(self._db.execute("SELECT key, value FROM note"))
            windows = tuple(self._readable(WINDOW, (body for (body,) in self._db.execute("SELECT body FROM maintenance"))))
            return past.recall(self._db, Kept(tuple(points), parts, alerts, notes, damage=tuple(self._damage), maintenance=windows))

    def _checkpoints(self) -> list[Checkpoint]:
        """Return the checkpoints that are what was written; an epoch without one is asked for again from its beginning."""
        points = []
        for edge, epoch, age, upto, crc in self._db.execute("SELECT edge, epoch, age, upto, crc FROM checkpoint"):
            if crc is None or crc == mending.sealed(edge, epoch, age, upto):  # none: written by an earlier version
                points.append(Checkpoint(edge, epoch, age, upto))
            else:
                self._damage.append(f"the checkpoint of {edge} {epoch} is not what was written")
        return points

    def _readable(self, kind: TypeAdapter[_T], bodies: Iterable[str]) -> Iterator[_T]:
        for body in bodies:
            try:
                yield kind.validate_json(body)
            except ValidationError as error:
                self._damage.append(f"not what was written: {str(body)[:80]}: {str(error)[:80]}")

    def commit(self, change: Commit) -> None:
        """See StateFile."""
        with told("state file"), transaction(self._db) as db:
            _write_progress(db, change)
            _write_books(db, change)
            _write_alerts(db, change)
            past.write(db, change)

    def journal(self, answer: Answer) -> int:
        """See StateFile."""
        with told("state file"), transaction(self._db) as db:
            done = db.execute("INSERT INTO journal (at_ms, body) VALUES (?, ?)", (answer.at_ms, ANSWER.dump_json(answer).decode()))
            _audit(db, Deed(answer.at_ms, answer.by, f"alert_{answer.what}", f"{answer.alert} {answer.reason}".strip()))
        return done.lastrowid or 0

    def plan(self, window: Maintenance) -> None:
        """See StateFile."""
        at_ms, who = (window.set_ms, window.by) if window.ended_ms is None else (window.ended_ms, window.ended_by)
        what = "maintenance_set" if window.ended_ms is None else "maintenance_ended"
        with told("state file"), transaction(self._db) as db:
            db.execute("INSERT OR REPLACE INTO maintenance VALUES (?, ?)", (window.id, WINDOW.dump_json(window).decode()))
            _audit(db, Deed(at_ms, who, what, f"{window.id} {window.area or ' '.join(window.meters)} {window.reason}"))

    def audit(self, deed: Deed) -> None:
        """See StateFile."""
        with told("state file"), transaction(self._db) as db:
            _audit(db, deed)

    def journaled(self, after: int) -> list[Journaled]:
        """See StateFile."""
        with told("state file"):
            rows = self._db.execute("SELECT number, body FROM journal WHERE number > ? ORDER BY number", (after,)).fetchall()
        return [Journaled(number, answer) for number, body in rows for answer in self._readable(ANSWER, (body,))]

    def aside(self, after: int, limit: int) -> list[Aside]:
        """See StateFile."""
        sql = "SELECT id, at_ms, reason, detail, edge, meter, t_ms, raw, counted FROM quarantine WHERE id > ? ORDER BY id LIMIT ?"
        with told("state file"):
            return [Aside(*row) for row in self._db.execute(sql, (after, limit))]

    def newest_aside(self) -> int:
        """See StateFile."""
        with told("state file"):
            number: int = self._db.execute("SELECT coalesce(max(id), 0) FROM quarantine").fetchone()[0]
        return number

    def snapshot(self, meter: str, before_ms: int) -> Snapshot | None:
        """See StateFile."""
        with told("state file"):
            return past.snapshot(self._db, meter, before_ms)

    def first_snapshot(self, meter: str, from_ms: int = -1) -> Snapshot | None:
        """See StateFile."""
        with told("state file"):
            return past.first_snapshot(self._db, meter, from_ms)

    def moves(self, meter: str, after: int) -> list[Move]:
        """See StateFile."""
        with told("state file"):
            return past.moves(self._db, meter, after)

    def forget_past(self, before_ms: int) -> None:
        """See StateFile."""
        with told("state file"), transaction(self._db) as db:
            past.forget(db, before_ms)

    def close(self) -> None:
        """Close the file; never raises."""
        self._db.close()


def _audit(db: sqlite3.Connection, deed: Deed) -> None:
    told = "SELECT 1 FROM audit WHERE who = ? AND what = ? AND detail = ?"
    if deed.who.startswith(BY_EDGE) and db.execute(told, (deed.who[:63], deed.what, deed.detail[:500])).fetchone():
        return
    db.execute(
        "INSERT INTO audit (at_ms, who, what, detail) VALUES (?, ?, ?, ?)", (deed.at_ms, deed.who[:63], deed.what, deed.detail[:500])
    )
    db.execute("DELETE FROM audit WHERE number <= (SELECT max(number) FROM audit) - ?", (AUDIT_ROWS,))


def _write_progress(db: sqlite3.Connection, change: Commit) -> None:
    db.executemany("DELETE FROM checkpoint WHERE edge = ? AND epoch = ?", change.forgotten)
    db.executemany(
        "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)",
        [(p.edge, p.epoch, p.age, p.upto, change.at_ms, mending.sealed(p.edge, p.epoch, p.age, p.upto)) for p in change.checkpoints],
    )
    db.executemany("INSERT OR REPLACE INTO part VALUES (?, ?, ?)", [(*key, data) for key, data in change.parts.items()])
    db.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", change.notes.items())


def _write_books(db: sqlite3.Connection, change: Commit) -> None:
    db.executemany(
        "INSERT INTO book VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n, at_ms = excluded.at_ms",
        [(*key, n, change.at_ms) for key, n in change.books.items()],
    )
    db.executemany(
        "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, ?)",
        [(gap.edge, gap.epoch, gap.first, gap.last, change.at_ms) for gap in change.gaps],
    )
    db.executemany("DELETE FROM quarantine WHERE id = ?", [(number,) for number in change.released])
    db.executemany(
        "INSERT INTO quarantine (at_ms, reason, detail, edge, meter, t_ms, raw, counted) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (row.at_ms, row.reason, row.detail[:RAW_CHARS], row.edge, row.meter, row.t_ms, row.raw[:RAW_CHARS], row.counted)
            for row in change.set_aside
        ],
    )
    if change.set_aside:
        oldest = "SELECT id FROM quarantine WHERE edge = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
        for edge in {row.edge for row in change.set_aside}:
            db.execute(f"DELETE FROM quarantine WHERE edge = ? AND id <= ({oldest})", (edge, edge, QUARANTINE_EDGE_ROWS))  # noqa: S608 - ours
        oldest = "SELECT id FROM quarantine ORDER BY id DESC LIMIT 1 OFFSET ?"
        db.execute(f"DELETE FROM quarantine WHERE id <= ({oldest})", (QUARANTINE_ROWS,))  # noqa: S608 - ours
    db.executemany(
        # The broker keeps the last books for us: hearing the same again does not make them newer.
        "INSERT INTO edge_book VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET at_ms = excluded.at_ms, body = excluded.body WHERE body != excluded.body",
        [(day, edge, meter, change.at_ms, LINE.dump_json(line).decode()) for (edge, meter, day), line in change.edge_lines.items()],
    )


def _write_alerts(db: sqlite3.Connection, change: Commit) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO alert VALUES (?, ?, ?)",
        [(alert.id, alert.updated_ms, ALERT.dump_json(alert).decode()) for alert in change.alerts.values()],
    )
