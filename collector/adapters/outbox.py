"""The outbox: every polled row is synced to disk here before it counts, and stays until the plant has it.

One thread owns the one SQLite connection; all others ask that thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from collector.ports import OutboxStatus
from collector.pure.sending import Held, Parcel
from driftwatt.readings import Row
from driftwatt.wire import LedgerLine

WhenFull = Literal["thin", "drop_oldest", "stop_polling"]


class Outbox:
    """Rows of this edge, in epochs. Use `await Outbox.open(…)`."""

    epoch: str
    """The epoch of this process: 16 hex digits, random at each start."""

    @classmethod
    async def open(cls, folder: Path, *, max_bytes: int, tail_s: float, when_full: WhenFull) -> Outbox:
        """Open or create the outbox in `folder`. Raises ConfigError when another daemon has it, Unavailable when the disk says no."""
        raise NotImplementedError

    async def commit(self, rows: Sequence[Row]) -> None:
        """Sync rows and their ledger counters to disk in one transaction.

        Raises OutboxFull (policy stop_polling, nothing was written) or Unavailable (nothing was written).
        """
        raise NotImplementedError

    def commit_failed(self, rows: Sequence[Row]) -> None:
        """Count rows that could not be committed as failed polls; written to the books by the next commit that works."""
        raise NotImplementedError

    def held(self) -> tuple[Held, ...]:
        """Return the epochs held, oldest first; the last one is this process's own."""
        raise NotImplementedError

    async def read(self, epoch: str, first: int, max_bytes: int) -> tuple[Parcel, ...]:
        """Return consecutive parcels from seq `first` on, at least one if there is any, about `max_bytes` at most."""
        raise NotImplementedError

    async def claim(self, epoch: str, upto: int) -> None:
        """Note durably that rows up to `upto` may have been sent, before they are."""
        raise NotImplementedError

    async def settle(self, epoch: str, upto: int, by: str) -> None:
        """Move the plant's mark of an epoch to `upto`, forwards or (a plant that was restored) backwards."""
        raise NotImplementedError

    async def prune(self, now_ms: int) -> None:
        """Delete acknowledged rows older than the tail, and epochs that have nothing left."""
        raise NotImplementedError

    async def ledger_lines(self, days: int = 7) -> tuple[LedgerLine, ...]:
        """Return the books of the newest `days` UTC days that have any, one line per meter and day."""
        raise NotImplementedError

    def status(self) -> OutboxStatus:
        """Return what people ask about: rows, bytes, hours left, alarms."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the file and free the lock; never raises."""
        raise NotImplementedError
