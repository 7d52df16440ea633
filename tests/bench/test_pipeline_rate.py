"""How many readings a second of one core the plant takes: parsed, stored, judged, committed, acknowledged."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from driftwatt.readings import Reading
from tests.support.plant_bench import NOW_MS, bench, data

METERS = [f"m{number}" for number in range(12)]
STEPS, STRIDE_MS = 864, 300_000
FIELDS = ("active_power_l1", "active_power_l2", "active_power_l3", "voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "frequency")
AT_LEAST = 3000
"""Readings a CPU second on one core of the machine on which the figures of the README were taken."""


def test_twelve_meters_in_fast_forward_take_less_than_a_third_of_a_millisecond_a_reading(tmp_path: Path) -> None:
    messages, rows, seq = [], list[Reading](), 1
    for step in range(STEPS):
        t_ms = NOW_MS - (STEPS - step) * STRIDE_MS
        for number, meter in enumerate(METERS):
            values = dict.fromkeys(FIELDS, 230.0 + step % 7)
            rows.append(Reading(meter, t_ms, {**values, "active_power": 6000.0, "import_energy": 1e6 + step * 500.0 + number}))
        if len(rows) >= 96 or step == STEPS - 1:
            messages.append(data(seq, rows))
            seq += len(rows)
            rows = []

    async def scenario() -> float:
        pipeline, link = bench(tmp_path, METERS)
        await pipeline.begin()
        began = time.process_time()
        for at in range(0, len(messages), 10):
            await pipeline.cycle(messages[at : at + 10])
        assert link.acks()[-1].upto == STEPS * len(METERS)
        return time.process_time() - began

    rate = STEPS * len(METERS) / asyncio.run(scenario())
    print(f"{rate:.0f} readings a CPU second")
    assert rate > AT_LEAST
