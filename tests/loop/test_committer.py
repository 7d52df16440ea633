"""The committer: many rows, few syncs, nothing dropped, and failures that are counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from collector.committer import MAX_WAITING_ROWS, Committer
from collector.ports import OutboxFull
from driftwatt.clock import StridingClock, SystemClock
from driftwatt.errors import Unavailable
from driftwatt.readings import Reading, Row


class Disk:
    """An outbox in memory that can be told to be slow, full or broken."""

    def __init__(self) -> None:
        self.commits: list[list[Row]] = []
        self.failed: list[Row] = []
        self.trouble: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def commit(self, rows: Sequence[Row]) -> None:
        await self.gate.wait()
        if self.trouble:
            raise self.trouble.pop(0)
        self.commits.append(list(rows))

    def commit_failed(self, rows: Sequence[Row]) -> None:
        self.failed += rows

    @property
    def rows(self) -> list[Row]:
        return [row for commit in self.commits for row in commit]


def cycle(at: int, rows: int = 3) -> list[Row]:
    return [Reading(f"m{n}", at * 1000 + n, {"active_power": 1.0}) for n in range(rows)]


@contextlib.asynccontextmanager
async def running(committer: Committer) -> AsyncIterator[None]:
    task = asyncio.create_task(committer.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], object]) -> None:
    """Wait until a condition holds; fails after five seconds."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("waited in vain")


def test_rows_of_many_cycles_share_a_commit_within_the_set_time() -> None:
    async def main() -> None:
        disk = Disk()
        told: list[int] = []
        committer = Committer(disk, SystemClock(), 0.15, on_commit=lambda: told.append(1))
        async with running(committer):
            for at in range(10):
                await committer.accept(cycle(at))
            assert disk.commits == []
            await until(lambda: told)
        assert [len(commit) for commit in disk.commits] == [30]
        assert disk.rows == [row for at in range(10) for row in cycle(at)]

    asyncio.run(main())


def test_a_striding_clock_commits_at_once_whatever_the_set_time(tmp_path: Path) -> None:
    async def main() -> None:
        disk = Disk()
        clock = StridingClock(1_700_000_000_000, stride_s=300, shared=tmp_path / "instant")
        committer = Committer(disk, clock, 3600)
        async with running(committer):
            await committer.accept(cycle(1))
            await until(lambda: disk.commits)

    asyncio.run(main())


def test_pollers_wait_while_the_disk_lags_and_nothing_is_dropped() -> None:
    async def main() -> None:
        disk = Disk()
        disk.gate.clear()
        committer = Committer(disk, SystemClock(), 0.001)
        taken = []

        async def poll() -> None:
            for at in range(100):
                await committer.accept(cycle(at, 50))
                taken.append(50)

        async with running(committer):
            poller = asyncio.create_task(poll())
            await until(lambda: sum(taken) >= MAX_WAITING_ROWS)
            before = sum(taken)
            await asyncio.sleep(0.05)
            assert sum(taken) == before <= 2 * MAX_WAITING_ROWS + 100
            disk.gate.set()
            await poller
            await until(lambda: len(disk.rows) == 5000)
        assert disk.rows == [row for at in range(100) for row in cycle(at, 50)]

    asyncio.run(main())


def test_a_commit_that_fails_is_counted_and_the_next_one_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        disk = Disk()
        disk.trouble = [Unavailable("disk full"), Unavailable("disk full")]
        committer = Committer(disk, SystemClock(), 0.001)
        async with running(committer):
            for at in range(3):
                await committer.accept(cycle(at))
                await until(partial(lambda so_far: len(disk.failed) + len(disk.rows) == so_far, 3 * (at + 1)))
        assert disk.failed == [*cycle(0), *cycle(1)]
        assert disk.rows == cycle(2)

    with caplog.at_level("INFO"):
        asyncio.run(main())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_full_outbox_stops_the_pollers_and_keeps_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.committer.RETRY_S", 0.02)

    async def main() -> None:
        disk = Disk()
        disk.trouble = [OutboxFull("full")] * 3
        committer = Committer(disk, SystemClock(), 0.001)
        async with running(committer):
            await committer.accept(cycle(0))
            await until(lambda: len(disk.trouble) < 3)
            await committer.accept(cycle(1))
            await until(lambda: len(disk.rows) == 6)
        assert disk.rows == [*cycle(0), *cycle(1)]
        assert disk.failed == []

    asyncio.run(main())


def test_what_waits_at_the_end_is_committed() -> None:
    async def main() -> None:
        disk = Disk()
        committer = Committer(disk, SystemClock(), 3600)
        async with running(committer):
            await committer.accept(cycle(0))
        await committer.drain()
        await committer.drain()
        assert disk.commits == [cycle(0)]

    asyncio.run(main())
