"""What drives the use reaches the store: a count on an MQTT topic becomes hours that `driftwatt export` prints, each of them once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from processors.adapters.tables import StoredTables
from processors.pipeline import Pipeline
from processors.ports import Message
from processors.pure.alerts import AlertContext
from processors.pure.drivers import Driven, Drivers, Series
from processors.pure.judge import Judge
from tests.support.plant_bench import NOW_MS, BenchClock, bench, policy

QUARTER = 900_000
START = NOW_MS - NOW_MS % (4 * QUARTER)


def plant(folder: Path, clock: BenchClock) -> Pipeline:
    """Return a pipeline of a press whose pieces are counted on a topic."""
    pipeline, _ = bench(folder, ("m1",), clock=clock)
    book = Drivers({"pieces": Series("production")}, topics={"line-a/count": "pieces"})
    driven = replace(policy("m1"), drivers=Driven(book, production=book.series["pieces"]))
    pipeline.judge = Judge({"m1": driven}, AlertContext("plant"))
    return pipeline


async def count(pipeline: Pipeline, clock: BenchClock, quarters: range) -> None:
    for n in quarters:
        clock.at_ms = START + n * QUARTER
        pipeline._ticked_s = -1e9
        await pipeline.cycle([Message("line-a/count", str(1000 + 25 * n).encode())])


def test_a_count_on_a_topic_becomes_hours_in_the_store_that_a_restart_does_not_change(tmp_path: Path) -> None:
    async def live() -> None:
        clock = BenchClock()
        first = plant(tmp_path, clock)
        await first.begin()
        await count(first, clock, range(10))
        second = plant(tmp_path, clock)
        await second.begin()
        await count(second, clock, range(10, 14))

    asyncio.run(live())
    tables = StoredTables(tmp_path / "store.sqlite3")
    assert tables.series("drivers_1h") == ["pieces"]
    rows = list(tables.points("drivers_1h", "pieces", START, START + 16 * QUARTER))
    assert [(row["t"], row["value"], row["coverage"]) for row in rows] == [
        (START, 100.0, 1.0),
        (START + 4 * QUARTER, 100.0, 1.0),
        (START + 8 * QUARTER, 100.0, 1.0),
    ]
