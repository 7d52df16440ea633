"""How many readings of 20 values a CPU second the plant takes: decoded, ordered, stored, judged, committed, acknowledged.

The rows come in messages as the collector packs them, from 200 meters polled every ten seconds whose detectors have
learned for weeks under a real tariff. More than an hour of them: five quarter-hours and an hour close for each meter, and
all that waits in the store is packed. Own time is that of all threads.
Only a day's close is not in it, which comes once in 8,640 readings of a meter.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from driftwatt import daemon
from driftwatt.wire import read_message
from processors.adapters.sqlite import SqliteStore
from processors.adapters.state import SqliteState
from processors.pipeline import CYCLE_BYTES, Pipeline
from tests.support.busy_plant import EVERY_MS, QUARTER_MS, BusyEdge, judge_with_learned_meters, meter_names
from tests.support.plant_bench import BenchClock, bench

START_MS = 1_900_000_800_000 // QUARTER_MS * QUARTER_MS
METERS, CYCLES, ROUNDS = 200, 28, 18
"""So many rounds fill the largest cycle."""
AT_LEAST, AIM = 15_000, 40_000
"""Readings a CPU second: the goal, which this fails without, and what would be better."""


@dataclass
class Measured:
    """Hands calls on and adds up the CPU time that they take in their own threads."""

    inner: Any
    cpu_s: float = 0.0
    _methods: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if not callable(method):
            return method

        def measured(*given: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return method(*given, **named)
            finally:
                self.cpu_s += time.thread_time() - began

        return measured


async def worked(pipeline: Pipeline, edge: BusyEdge) -> tuple[float, float]:
    """Take one cycle after the other, then pack; return CPU seconds of the whole, and those of decoding, done once more beside it."""
    whole = decoding = 0.0
    for _ in range(CYCLES):
        messages = edge.messages(ROUNDS)  # the rows of the next cycle are made only now
        assert sum(len(message.payload) for message in messages) <= CYCLE_BYTES
        began = time.process_time()
        await pipeline.cycle(messages)
        taken = time.process_time()
        for message in messages:
            read_message(message.payload)
        whole, decoding = whole + taken - began, decoding + time.process_time() - taken
    return whole, decoding


@pytest.mark.timeout(300)
def test_a_plant_takes_fifteen_thousand_readings_a_cpu_second(tmp_path: Path) -> None:
    names, count = meter_names(METERS), METERS * CYCLES * ROUNDS
    judge = Measured(judge_with_learned_meters(tmp_path, names, START_MS))
    file = SqliteStore(tmp_path / "store.sqlite3")
    store, state = Measured(file), Measured(SqliteState(tmp_path / "state.sqlite3"))

    async def scenario() -> tuple[float, float]:
        clock = BenchClock(START_MS + CYCLES * ROUNDS * EVERY_MS + 600_000)
        pipeline, link = bench(tmp_path, names, store=store, state=state, clock=clock, judge=judge)  # type: ignore[arg-type]
        edge = BusyEdge(names, START_MS + 5000)
        await pipeline.begin()
        daemon.settle()
        await pipeline.cycle([*edge.hellos(), *edge.messages(2)])
        judge.cpu_s = store.cpu_s = state.cpu_s = 0.0
        found = await worked(pipeline, edge)
        assert link.acks()[-1].upto == count + 2 * METERS
        return found

    whole, decoding = asyncio.run(scenario())
    began = time.process_time()
    while file._packing.pack_all(1 << 60):
        pass
    packing = time.process_time() - began
    whole += packing
    rest = whole - decoding - packing - judge.cpu_s - store.cpu_s - state.cpu_s
    steps = {
        "decode": decoding,
        "store": store.cpu_s + packing,
        "judge": judge.cpu_s,
        "state": state.cpu_s,
        "order, books, ack, page": rest,
    }
    told = ", ".join(f"{name} {seconds / count * 1e6:.1f}" for name, seconds in steps.items())
    print(f"{count / whole:,.0f} readings a CPU second (goal {AT_LEAST:,}, aim {AIM:,}); microseconds a reading: {told}")
    assert count / whole >= AT_LEAST
