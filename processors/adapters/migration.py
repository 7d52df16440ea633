"""A store file of an earlier version becomes one of today's: built beside it, checked, and put in its place in one step.

A kill at any moment leaves the old file whole, or the new one; what was half built is thrown away at the next start.
Both need room on the disk for a moment; the new one takes about a sixth of the old.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from driftwatt.errors import ConfigError, Unavailable
from processors.adapters import packed
from processors.adapters.database import transaction, written
from processors.adapters.packing import Packing
from processors.adapters.rollups import SCHEMA as ROLLUPS
from processors.adapters.shelves import Draft
from processors.pure.interval_columns import interval_values
from processors.pure.outputs import IntervalEnergy

log = logging.getLogger(__name__)

VERSION = 2
"""1 had every reading and quarter-hour as a row of its own (its files say 0)."""
EMPTY = f"PRAGMA auto_vacuum=INCREMENTAL; PRAGMA user_version={VERSION};" + packed.SCHEMA + ROLLUPS
"""What makes an empty file of today's version."""
PLAIN = ("energy_1h", "energy_1d", "drivers_1h", "events")
COPIED = 2880
_NOT_FIELDS = ("meter", "t")


def brought_up_to_date(path: Path) -> None:
    """Migrate the file where it is of an earlier version; mark a new one. Raises ConfigError for one of a later version, Unavailable."""
    fresh = path.with_name(path.name + ".new")
    for end in ("", "-wal", "-shm", "-journal"):
        fresh.with_name(fresh.name + end).unlink(missing_ok=True)
    version = _version(path)
    if version > VERSION:
        raise ConfigError("the store was written by a later version of driftwatt", file=str(path), found=str(version), allowed=str(VERSION))
    if version == VERSION:
        return
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30.0)) as old:
        if _is_new(old):
            old.execute("PRAGMA auto_vacuum=INCREMENTAL")
            old.execute(f"PRAGMA user_version={VERSION}")
            return
        log.warning("%s is of an earlier version; it is packed now, which takes about a minute per ten million readings", path)
        if old.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete":  # its log must not be taken for that of the new file
            raise Unavailable(f"{path}: another program holds the file; it cannot be migrated")
        old.execute("BEGIN IMMEDIATE")
        _build(old, fresh)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)
    log.info("%s is packed", path)


def _version(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path, timeout=30.0)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def _is_new(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'readings'").fetchone() is None


def _build(old: sqlite3.Connection, fresh: Path) -> None:
    with closing(written(fresh, shrinking=True)) as new:
        new.execute("PRAGMA synchronous=OFF")  # the whole file is synced before it takes its place
        new.executescript(packed.SCHEMA)
        new.executescript(ROLLUPS)
        packing = Packing(new)
        for table in packed.HABITS:
            for (meter,) in old.execute(f"SELECT DISTINCT meter FROM {table}").fetchall():  # noqa: S608 - our own tables
                _copy(old, new, packing, (table, meter))
        for table in PLAIN:
            _copy_plain(old, new, table)
        _compare(old, new)
        new.execute(f"PRAGMA user_version={VERSION}")
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, packing: Packing, name: tuple[str, str]) -> None:
    rows = old.execute(f"SELECT * FROM {name[0]} WHERE meter = ? ORDER BY t", (name[1],))  # noqa: S608 - our own tables
    names = [column[0] for column in rows.description]
    while some := rows.fetchmany(COPIED):
        draft = Draft(packing.chunks.said)
        with transaction(new):
            shelf = packing.shelf(*name)
            for row in some:
                t_ms, said = _said(dict(zip(names, row, strict=True)))
                draft.add(shelf, t_ms, packing.shape(tuple(said)), *_parted(said))
            packing.append(draft)
        packing.settled(draft)


def _said(row: dict[str, Any]) -> tuple[int, dict[str, float]]:
    if "start_ms" in row:
        interval = IntervalEnergy(row["meter"], "15m", *(value for name, value in row.items() if name not in _NOT_FIELDS))
        return row["t"], interval_values(interval)
    return row["t"], {name: value for name, value in row.items() if value is not None and name not in _NOT_FIELDS}


def _parted(said: dict[str, float]) -> tuple[float, list[float]]:
    first, *rest = said.values()
    return first, rest


def _copy_plain(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> None:
    here = {row[1] for row in new.execute(f"PRAGMA table_info({table})")}
    rows = old.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own tables
    names = [column[0] for column in rows.description]
    for column in names:
        if column not in here:
            new.execute(f'ALTER TABLE {table} ADD COLUMN "{column}"')
    columns, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
    with transaction(new):
        new.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 - our own tables


def _compare(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Refuse a file that does not hold as much as the old one."""
    outside = packed.Outside(new)
    for table in packed.HABITS:
        (was,) = old.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own tables
        now = sum(outside.count(table, tag, -(1 << 62), 1 << 62) for tag in outside.tags(table))
        if was != now:
            raise Unavailable(f"store: {table} had {was} points and would have {now}; the old file stays as it is")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
