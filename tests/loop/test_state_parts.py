"""Energy, detector and memory of a meter are kept apart: whenever a processor dies, those it finds belong together."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from driftwatt.readings import Reading
from processors.adapters.state import SqliteState
from processors.pipeline import Pipeline
from processors.ports import Message
from processors.pure import engine
from processors.pure.commit import Commit
from tests.support.plant_bench import NOW_MS, bench, data

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = (NOW_MS // DAY - 3) * DAY + 17 * HOUR  # midnight at the plant
LOT = 12
NIGHT = range(22, 28)
"""Messages of an hour each; in the 24th hour a day is over."""


class Died(BaseException):
    """The process ends here: nothing after it runs."""


class DyingState(SqliteState):
    """Dies at every commit, before or after it is done."""

    def __init__(self, path: Path, *, after: bool) -> None:
        super().__init__(path)
        self._after = after

    def commit(self, change: Commit) -> None:
        if self._after:
            super().commit(change)
        raise Died


def messages() -> list[Message]:
    dice, rows, energy = random.Random(5), [], 1e6
    for at in range(NIGHT.stop * LOT):
        power = 9000.0 + dice.gauss(0, 300)
        energy += power / 12
        rows.append(Reading("m1", START + at * 5 * MINUTE, {"active_power": power, "import_energy": round(energy, 1)}))
    return [data(at + 1, rows[at : at + LOT]) for at in range(0, len(rows), LOT)]


SENT = messages()


async def life(folder: Path, hours: range, state: SqliteState | None = None) -> None:
    pipeline, _ = bench(folder, ("m1",), state=state)
    try:
        await pipeline.begin()
        assert not pipeline.judge.redo.broken
        for hour in hours:
            await pipeline.cycle([SENT[hour]])
    finally:
        close(pipeline)


def close(pipeline: Pipeline) -> None:
    pipeline.storing.stop()
    pipeline.keeping.stop()
    pipeline.store.close()
    pipeline.state.close()  # type: ignore[attr-defined]


def parts(folder: Path) -> dict[str, bytes]:
    with sqlite3.connect(folder / "state.sqlite3") as db:
        found = dict(db.execute("SELECT name, data FROM part WHERE meter = 'm1'"))
    db.close()
    return found


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evening")
    asyncio.run(life(folder, range(NIGHT.start)))
    return folder


@pytest.mark.parametrize("after", [False, True])
def test_a_processor_that_dies_at_any_commit_of_a_night_finds_parts_that_belong_together(
    evening: Path, tmp_path: Path, *, after: bool
) -> None:
    whole, killed = (Path(shutil.copytree(evening, tmp_path / name)) for name in ("whole", "killed"))
    asyncio.run(life(whole, NIGHT))
    for hour in NIGHT:
        with pytest.raises(Died):
            asyncio.run(life(killed, range(hour, hour + 1), DyingState(killed / "state.sqlite3", after=after)))
        asyncio.run(life(killed, range(hour, hour + 1)))
    found = parts(killed)
    assert found == parts(whole)
    assert found["memory"] != parts(evening)["memory"]
    assert engine.restore(found).detector.memory.valid_days == 1
