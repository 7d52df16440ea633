"""Between the pollers and the outbox: gathers rows so that one sync serves many of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from collector.ports import RowStore
from driftwatt.clock import Clock
from driftwatt.readings import Row


class Committer:
    """A RowSink (collector/ports.py). Rows wait here for at most `commit_every_s`, not at all while the clock strides.

    `on_commit` is called in the event loop after each commit (pass `Forwarder.wake`).
    """

    def __init__(self, outbox: RowStore, clock: Clock, commit_every_s: float, *, on_commit: Callable[[], None] | None = None) -> None:
        raise NotImplementedError

    async def accept(self, rows: Sequence[Row]) -> None:
        """Take the rows of one bus cycle in order. Waits while commits lag; never drops."""
        raise NotImplementedError

    async def run(self) -> None:
        """Commit for ever. Cancel it to stop, then call `drain`."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Commit what still waits; for a clean shutdown and for `--once`."""
        raise NotImplementedError
