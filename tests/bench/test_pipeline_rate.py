"""How many readings of 20 values a CPU second the plant takes: decoded, ordered, stored, judged, committed, acknowledged.

The rows come in messages as the collector packs them, from 200 meters polled every ten seconds whose detectors have
learned for weeks under a real tariff; a quarter-hour closes for each of them on the way. Own time is that of all threads.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from driftwatt.wire import read_message
from processors.adapters.sqlite import SqliteStore
from processors.adapters.state import SqliteState
from processors.pipeline import CYCLE_BYTES
from processors.ports import Message
from processors.pure.judge import Judge, Products
from tests.support.busy_plant import EVERY_MS, QUARTER_MS, BusyEdge, judge_with_learned_meters, meter_names
from tests.support.plant_bench import BenchClock, bench

START_MS = 1_900_000_800_000 // QUARTER_MS * QUARTER_MS
METERS, ROUNDS = 200, 102
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

        def measured(*given: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return method(*given, **named)
            finally:
                self.cpu_s += time.thread_time() - began

        return measured


class NoStore:
    """Takes everything and keeps nothing, to see what the rest costs."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_given, **_named: None


def cycles(messages: Sequence[Message], max_bytes: int) -> list[list[Message]]:
    """Return the messages as the pipeline takes them from a full inbox."""
    out: list[list[Message]] = [[]]
    size = 0
    for message in messages:
        if out[-1] and size + len(message.payload) > max_bytes:
            out.append([])
            size = 0
        out[-1].append(message)
        size += len(message.payload)
    return out


def judged_s(folder: Path, messages: Sequence[Message]) -> tuple[float, float]:
    """Return what decoding and judging alone take."""
    began = time.process_time()
    readings: list[Any] = [row for message in messages for _, row in read_message(message.payload).rows]
    decoded = time.process_time()
    judge = judge_with_learned_meters(folder, meter_names(METERS), START_MS)
    per_cycle = len(readings) // len(cycles(messages, CYCLE_BYTES)) + 1
    judge.on_readings(readings[:METERS], Products())
    judging = time.process_time()
    for at in range(0, len(readings), per_cycle):
        judge.on_readings(readings[at : at + per_cycle], Products())
        judge.parts()
    return decoded - began, time.process_time() - judging


@pytest.mark.parametrize("kind", ["sqlite", "nothing"])
def test_a_plant_takes_fifteen_thousand_readings_a_cpu_second(tmp_path: Path, kind: str) -> None:
    names = meter_names(METERS)
    judge: Judge = judge_with_learned_meters(tmp_path, names, START_MS)
    edge = BusyEdge(names, START_MS + 5000)
    first, messages = edge.messages(2), edge.messages(ROUNDS)
    store = Measured(SqliteStore(tmp_path / "store.sqlite3") if kind == "sqlite" else NoStore())
    state = Measured(SqliteState(tmp_path / "state.sqlite3"))

    async def scenario() -> float:
        clock = BenchClock(START_MS + ROUNDS * EVERY_MS + 600_000)
        pipeline, link = bench(tmp_path, names, store=store, state=state, clock=clock)
        pipeline.judge = judge
        await pipeline.begin()
        await pipeline.cycle([*edge.hellos(), *first])
        store.cpu_s = state.cpu_s = 0.0
        gc.collect()
        began = time.process_time()
        for chunk in cycles(messages, CYCLE_BYTES):
            await pipeline.cycle(chunk)
        spent = time.process_time() - began
        assert link.acks()[-1].upto == (ROUNDS + 2) * METERS
        return spent

    whole = asyncio.run(scenario())
    count = METERS * ROUNDS
    decoding, judging = judged_s(tmp_path, messages)
    rest = whole - decoding - judging - store.cpu_s - state.cpu_s
    shares = {"decode": decoding, "store": store.cpu_s, "judge": judging, "state": state.cpu_s, "order, books, ack, page": rest}
    told = ", ".join(f"{name} {seconds / count * 1e6:.1f}" for name, seconds in shares.items())
    print(f"store {kind}: {count / whole:,.0f} readings a CPU second (goal {AT_LEAST:,}, aim {AIM:,}); microseconds a reading: {told}")
    if kind == "sqlite":
        assert count / whole >= AT_LEAST
