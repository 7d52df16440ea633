"""Reads whole tables of the embedded store from outside, page by page, also while the processor writes.

Every page is a short read-only transaction of its own: a long export keeps no old snapshot alive, so that the
write-ahead log of the daemon does not grow behind it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from driftwatt.errors import Unavailable
from processors.pure.export import TABLES

PAGE_ROWS = 4000


class StoredTables:
    """Read-only eyes on `store.sqlite3`. Every method raises Unavailable; `table` is one of processors.pure.export.TABLES."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise Unavailable(f"{path}: nothing was stored yet")
        self._uri = f"{path.absolute().as_uri()}?mode=ro"

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table as they are now."""
        _known(table)
        return tuple(name for _, name, *_ in self._ask(f"PRAGMA table_info({table})", ())[1])

    def series(self, table: str) -> list[str]:
        """Return what the table has rows of: meters, or drivers."""
        tag, found = _tag(table), list[str]()
        while more := self._ask(f"SELECT {tag} FROM {table} WHERE {tag} > ? ORDER BY {tag} LIMIT 1", (found[-1] if found else "",))[1]:  # noqa: S608 - closed list of tables
            found.append(more[0][0])
        return found

    def points(self, table: str, series: str, from_ms: int, to_ms: int) -> Iterator[dict[str, Any]]:
        """Yield the points of a series in `[from_ms, to_ms)`, ascending; a page in memory at most."""
        tag = _tag(table)
        more = " AND (t > ? OR (t = ? AND alert > ?))" if table == "events" else " AND t > ?"
        order = "t, alert" if table == "events" else "t"
        sql = f"SELECT * FROM {table} WHERE {tag} = ? AND t >= ? AND t < ?{more} ORDER BY {order} LIMIT {PAGE_ROWS}"  # noqa: S608 - closed list of tables
        after: tuple[Any, ...] = (from_ms - 1, from_ms - 1, "") if table == "events" else (from_ms - 1,)
        while True:
            names, page = self._ask(sql, (series, from_ms, to_ms, *after))
            for row in page:
                yield dict(zip(names, row, strict=True))
            if len(page) < PAGE_ROWS:
                return
            last = dict(zip(names, page[-1], strict=True))
            from_ms = last["t"]
            after = (last["t"], last["t"], last["alert"]) if table == "events" else (last["t"],)

    def _ask(self, sql: str, values: tuple[Any, ...]) -> tuple[list[str], list[Any]]:
        try:
            with closing(sqlite3.connect(self._uri, uri=True, timeout=5.0)) as db:
                cursor = db.execute(sql, values)
                return [column[0] for column in cursor.description], cursor.fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"store: {error}") from error


def _tag(table: str) -> str:
    _known(table)
    return "driver" if table == "drivers_1h" else "meter"


def _known(table: str) -> None:
    if table not in TABLES:
        raise ValueError(table)
