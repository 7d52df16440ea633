"""What the outbox's file looks like, in this version and how one of an earlier version becomes it."""

from __future__ import annotations

from collections import Counter

from collector.adapters import outbox_books
from collector.adapters.outbox_books import Sql
from driftwatt.errors import Refused

VERSION = 2
_MARK = 0x4457 << 16
"""`DW`: stands with the version in a second place of the file's header, so that a bit that flips in either shows."""
SOUND = "base + 3 * top + 5 * acked + 7 * sent"
"""What stands in `twin` of an epoch."""

_SCHEMA = """
CREATE TABLE epochs (no INTEGER PRIMARY KEY AUTOINCREMENT, epoch TEXT NOT NULL UNIQUE, base INTEGER NOT NULL, top INTEGER NOT NULL,
  acked INTEGER NOT NULL, sent INTEGER NOT NULL, by TEXT NOT NULL, twin INTEGER NOT NULL);
CREATE TABLE meters (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE rows (key INTEGER PRIMARY KEY, meter INTEGER NOT NULL, t INTEGER NOT NULL, kind INTEGER NOT NULL,
  crc INTEGER NOT NULL, body BLOB NOT NULL);
"""


class Spoilt(LookupError):
    """Numbers in the file are not what was written."""


def prepare(sql: Sql) -> None:
    """Make the tables of an empty file, or those of an earlier version new. Raises Refused of a later version, Spoilt of none."""
    version, mark = (sql.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
    if (version, mark) == (0, 0):
        create(sql)
    elif (version, mark) == (1, 0):
        _upgrade(sql)
    elif mark != _MARK + version:
        raise Spoilt("the version in the header is not what was written")
    elif version != VERSION:
        raise Refused(str(version))


def create(sql: Sql) -> None:
    """Make the tables in an empty file."""
    sql.executescript(f"BEGIN; {_SCHEMA} {outbox_books.SCHEMA} {_versioned()}; COMMIT;")


def _upgrade(sql: Sql) -> None:
    """Give the epochs and books of version 1 their twins."""
    sql.execute("BEGIN IMMEDIATE")
    sql.execute("ALTER TABLE epochs ADD COLUMN twin INTEGER NOT NULL DEFAULT 0")
    sql.execute(f"UPDATE epochs SET twin = {SOUND}")  # noqa: S608 - our own words
    sql.execute("ALTER TABLE books RENAME TO former")
    sql.execute(outbox_books.SCHEMA)
    outbox_books.add(sql, Counter({(day, meter, what): n for day, meter, what, n in sql.execute("SELECT * FROM former").fetchall()}))
    sql.execute("DROP TABLE former")
    for statement in _versioned().split(";"):
        sql.execute(statement)
    sql.execute("COMMIT")


def _versioned() -> str:
    return f"PRAGMA user_version = {VERSION}; PRAGMA application_id = {_MARK + VERSION}"
