"""A state file that is not what was written is set aside, and every row that can be read goes on in a new one.

Looked at once at the start (`PRAGMA quick_check`). Rows are read from both ends of each table, so that a page that cannot be read
costs what lies on it. Engine states and snapshots carry checksums of their own; checkpoints do here.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path

log = logging.getLogger(__name__)

KEPT_ASIDE = 3
ADDED = ("counted", "crc")
"""Columns that files of earlier versions lack."""
_DAMAGED = (None, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""SQLite complains of our own statements where a wrong bit changed the text of the schema."""
_REST = ("-wal", "-shm", "")
_LIKE = 0.7
"""Names so alike are one name with a wrong bit."""
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


def damage(path: Path, schema: str) -> str:
    """Return what is wrong with a file, empty when nothing is or there is none. A wrong bit may also rename a column."""
    if not path.exists() or not path.stat().st_size:
        return ""
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=5.0)) as db:
            said = [row[0] for row in db.execute("PRAGMA quick_check(3)")]
            if said == ["ok"]:
                said = [*_renamed(db, schema)] or said
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        return "" if code not in _DAMAGED else str(error) or "unreadable"
    return "" if said == ["ok"] else "; ".join(str(each) for each in said)


def mended(path: Path, schema: str, why: str, stamp: str) -> str:
    """Set a damaged file aside and make a new one of what can be read of it. Returns what happened, for people. Raises OSError."""
    aside, fresh = path.with_name(f"{path.name}.damaged-{stamp}"), path.with_name(path.name + ".mended")
    fresh.unlink(missing_ok=True)
    kept: dict[str, int] = {}
    with closing(sqlite3.connect(fresh, isolation_level=None)) as into:
        into.execute("PRAGMA synchronous=FULL")
        into.executescript(schema)
        tables = [name for (name,) in into.execute(_TABLES)]
        with suppress(sqlite3.DatabaseError), _with_right_schema(path, schema) as old:
            for table in tables:
                kept[table] = _copied(old, into, table)
    for rest in _REST:
        with suppress(FileNotFoundError):
            path.with_name(path.name + rest).rename(aside.with_name(aside.name + rest))
    fresh.rename(path)
    old_ones = sorted((each for each in path.parent.glob(f"{path.name}.damaged-*") if not each.name.endswith(_REST[:2])), key=_age)
    for each in old_ones[:-KEPT_ASIDE]:
        for rest in _REST:
            each.with_name(each.name + rest).unlink(missing_ok=True)
    told = f"{path.name} was damaged ({why[:200]}) and set aside as {aside.name}; {sum(kept.values())} rows of it go on"
    log.error("%s", told)
    return told


def sealed(edge: str, epoch: str, age: int, upto: int) -> int:
    """Return the checksum of a checkpoint: one wrong bit in it could acknowledge what was never stored."""
    return zlib.crc32(f"{edge} {epoch} {age} {upto}".encode())


def _renamed(db: sqlite3.Connection, schema: str) -> Iterator[str]:
    """Yield what a wrong bit gave another name: a table is missed by nobody, an empty one would take its place."""
    with closing(sqlite3.connect(":memory:")) as right:
        right.executescript(schema)
        tables = [name for (name,) in right.execute(_TABLES)]
        yield from (f"{name} is no table of ours" for (name,) in db.execute(_TABLES).fetchall() if name not in tables)
        for table in tables:
            there = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            wanted = [row[1] for row in right.execute(f"PRAGMA table_info({table})")]
            yield from (f"{table} has no {name}" for name in wanted if there and name not in (*there, *ADDED))


@contextmanager
def _with_right_schema(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Give a copy of a damaged file in which each table has the name and the columns that it must have; then it is removed."""
    copy = path.with_name(path.name + ".looked-at")
    try:
        for rest in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(path.name + rest), copy.with_name(copy.name + rest))
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(copy, isolation_level=None)) as db:
            _put_right(db, schema)
        with closing(sqlite3.connect(copy, isolation_level=None)) as db:
            yield db
    finally:
        for rest in _REST:
            copy.with_name(copy.name + rest).unlink(missing_ok=True)


def _put_right(db: sqlite3.Connection, schema: str) -> None:
    with closing(sqlite3.connect(":memory:")) as right:
        right.executescript(schema)
        wanted = dict(right.execute(_TABLES.replace("name", "name, sql", 1)).fetchall())
    db.text_factory = lambda raw: raw.decode(errors="replace")
    db.execute("PRAGMA writable_schema = ON")  # also lets a schema be read that cannot be understood
    found = [(row, str(name)) for row, name in db.execute("SELECT rowid, name FROM sqlite_master").fetchall()]
    missing = wanted.keys() - {name for _, name in found}
    for row, name in found:
        like = [name] if name in wanted else get_close_matches(name, missing, 1, _LIKE)
        if like:
            change = "UPDATE sqlite_master SET type = 'table', name = ?1, tbl_name = ?1, sql = ?2 WHERE rowid = ?3"
            db.execute(change, (like[0], wanted[like[0]], row))
        elif not name.startswith("sqlite_"):  # an index: none is needed to read
            db.execute("DELETE FROM sqlite_master WHERE rowid = ?", (row,))


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _copied(old: sqlite3.Connection, into: sqlite3.Connection, table: str) -> int:
    with suppress(sqlite3.DatabaseError):
        columns = into.execute(f"PRAGMA table_info({table})").fetchall()
        there = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
        # By place, not by name: a wrong bit may have renamed one, and what was added later stands last.
        names = ", ".join(f'"{row[1]}"' for row in columns[: len(there)])
        marks = ", ".join("?" * min(len(there), len(columns)))
        key = ", ".join(f'"{there[row[0]]}"' for row in columns if row[5]) or "rowid"
        count = 0
        into.execute("BEGIN")
        for row in _both_ends(old, f"SELECT * FROM {table} NOT INDEXED", key):  # noqa: S608 - a name of our own schema
            with suppress(sqlite3.IntegrityError):
                count += into.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row).rowcount  # noqa: S608 - ours
        into.execute("COMMIT")
        return count
    if into.in_transaction:
        into.execute("COMMIT")
    return 0


def _both_ends(old: sqlite3.Connection, select: str, key: str) -> Iterator[tuple[object, ...]]:
    try:
        yield from old.execute(f"{select} ORDER BY {key}")
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        backwards = ", ".join(f"{part} DESC" for part in key.split(", "))
        with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
            yield from old.execute(f"{select} ORDER BY {backwards}")
