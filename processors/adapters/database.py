"""The manners of every SQLite file of the plant: opened for one writer, written in whole transactions, read from beside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driftwatt.errors import Unavailable

BUSY_S = 5.0


def written(path: Path, *, shrinking: bool = False) -> sqlite3.Connection:
    """Return the one writing connection: write-ahead log, and what a commit returned from survives power loss.

    `shrinking` makes a new file one that gives free pages back in small steps.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
    if shrinking:
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    return db


def beside(path: Path) -> sqlite3.Connection:
    """Return a read-only connection, whoever writes meanwhile. It never makes the file."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_S)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Make all of a block true, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Read several times from one state of the file."""
    db.execute("BEGIN")
    try:
        yield db
    finally:
        db.execute("ROLLBACK")


@contextmanager
def told(name: object) -> Iterator[None]:
    """Say trouble of the database in our words: Unavailable, beginning with `name`."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"{name}: {error}") from error
