"""The file of the outbox: opened under a lock, looked at, and set aside when it is not what was written."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
from pathlib import Path
from typing import IO

from collector.adapters import outbox_salvage as salvage
from collector.adapters.outbox_disk import LOCK, lock
from collector.adapters.outbox_schema import VERSION, Spoilt
from collector.adapters.outbox_tables import Tables
from driftwatt.errors import ConfigError, Refused

log = logging.getLogger(__name__)

PAGE_BYTES = 4096
_SCHEMA = ("no such ", "table ", "malformed ", "unsupported file format")
"""How SQLite complains of our own statements when a bit flipped in the text of the schema or in the header."""


class OutboxFile:
    """The file at `path`; `tables` are those of the moment. `wal_pages` is how large its log grows.

    `epoch` is this process's own. `told` says what was found damaged, empty when nothing was.
    """

    tables: Tables

    def __init__(self, path: Path, wal_pages: int) -> None:
        self.epoch = secrets.token_hex(8)
        self.wal_pages = wal_pages
        self.told = ""
        self._path = path
        self._sql: sqlite3.Connection | None = None
        self._lock: IO[str] | None = None

    def open(self) -> None:
        """Open or create the file. Raises ConfigError when another daemon has it or a later version made it, sqlite3.Error, OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = lock(self._path.parent / LOCK)
        salvage.finish(self._path)
        try:
            self._connect()
            self._check()
        except (sqlite3.DatabaseError, LookupError, TypeError) as error:  # the last two: numbers in the tables that are none
            if isinstance(error, sqlite3.DatabaseError) and not self.damaged_by(error):
                raise
            self.begin_anew(error)

    def _connect(self) -> None:
        sql = self._sql = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
        sql.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        sql.execute("PRAGMA journal_mode = WAL")
        sql.execute("PRAGMA cache_size = -500")
        sql.execute(f"PRAGMA wal_autocheckpoint = {self.wal_pages}")
        sql.execute(f"PRAGMA journal_size_limit = {self.wal_pages * PAGE_BYTES}")
        try:
            self.tables = Tables(sql, self.epoch)
        except Refused as found:
            wrong = "written by another version of driftwatt"
            raise ConfigError(wrong, file=str(self._path), found=str(found), allowed=str(VERSION)) from found
        salvage.note_epoch(self._path.parent, self.tables.own, self.epoch)

    def _check(self) -> None:
        """Look whether the numbers are what was written. Raises Spoilt of an epoch; counters of the books are worked out again."""
        wrong = self.tables.check(salvage.noted_epochs(self._path.parent))
        if wrong:
            self.told = f"{wrong} counters of the books were not what was written: worked out again from the others"
            log.error("outbox damaged: %s", self.told)
            salvage.book_damage(self.tables)

    def begin_anew(self, error: Exception) -> None:
        """Go on with what the damaged file still says, under a new epoch: the plant would take our next rows for some it has."""
        if self._sql:
            self._sql.close()
        log.error("outbox damaged (%s): reading what can be read", error)
        aside, found = salvage.set_aside(self._path, self.epoch)
        text = f"{found.kept} rows recovered, {found.lost} lost" if found else "nothing in it could be read"
        log.error("outbox damaged (%s): set aside as %s; %s", error, aside, text)
        self.told = f"the outbox was damaged and set aside as {aside}; {text}"
        self.epoch = secrets.token_hex(8)
        self._connect()
        salvage.book_damage(self.tables)

    def damaged_by(self, error: Exception) -> bool:
        """Tell whether an error means that the file is not what was written, and this process may put it right."""
        if self._lock is None:
            return False
        if isinstance(error, Spoilt) or (isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode")):
            return True  # without a code it is not SQLite that complains but Python, of a text that is none
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_READONLY:
            return os.access(self._path, os.W_OK)  # the header says so, not the disk
        return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or (code == sqlite3.SQLITE_ERROR and str(error).startswith(_SCHEMA))

    def close(self) -> None:
        """Close the file and free the lock."""
        if self._sql:
            self._sql.close()
        if self._lock:
            self._lock.close()
