"""What a store file holds, as rows, whichever way it keeps them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from processors.adapters.sqlite import SqliteStore
from processors.adapters.tables import StoredTables
from processors.pure.runs import Run, log_row, logged

ALWAYS = (-(1 << 60), 1 << 60)


def stored_times(store: Path, meter: str) -> list[int]:
    """Return the times of a meter's readings, ascending."""
    return [point["t"] for point in StoredTables(store).points("readings", meter, *ALWAYS)]


def stored_rows(store: Path, table: str) -> list[tuple[Any, ...]]:
    """Return all points of a table as sorted tuples of (name, value)."""
    tables = StoredTables(store)
    points = (point for series in tables.series(table) for point in tables.points(table, series, *ALWAYS))
    return sorted(tuple(sorted((name, value) for name, value in point.items() if value is not None)) for point in points)


def empty_of_readings(store: Path) -> None:
    """Lose every reading, as a restored copy of another day would."""
    with closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("DELETE FROM open")
        db.execute("DELETE FROM chunk")


def lose_readings(store: SqliteStore, from_ms: int, to_ms: int) -> int:
    """Take readings that wait to be packed out of a running store, as if they had never been written; returns how many."""
    db, lost = store._db, 0
    wanted = {number for (number,) in db.execute("SELECT id FROM series WHERE name = 'readings'")}
    for number, body in db.execute("SELECT id, body FROM open").fetchall():
        kept = []
        for series, run in logged(body):
            rest, width = Run(run.fields), len(run.fields)
            for at, t_ms in enumerate(run.times):
                if series in wanted and from_ms <= t_ms < to_ms:
                    lost += 1
                    continue
                rest.times.append(t_ms)
                rest.data.extend(run.data[at * width : (at + 1) * width])
            kept += [(series, rest)] if rest.times else []
        db.execute("UPDATE open SET body = ? WHERE id = ?", (log_row(kept), number))
    store._packing.forget()
    return lost
