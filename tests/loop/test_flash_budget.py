"""What `driftwatt check` says about flash, against what the outbox really hands to the operating system."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from collector.adapters.outbox import Outbox
from collector.pure.budget import PAGE_BYTES, PAGES_PER_COMMIT, ROW_OVERHEAD_BYTES, WRITTEN_PER_BYTE
from driftwatt.readings import Reading
from driftwatt.wire import row_bytes

COMMITS = 400
VALUES = {"voltage_l1": 229.6999969482422, "active_power": 23875.400390625, "import_energy": 123456784.0, "frequency": 49.97999954223633}


def _written() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("wchar:")).split()[1])


async def _cost_of_a_commit(folder: Path, rows_each: int) -> float:
    box = await Outbox.open(folder, max_bytes=200_000_000, tail_s=60, when_full="thin")
    before = _written()
    for number in range(COMMITS):
        t_ms = 1_790_000_000_000 + 1000 * number
        await box.commit([Reading(f"meter-{index}", t_ms, VALUES, duration_ms=120) for index in range(rows_each)])
        await box.claim(box.epoch, (number + 1) * rows_each)
        await box.settle(box.epoch, (number + 1) * rows_each, "plant")
        if number % 60 == 0:
            await box.prune(t_ms)
    cost = (_written() - before) / COMMITS
    await box.close()
    return cost


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts the bytes that a process writes")
@pytest.mark.parametrize("rows_each", [1, 4, 20])
def test_the_flash_figure_is_within_forty_percent_of_what_the_outbox_writes(rows_each: int, tmp_path: Path) -> None:
    row = len(row_bytes(Reading("meter-1", 1_790_000_000_000, VALUES, duration_ms=120))) + ROW_OVERHEAD_BYTES
    said = WRITTEN_PER_BYTE * row * rows_each + PAGES_PER_COMMIT * PAGE_BYTES
    assert asyncio.run(_cost_of_a_commit(tmp_path, rows_each)) == pytest.approx(said, rel=0.4)
