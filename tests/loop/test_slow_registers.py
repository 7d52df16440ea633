"""Slow registers on a line whose cycles are now a bit longer, now a bit shorter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from collector.asking import Pace
from collector.poller import BusPoller
from collector.ports import Reply, Request
from collector.pure.blocks import meter_plan
from config.edge import Meter
from config.profiles import Profile
from driftwatt.readings import Reading, Row

PROFILE = Profile.model_validate(
    {
        "maker": "Test", "model": "T", "sources": ["none"], "verification": "unconfirmed",
        "register": [
            {"quantity": "active_power", "kind": "input", "address": 10, "type": "uint16", "unit": "W"},
            {"quantity": "frequency", "kind": "input", "address": 99, "type": "uint16", "unit": "Hz", "class": "slow"},
        ],
    }
)  # fmt: skip


class Paper:
    """A clock, a line and a sink on paper: time passes with every reply, by another amount each."""

    name, shared, wired = "paper", False, False

    def __init__(self, takes_s: Sequence[float]) -> None:
        self.now_s = 0.0
        self.rows: list[Row] = []
        self._takes_s, self._asked = takes_s, 0

    def now_ms(self) -> int:
        return round(1_700_000_000_000 + 1000 * self.now_s)

    def monotonic_s(self) -> float:
        return self.now_s

    def period_s(self, wished_s: float) -> float:
        return wished_s

    async def sleep_until(self, monotonic_s: float) -> None:
        self.now_s = max(self.now_s, monotonic_s)
        await asyncio.sleep(0)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self, request: Request) -> Reply:
        self.now_s += self._takes_s[self._asked % len(self._takes_s)]
        self._asked += 1
        return Reply(request.unit, 4, 2 * request.count, tuple(range(request.count)), 1, 1)

    async def accept(self, rows: Sequence[Row]) -> None:
        self.rows += rows


def polls(every: str, count: int, takes_s: Sequence[float]) -> list[Reading]:
    """Return the readings of the second of two meters."""
    paper = Paper(takes_s)
    plans = [meter_plan(Meter.model_validate({"id": f"m{unit}", "unit": unit, "profile": "t", "every": every}), PROFILE) for unit in (1, 2)]

    async def scene() -> None:
        poller = BusPoller("line", paper, plans, clock=paper, sink=paper, stamps=lambda: (paper.now_ms(), "ok"), pace=Pace())
        task = asyncio.create_task(poller.run())
        while len(paper.rows) < 2 * count:  # noqa: ASYNC110 – every turn of the loop lets time pass
            await asyncio.sleep(0)
        poller.stop()
        await task

    asyncio.run(scene())
    return [row for row in paper.rows if isinstance(row, Reading) and row.meter == "m2"]


def test_a_meter_polled_as_seldom_as_its_slow_registers_brings_them_every_time() -> None:
    readings = polls("10s", 12, [0.30, 0.10, 0.22, 0.05, 0.31])
    assert all("frequency" in reading.values for reading in readings)


def test_a_meter_polled_more_often_brings_them_every_ten_seconds() -> None:
    readings = polls("1s", 60, [0.03, 0.01, 0.022, 0.005, 0.031])
    instants_s = [reading.t_ms / 1000 for reading in readings if "frequency" in reading.values]
    assert len(instants_s) >= 5
    assert all(9.4 < after - before < 10.6 for before, after in pairwise(instants_s))
