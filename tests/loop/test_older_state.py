"""A state kept by an earlier version does not stop a plant: what can be kept goes on, the rest is made again from the store."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from driftwatt.errors import UnknownMajor
from driftwatt.readings import Reading
from processors.pipeline import Pipeline
from processors.pure import detector_bytes, energy_bytes, engine
from processors.pure.answers import Change, Told
from processors.pure.appraise import AlertContext
from processors.pure.detector_bytes import OLDEST, VERSION
from processors.pure.judge import Judge
from processors.pure.outputs import IntervalEnergy
from processors.rebuilding import at_once, catch_up, follow, rebuild
from tests.support.plant_bench import NOW_MS, bench, data, policy

MINUTE, DAY = 60_000, 86_400_000
START = (NOW_MS // DAY - 6) * DAY + 7 * 3_600_000
KEPT = 864
Bytes = dict[str, bytes]


def course() -> list[Reading]:
    """Return four days of m1, of which the first three are kept when the other version takes over."""
    dice, rows, energy = random.Random(11), [], 1e6
    for at in range(4 * 288):
        power = (12_000.0 if at % 288 < 150 else 3_000.0) + dice.gauss(0, 400)
        energy += power * 300 / 3600
        rows.append(Reading("m1", START + at * 5 * MINUTE, {"active_power": power, "import_energy": round(energy, 1)}))
    return rows


ROWS = course()


async def take(pipeline: Pipeline, rows: Sequence[Reading], first: int) -> None:
    for at in range(0, len(rows), 60):
        await pipeline.cycle([data(first + at, rows[at : at + 60])])


def close(pipeline: Pipeline) -> None:
    pipeline.storing.stop()
    pipeline.keeping.stop()
    pipeline.store.close()
    pipeline.state.close()  # type: ignore[attr-defined]


async def lived(folder: Path, rows: Sequence[Reading]) -> Pipeline:
    pipeline, _ = bench(folder, ("m1",))
    await pipeline.begin()
    await take(pipeline, rows[:300], 1)
    told = Told("m1", "base", START, "known", START + 1)
    pipeline.judge._change(Change(pipeline.judge.book, (), (told,)), pipeline.people._answered)
    await take(pipeline, rows[300:], 301)
    return pipeline


def state_bytes(pipeline: Pipeline) -> Bytes:
    return engine.parts(pipeline.judge.states["m1"])


def quarters(pipeline: Pipeline) -> list[IntervalEnergy]:
    return pipeline.store.intervals("15m", "m1", 0, NOW_MS)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bytes, list[IntervalEnergy]]:
    folder = tmp_path_factory.mktemp("right")
    pipeline = asyncio.run(lived(folder, ROWS))
    found = state_bytes(pipeline), quarters(pipeline)
    close(pipeline)
    return folder, *found


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bytes]:
    folder = tmp_path_factory.mktemp("before")
    pipeline = asyncio.run(lived(folder, ROWS[:KEPT]))
    state = state_bytes(pipeline)
    close(pipeline)
    return folder, state


@pytest.fixture
def plant(before: tuple[Path, Bytes], tmp_path: Path) -> Path:
    """Return a plant whose detector parts and snapshots are all of a version that is no longer read."""
    folder = Path(shutil.copytree(before[0], tmp_path / "plant"))
    rewrite(folder, "detector", lambda raw: of_version(raw, OLDEST - 1))
    return folder


def of_version(raw: bytes, version: int) -> bytes:
    """Return sealed bytes as another version would have sealed them; the checksum is that of the body and stays right."""
    return raw[:4] + version.to_bytes(2, "little") + raw[6:]


def rewrite(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    with sqlite3.connect(folder / "state.sqlite3") as db:
        for meter, raw in db.execute("SELECT meter, data FROM part WHERE name = ?", (name,)).fetchall():
            db.execute("UPDATE part SET data = ? WHERE meter = ? AND name = ?", (change(raw), meter, name))
        for t_ms, packed in db.execute(f"SELECT t_ms, {name} FROM snapshot WHERE {name} IS NOT NULL").fetchall():
            db.execute(f"UPDATE snapshot SET {name} = ? WHERE t_ms = ?", (zlib.compress(change(zlib.decompress(packed)), 1), t_ms))
    db.close()


def detector_on_disk(folder: Path) -> int:
    with sqlite3.connect(folder / "state.sqlite3") as db:
        raw: bytes = db.execute("SELECT data FROM part WHERE name = 'detector'").fetchone()[0]
    db.close()
    return int.from_bytes(raw[4:6], "little")


def names_on_disk(folder: Path) -> set[str]:
    with sqlite3.connect(folder / "state.sqlite3") as db:
        names = {name for (name,) in db.execute("SELECT name FROM part WHERE meter = 'm1'")}
    db.close()
    return names


async def again(folder: Path) -> Pipeline:
    pipeline, _ = bench(folder, ("m1",))
    await pipeline.begin()
    return pipeline


def test_a_detector_of_an_earlier_version_is_made_again_and_the_energy_goes_on(
    plant: Path, before: tuple[Path, Bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async def live() -> None:
        with caplog.at_level(logging.WARNING):
            pipeline = await again(plant)
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == 1, told
        assert f"version {OLDEST - 1}" in told[0]
        assert "m1" in told[0]
        assert pipeline.judge.seen_ms("m1") == ROWS[KEPT - 1].t_ms
        assert state_bytes(pipeline)["energy"] == before[1]["energy"]
        assert "state_damaged" not in pipeline.standing
        await catch_up(pipeline, "m1", between=at_once)
        assert state_bytes(pipeline) == before[1], "readings, and the answer in its place"
        assert {interval.rev for interval in quarters(pipeline)} == {0}
        assert not pipeline.judge.redo.late
        close(pipeline)
        caplog.clear()
        pipeline = await again(plant)
        assert not caplog.records
        assert state_bytes(pipeline) == before[1]
        compared = await rebuild(pipeline, "m1", from_ms=START + 2 * DAY, between=at_once, compare=True)
        assert (compared.equal, compared.readings > 0) == (True, True), "its snapshots are new ones"
        close(pipeline)

    asyncio.run(live())


def test_a_detector_kept_whole_goes_on_and_is_kept_in_two_parts_from_then_on(
    before: tuple[Path, Bytes], right: tuple[Path, Bytes, list[IntervalEnergy]], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(before[0], tmp_path / "plant"))
    rewrite(folder, "detector", lambda raw: of_version(raw, OLDEST))
    with sqlite3.connect(folder / "state.sqlite3") as db:
        db.execute("DELETE FROM part WHERE name = 'memory'")
        db.execute("UPDATE part SET data = ? WHERE name = 'detector'", (of_version(before[1]["detector"], OLDEST),))
    db.close()

    async def live() -> None:
        for at in range(KEPT, len(ROWS), 96):
            pipeline = await again(folder)
            assert not pipeline.judge.redo.again
            await take(pipeline, ROWS[at : at + 96], at + 1)
            close(pipeline)
            assert names_on_disk(folder) == {"energy", "detector", "memory"}
        pipeline = await again(folder)
        assert state_bytes(pipeline) == right[1]
        compared = await rebuild(pipeline, "m1", from_ms=START + 2 * DAY, between=at_once, compare=True)
        assert (compared.equal, compared.readings > 0) == (True, True), "its snapshots are still read"
        close(pipeline)

    asyncio.run(live())


def test_a_memory_of_another_day_is_refused_by_name_and_made_again(before: tuple[Path, Bytes], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(before[0], tmp_path / "plant"))
    state = engine.restore(before[1])
    other = detector_bytes.dump_memory(state.detector.memory._replace(valid_days=99))
    with sqlite3.connect(folder / "state.sqlite3") as db:
        db.execute("UPDATE part SET data = ? WHERE name = 'memory'", (other,))
    db.close()

    async def live() -> None:
        pipeline = await again(folder)
        assert "m1" in pipeline.standing["state_damaged"].text
        assert "the memory is not the one" in pipeline.standing["state_damaged"].text
        await catch_up(pipeline, "m1", between=at_once)
        assert state_bytes(pipeline) == before[1]
        close(pipeline)
        pipeline = await again(folder)
        assert not pipeline.judge.redo.again
        assert state_bytes(pipeline) == before[1]
        close(pipeline)

    asyncio.run(live())


def test_readings_go_on_meanwhile_and_a_kill_before_the_end_finds_the_same_task(
    plant: Path, right: tuple[Path, Bytes, list[IntervalEnergy]]
) -> None:
    async def live() -> None:
        for at in range(KEPT, len(ROWS), 96):  # midnight is among them, when snapshots are due
            pipeline = await again(plant)
            await take(pipeline, ROWS[at : at + 96], at + 1)
            assert detector_on_disk(plant) == OLDEST - 1, "a version that knows it may still come back"
            close(pipeline)
        pipeline = await again(plant)
        assert state_bytes(pipeline)["energy"] == right[1]["energy"]
        assert quarters(pipeline) == right[2]
        await catch_up(pipeline, "m1", between=at_once)
        assert state_bytes(pipeline) == right[1]
        assert quarters(pipeline) == right[2]
        assert detector_on_disk(plant) == VERSION
        close(pipeline)

    asyncio.run(live())


def test_energy_of_a_version_that_is_no_longer_read_is_made_again_too(
    plant: Path, right: tuple[Path, Bytes, list[IntervalEnergy]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(plant, "energy", lambda raw: b"1" + raw[1:])
    monkeypatch.setattr(energy_bytes, "OLDEST", 2)

    async def live() -> None:
        pipeline = await again(plant)
        assert pipeline.judge.seen_ms("m1") == -1
        await take(pipeline, ROWS[KEPT:-60], KEPT + 1)
        close(pipeline)
        pipeline = await again(plant)
        await take(pipeline, ROWS[-60:], len(ROWS) - 59)
        await catch_up(pipeline, "m1", between=at_once)
        assert state_bytes(pipeline) == right[1]
        assert [interval.import_wh for interval in quarters(pipeline)] == [interval.import_wh for interval in right[2]]
        close(pipeline)

    asyncio.run(live())


def test_where_the_first_readings_are_no_longer_kept_no_interval_is_revised(plant: Path, before: tuple[Path, Bytes]) -> None:
    async def live() -> None:
        pipeline = await again(plant)
        gone_ms = START + DAY
        while pipeline.store.keep_house(NOW_MS, gone_ms):  # type: ignore[attr-defined]
            pass
        first = pipeline.store.whole_readings("m1", 0, NOW_MS, 1)[0].t_ms
        assert first > START
        done = await rebuild(pipeline, "m1", from_ms=None, between=at_once)
        assert done.revised == 0
        assert done.from_ms > first
        assert state_bytes(pipeline)["energy"] == before[1]["energy"]
        assert not pipeline.judge.redo.again
        close(pipeline)

    asyncio.run(live())


def test_ratios_that_changed_since_do_not_rewrite_the_past(plant: Path, before: tuple[Path, Bytes]) -> None:
    async def live() -> None:
        pipeline, _ = bench(plant, ("m1",), judge=Judge({"m1": replace(policy("m1"), ct_ratio=40.0)}, AlertContext("plant")))
        await pipeline.begin()
        await catch_up(pipeline, "m1", between=at_once)
        assert {interval.rev for interval in quarters(pipeline)} == {0}
        assert state_bytes(pipeline)["energy"] == before[1]["energy"]
        await take(pipeline, ROWS[KEPT : KEPT + 24], KEPT + 1)
        compared = await rebuild(pipeline, "m1", from_ms=None, between=at_once, compare=True)
        assert (compared.equal, compared.revised) == (True, 0)
        close(pipeline)

    asyncio.run(live())


def test_readings_that_came_late_as_well_revise_their_own_intervals(plant: Path, right: tuple[Path, Bytes, list[IntervalEnergy]]) -> None:
    async def live() -> None:
        pipeline = await again(plant)
        pipeline.judge.overdue("m1", ROWS[KEPT].t_ms)
        await pipeline.cycle([data(KEPT + 31, ROWS[KEPT + 30 :], base=KEPT + 31)])
        pipeline.store.write_readings(ROWS[KEPT : KEPT + 30])
        await catch_up(pipeline, "m1", between=at_once)
        assert state_bytes(pipeline) == right[1]
        assert [replace(interval, rev=0) for interval in quarters(pipeline)] == right[2]
        assert min(interval.start_ms for interval in quarters(pipeline) if interval.rev) >= ROWS[KEPT].t_ms - 1_800_000
        close(pipeline)

    asyncio.run(live())


def test_where_no_readings_are_kept_the_detector_begins_anew_and_that_is_the_end_of_it(plant: Path, before: tuple[Path, Bytes]) -> None:
    for file in plant.glob("store.sqlite3*"):
        file.unlink()

    async def live() -> None:
        pipeline = await again(plant)
        await catch_up(pipeline, "m1", between=at_once)
        assert (pipeline.judge.redo.late, pipeline.judge.redo.again) == ({}, set())
        close(pipeline)
        pipeline = await again(plant)
        assert (pipeline.judge.redo.late, pipeline.judge.redo.again) == ({}, set())
        assert state_bytes(pipeline)["energy"] == before[1]["energy"]
        close(pipeline)

    asyncio.run(live())


def test_the_plant_makes_them_again_by_itself_while_it_works(plant: Path, right: tuple[Path, Bytes, list[IntervalEnergy]]) -> None:
    async def live() -> None:
        pipeline = await again(plant)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            working, following = group.create_task(pipeline.run()), group.create_task(follow(pipeline))
            pipeline.mail.messages += [data(KEPT + 1 + at, ROWS[KEPT + at : KEPT + at + 96]) for at in range(0, 288, 96)]  # type: ignore[attr-defined]
            pipeline.mail.counted_waiting.set()
            while pipeline.judge.redo.again:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)
            pipeline.stop()
            following.cancel()
            await working
        assert state_bytes(pipeline) == right[1]
        close(pipeline)

    asyncio.run(live())


def test_snapshots_of_an_earlier_version_are_passed_over_when_readings_come_late(plant: Path, before: tuple[Path, Bytes]) -> None:
    with sqlite3.connect(plant / "state.sqlite3") as db:
        raw = db.execute("SELECT data FROM part WHERE name = 'detector'").fetchone()[0]
        db.execute("UPDATE part SET data = ? WHERE name = 'detector'", (of_version(raw, VERSION),))
    db.close()

    async def live() -> None:
        pipeline = await again(plant)
        assert not pipeline.judge.redo.again
        pipeline.judge.overdue("m1", START + 2 * DAY)
        await catch_up(pipeline, "m1", between=at_once)
        assert not pipeline.judge.redo.late
        assert state_bytes(pipeline) == before[1]
        close(pipeline)

    asyncio.run(live())


def test_a_meter_that_the_file_lists_again_is_taken_up_whatever_version_kept_it(plant: Path, before: tuple[Path, Bytes]) -> None:
    async def live() -> None:
        pipeline, _ = bench(plant, ())
        await pipeline.begin()
        kept = pipeline.state.load()
        pipeline.judge.follow({"m1": policy("m1")}, pipeline.judge.context, kept.parts)
        assert state_bytes(pipeline)["energy"] == before[1]["energy"]
        await catch_up(pipeline, "m1", between=at_once)
        assert state_bytes(pipeline) == before[1]
        close(pipeline)

    asyncio.run(live())


def test_a_state_of_a_newer_version_is_refused_by_name(plant: Path) -> None:
    rewrite(plant, "detector", lambda raw: of_version(raw, VERSION + 1))
    with pytest.raises(UnknownMajor, match=rf"m1 .*newer.*version {VERSION + 1}"):
        asyncio.run(again(plant))
