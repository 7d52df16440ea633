"""Copies a SQLite file while its daemon writes to it: one snapshot, page by page, through SQLite's own backup interface.

The source is opened read-only and never checkpointed. One read transaction holds the snapshot from the first page to
the last, so that a busy writer cannot make the copy begin again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from driftwatt.errors import Unavailable

PAGES = 2048


def copy(source: Path, target: Path, told: Callable[[int, int], None] = lambda _done, _total: None) -> None:
    """Copy a database to a new file and check the copy; `told` hears pages done and in all. Raises Unavailable."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0, isolation_level=None)) as here,
            closing(sqlite3.connect(target, isolation_level=None)) as there,
        ):
            here.execute("BEGIN")
            here.execute("SELECT count(*) FROM sqlite_master").fetchone()
            here.backup(there, pages=PAGES, progress=lambda _status, remaining, total: told(total - remaining, total))
            (verdict,) = there.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise Unavailable(f"copy of {source}: {error}") from error
    if verdict != "ok":
        raise Unavailable(f"copy of {source} is damaged: {verdict}")


def digest(file: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
