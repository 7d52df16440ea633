"""A disk that somebody else fills: the outbox neither crashes nor lies, can still be drained, and recovers when room returns."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.adapters.outbox import Outbox
from collector.adapters.outbox_room import WhenFull
from driftwatt.errors import Unavailable
from driftwatt.readings import Reading
from driftwatt.wire import LedgerLine

T = 1_790_000_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def rows(at: int) -> list[Reading]:
    return [Reading(f"m{n % 4}", T + (at + n) * 1000, {"active_power": float(at + n), "import_energy": 1e6 + at + n}) for n in range(40)]


def fill_up(disk: Path) -> Path:
    """Take every byte that is left."""
    foreign = disk / "somebody-elses-log"
    with foreign.open("ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            while True:
                try:
                    if not file.write(b"x" * size):
                        break
                except OSError:
                    break
    return foreign


def balanced(lines: tuple[LedgerLine, ...]) -> tuple[int, int]:
    """Check the books and return (polled, commit_failed)."""
    for line in lines:
        assert line.polled == line.committed + sum(line.failed.values())
        assert line.committed == line.stored + line.waiting + sum(line.dropped.values()) + line.thinned
    return sum(line.polled for line in lines), sum(line.failed.get("commit_failed", 0) for line in lines)


@pytest.mark.parametrize("when_full", ["thin", "drop_oldest"])
def test_a_disk_filled_by_a_foreign_file_is_survived(small_disk: Path, when_full: WhenFull) -> None:
    async def main() -> None:
        outbox = await Outbox.open(small_disk / "edge", max_bytes=6_000_000, tail_s=0, when_full=when_full)
        polled = 0
        for at in range(0, 2000, 40):
            await outbox.commit(rows(at))
            polled += 40
        foreign = fill_up(small_disk)
        refused = 0
        for at in range(2000, 14_000, 40):
            try:
                await outbox.commit(rows(at))
            except Unavailable:
                refused += 40
                outbox.commit_failed(rows(at))
            polled += 40
        assert refused < polled / 10, "the ballast and the policy keep it going"
        assert foreign.exists()
        held = outbox.held()[-1]
        await outbox.claim(outbox.epoch, held.top)
        await outbox.settle(outbox.epoch, held.top, "p")
        await outbox.prune(T + 10**9)
        assert outbox.status().rows == outbox.status().tail_rows == 0, "it can be drained"
        foreign.unlink()
        await outbox.prune(T + 10**9)
        await outbox.commit(rows(14_000))
        polled += 40
        assert balanced(await outbox.ledger_lines(100)) == (polled, refused)
        assert outbox.status().alarms == ()
        assert (small_disk / "edge" / "ballast").stat().st_size > 0
        await outbox.close()

    asyncio.run(main())
