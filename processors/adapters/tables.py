"""Reads whole tables of the embedded store from outside, page by page, also while the processor writes.

Every page is a short read-only transaction of its own: a long export keeps no old snapshot alive, so that the
write-ahead log of the daemon does not grow behind it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from driftwatt.errors import Unavailable
from processors.adapters import packed
from processors.adapters.database import beside, snapshot, told
from processors.pure.columns import Block
from processors.pure.export import TABLES
from processors.pure.interval_columns import INTERVAL_FIELDS, numbers
from processors.pure.lines import INTERVAL_NAMES

PAGE_ROWS = 4000
_WHOLE = frozenset({"q", "rev"})


class StoredTables:
    """Read-only eyes on `store.sqlite3`. Every method raises Unavailable; `table` is one of processors.pure.export.TABLES."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise Unavailable(f"{path}: nothing was stored yet")
        self._path = path
        with self._reading() as db:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'readings'").fetchone():
                raise Unavailable(f"{path}: written by an earlier version; `driftwatt process` packs it when it starts")

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table as they are now; those of `readings` are all that the file knows."""
        _known(table)
        if table == "energy_15m":
            return ("meter", "t", *INTERVAL_NAMES.values())
        if table == "expected_15m":
            return ("meter", "t", "w", "lo", "hi")
        with self._reading() as db:
            if table == "readings":
                return ("meter", "t", *(name for name in packed.fields(db) if name not in INTERVAL_FIELDS))
            return tuple(name for _, name, *_ in db.execute(f"PRAGMA table_info({table})"))

    def series(self, table: str) -> list[str]:
        """Return what the table has rows of: meters, or drivers."""
        tag, found = _tag(table), list[str]()
        with self._reading() as db:
            if table in packed.HABITS:
                return packed.Outside(db).tags(table)
            sql = f"SELECT {tag} FROM {table} WHERE {tag} > ? ORDER BY {tag} LIMIT 1"  # noqa: S608 - closed list of tables
            while more := db.execute(sql, (found[-1] if found else "",)).fetchone():
                found.append(more[0])
        return found

    def points(self, table: str, series: str, from_ms: int, to_ms: int) -> Iterator[dict[str, Any]]:
        """Yield the points of a series in `[from_ms, to_ms)`, ascending; a page in memory at most."""
        if table in packed.HABITS:
            return self._packed(table, series, (from_ms, to_ms))
        return self._plain(table, series, from_ms, to_ms)

    def _packed(self, table: str, series: str, span: tuple[int, int]) -> Iterator[dict[str, Any]]:
        with self._reading() as db:
            spans = list(packed.Outside(db).spans(table, series, span))
        for part in spans:
            with self._reading() as db:
                names = {number: name for name, number in packed.fields(db).items()}
                block = packed.Outside(db).points(table, series, part)
            yield from _points(table, series, block, names)

    def _plain(self, table: str, series: str, from_ms: int, to_ms: int) -> Iterator[dict[str, Any]]:
        tag = _tag(table)
        more = " AND (t > ? OR (t = ? AND alert > ?))" if table == "events" else " AND t > ?"
        order = "t, alert" if table == "events" else "t"
        sql = f"SELECT * FROM {table} WHERE {tag} = ? AND t >= ? AND t < ?{more} ORDER BY {order} LIMIT {PAGE_ROWS}"  # noqa: S608 - closed list of tables
        after: tuple[Any, ...] = (from_ms - 1, from_ms - 1, "") if table == "events" else (from_ms - 1,)
        while True:
            with self._reading() as db:
                cursor = db.execute(sql, (series, from_ms, to_ms, *after))
                names, page = [column[0] for column in cursor.description], cursor.fetchall()
            for row in page:
                yield dict(zip(names, row, strict=True))
            if len(page) < PAGE_ROWS:
                return
            last = dict(zip(names, page[-1], strict=True))
            from_ms = last["t"]
            after = (last["t"], last["t"], last["alert"]) if table == "events" else (last["t"],)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with told("store"), closing(beside(self._path)) as db, snapshot(db):
            yield db


def _points(table: str, series: str, block: Block, names: dict[int, str]) -> Iterator[dict[str, Any]]:
    times, columns = block
    lists = {names[number]: numbers(column) for number, column in columns.items()}
    for name, values in lists.items():
        if name in _WHOLE or name.endswith("_q"):
            lists[name] = [None if value is None else int(value) for value in values]
    stamps = times.tolist()
    if table == "energy_15m" and stamps:
        starts = [t_ms - int(rev or 0) for t_ms, rev in zip(stamps, lists["rev"], strict=True)]
        ends = [start + int(length or 0) for start, length in zip(starts, lists.pop("length_ms"), strict=True)]
        said = {"start_ms": starts, "end_ms": ends, **lists}
        lists = {name: said[name] for name in INTERVAL_NAMES.values() if name in said}
    for t_ms, *values in zip(stamps, *lists.values(), strict=True):
        yield {"meter": series, "t": t_ms, **dict(zip(lists, values, strict=True))}


def _tag(table: str) -> str:
    _known(table)
    return "driver" if table == "drivers_1h" else "meter"


def _known(table: str) -> None:
    if table not in TABLES:
        raise ValueError(table)
