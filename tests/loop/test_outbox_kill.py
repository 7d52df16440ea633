"""SIGKILL in the middle of commits: every row that was told to be committed is there afterwards, and the books balance."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

from collector.adapters.outbox import Outbox, read_books
from driftwatt.readings import Reading
from driftwatt.wire import read_row

COMMITTER = """
import asyncio, sys
from pathlib import Path
from collector.adapters.outbox import Outbox
from driftwatt.readings import Reading

async def main():
    outbox = await Outbox.open(Path(sys.argv[1]), max_bytes=50_000_000, tail_s=0, when_full="thin")
    at = 0
    while True:
        rows = [Reading(f"m{n % 3}", 1_790_000_000_000 + at + n, {"active_power": float(at + n)}) for n in range(1 + at % 7)]
        await outbox.commit(rows)
        at += len(rows)
        print(outbox.epoch, at, flush=True)
        if at % 5 == 0:
            await outbox.claim(outbox.epoch, at)
            await outbox.settle(outbox.epoch, at // 2, "p")
            await outbox.prune(0)

asyncio.run(main())
"""
LIVES = 4


def one_life(folder: Path, commits: int) -> tuple[str, int]:
    """Let a process commit, kill it after some of what it told, and return its epoch and how many rows it said are committed."""
    process = subprocess.Popen([sys.executable, "-c", COMMITTER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = [process.stdout.readline() for _ in range(commits)]
        process.kill()
        told += process.stdout.readlines()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    whole = [line for line in told if line.endswith("\n")]
    epoch, rows = whole[-1].split()
    return epoch, int(rows)


def test_a_killed_process_loses_nothing_that_it_said_was_committed(tmp_path: Path) -> None:
    rng = random.Random(3)
    lives = [one_life(tmp_path, rng.randint(20, 120)) for _ in range(LIVES)]

    async def look() -> None:
        outbox = await Outbox.open(tmp_path, max_bytes=50_000_000, tail_s=3600, when_full="thin")
        held = {span.epoch: span for span in outbox.held()}
        for epoch, told in lives:
            span = held[epoch]
            assert told <= span.top <= told + 7, "at most the one commit that was not yet told is there beside"
            parcels = await outbox.read(epoch, 1, 10**9)
            for at, parcel in enumerate(parcels):
                row = read_row(parcel.body)
                assert isinstance(row, Reading)
                assert (row.t_ms, row.values) == (1_790_000_000_000 + at, {"active_power": float(at)})
            assert len(parcels) == span.top
            assert span.acked <= told // 2 + 4
        await outbox.close()

    asyncio.run(look())
    lines = read_books(tmp_path)
    assert sum(line.committed for line in lines) == sum(line.stored + line.waiting for line in lines)
    assert sum(line.committed for line in lines) >= sum(told for _, told in lives)
