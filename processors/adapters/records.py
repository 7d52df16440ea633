"""Reads a plant's files from outside, read-only: what `status` and `ledger` show, also while the processor runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from driftwatt.alerts import Alert
from processors.adapters import packed
from processors.adapters.database import beside, snapshot, told
from processors.adapters.state import ALERT, LINE
from processors.pure.books import BookRow, EdgeLine
from processors.pure.commit import Aside, Deed


def newest_days(state: Path, days: int) -> list[str]:
    """Return the newest days that the books know, ascending; none when the processor never ran."""
    with _reading(state) as db:
        found = db.execute("SELECT DISTINCT day FROM book UNION SELECT DISTINCT day FROM edge_book").fetchall()
    return sorted(day for (day,) in found if day[:1].isdigit())[-days:]


def book_rows(state: Path, from_day: str) -> list[BookRow]:
    """Return the plant's counters from a day on."""
    with _reading(state) as db:
        rows = db.execute("SELECT meter, day, what, n, at_ms FROM book WHERE day >= ? AND day GLOB '[0-9]*'", (from_day,)).fetchall()
    return [BookRow(*row) for row in rows]


def edge_lines(state: Path, from_day: str) -> list[EdgeLine]:
    """Return what the edges said of their books from a day on."""
    with _reading(state) as db:
        rows = db.execute("SELECT edge, body, at_ms FROM edge_book WHERE day >= ?", (from_day,)).fetchall()
    return [EdgeLine(edge, LINE.validate_json(body), at_ms) for edge, body, at_ms in rows]


def quarantine_size(state: Path) -> tuple[int, int]:
    """Return how many rows are set aside and how many characters they have."""
    with _reading(state) as db:
        n, size = db.execute("SELECT count(*), coalesce(sum(length(raw)), 0) FROM quarantine").fetchone()
    return n, size


def quarantined(state: Path, after: int, limit: int) -> list[Aside]:
    """Return at most `limit` rows that are set aside with a number above `after`, in order."""
    with _reading(state) as db:
        rows = db.execute("SELECT * FROM quarantine WHERE id > ? ORDER BY id LIMIT ?", (after, limit)).fetchall()
    return [Aside(*(*row, 1)[:9]) for row in rows]  # a state file of an earlier version has no ninth column


def alerts(state: Path) -> list[Alert]:
    """Return every alert that is kept; one that cannot be read is passed over."""
    with _reading(state) as db:
        bodies = [body for (body,) in db.execute("SELECT body FROM alert")]
    found = []
    for body in bodies:
        with suppress(ValidationError):
            found.append(ALERT.validate_json(body))
    return found


def driver_parts(state: Path) -> dict[str, dict[str, bytes]]:
    """Return what is kept of temperature and production."""
    with _reading(state) as db:
        return {meter: {name: data} for meter, name, data in db.execute("SELECT meter, name, data FROM part WHERE name = 'driver'")}


def states(state: Path) -> dict[str, dict[str, bytes]]:
    """Return the kept parts of the engine states, by meter."""
    found: dict[str, dict[str, bytes]] = {}
    with _reading(state) as db:
        for meter, name, data in db.execute("SELECT meter, name, data FROM part WHERE name <> 'driver'"):
            found.setdefault(meter, {})[name] = data
    return found


def deeds(state: Path, from_ms: int) -> list[Deed]:
    """Return what was done since an instant, in order; none when an earlier version wrote the file."""
    with _reading(state) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit'").fetchone():
            return []
        rows = db.execute("SELECT at_ms, who, what, detail FROM audit WHERE at_ms >= ? ORDER BY number", (from_ms,)).fetchall()
    return [Deed(*row) for row in rows]


def readings_in_store(store: Path, meter: str, from_ms: int, to_ms: int) -> int:
    """Return how many readings of a meter the embedded store holds in `[from_ms, to_ms)`, also in a file not migrated yet."""
    with counting(store) as count:
        return count(meter, from_ms, to_ms)


@contextmanager
def counting(store: Path) -> Iterator[Callable[[str, int, int], int]]:
    """Give `readings_in_store` for many questions about one state of the file: what waits in its log is read once."""
    with _reading(store) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'readings'").fetchone():
            sql = "SELECT count(*) FROM readings WHERE meter = ? AND t >= ? AND t < ?"
            yield lambda meter, from_ms, to_ms: int(db.execute(sql, (meter, from_ms, to_ms)).fetchone()[0])
        else:
            outside = packed.Outside(db)
            yield lambda meter, from_ms, to_ms: outside.count("readings", meter, from_ms, to_ms)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with told(path), closing(beside(path)) as db, snapshot(db):
        yield db
