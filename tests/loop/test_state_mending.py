"""A damaged state file never stops a plant and never empties it: what can be read goes on, the rest is made again from the store."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from driftwatt.topics import topic
from driftwatt.wire import EpochSpan, Hello, to_bytes
from processors.adapters import records
from processors.pipeline import Pipeline
from processors.ports import Message
from processors.pure import engine
from processors.rebuilding import at_once, catch_up
from tests.support.plant_bench import EPOCH, LinkLog, bench, data, reading

T = 1_899_000_000_000
MINUTE = 60_000
ROWS, LOT = 600, 60


def rows(first: int) -> Message:
    lot = [reading("m1", T + at * MINUTE, 1000.0 + at % 60, 1e6 + at * 17.0) for at in range(first, first + LOT)]
    return data(first + 1, lot)


def hello() -> Message:
    return Message(topic("hall-a", "hello"), to_bytes(Hello("hall-a", "1", 1, "c", "ntp", (EpochSpan(EPOCH, 1, ROWS),), ())))


async def life(folder: Path, sent: list[Message]) -> tuple[Pipeline, LinkLog]:
    pipeline, link = bench(folder, ("m1",))
    await pipeline.begin()
    for message in sent:
        await pipeline.cycle([message])
    await catch_up(pipeline, "m1", between=at_once)
    return pipeline, link


def close(pipeline: Pipeline) -> None:
    pipeline.storing.stop()
    pipeline.keeping.stop()
    pipeline.store.close()
    pipeline.state.close()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("plant")
    pipeline, _ = asyncio.run(life(folder, [hello(), *(rows(at) for at in range(0, ROWS, LOT))]))
    state = engine.parts(pipeline.judge.states["m1"])
    close(pipeline)
    return folder, state


@pytest.fixture
def plant(before: tuple[Path, dict[str, bytes]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(before[0], tmp_path / "plant"))


def state_after(folder: Path) -> tuple[dict[str, bytes] | None, Pipeline]:
    pipeline, _ = asyncio.run(life(folder, []))
    state = pipeline.judge.states.get("m1")
    return engine.parts(state) if state else None, pipeline


def test_a_state_with_a_wrong_byte_is_made_again_from_snapshot_and_readings(plant: Path, before: tuple[Path, dict[str, bytes]]) -> None:
    with sqlite3.connect(plant / "state.sqlite3") as db:
        blob = bytearray(db.execute("SELECT data FROM part WHERE name = 'energy'").fetchone()[0])
        blob[40] ^= 1
        db.execute("UPDATE part SET data = ? WHERE name = 'energy'", (bytes(blob),))
    db.close()
    found, pipeline = state_after(plant)
    assert found == before[1]
    assert "m1" in pipeline.standing["state_damaged"].text
    close(pipeline)
    day = records.newest_days(plant / "state.sqlite3", 1)[0]
    assert [row.n for row in records.book_rows(plant / "state.sqlite3", day) if row.what == "state_damaged"] == [1]


def test_a_wrong_byte_in_a_checkpoint_acknowledges_nothing_that_was_not_stored(plant: Path) -> None:
    with sqlite3.connect(plant / "state.sqlite3") as db:
        db.execute("UPDATE checkpoint SET upto = upto + 1024")
    db.close()
    pipeline, link = asyncio.run(life(plant, [hello()]))
    assert [ack.upto for ack in link.acks()] == [0], "asked for from the beginning"
    close(pipeline)


def test_a_file_that_is_no_database_is_set_aside_and_the_plant_begins_with_what_is_stored(
    plant: Path, before: tuple[Path, dict[str, bytes]]
) -> None:
    (plant / "state.sqlite3").write_bytes(b"\x07" * 20_000)
    found, pipeline = state_after(plant)
    assert found == before[1]
    assert "set aside" in pipeline.standing["state_damaged"].text
    close(pipeline)
    assert list(plant.glob("state.sqlite3.damaged-*"))


def test_a_page_that_cannot_be_read_costs_what_lies_on_it(plant: Path, before: tuple[Path, dict[str, bytes]]) -> None:
    with sqlite3.connect(plant / "state.sqlite3") as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'part'").fetchone()[0]
        page = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    with (plant / "state.sqlite3").open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\x07" * page)
    found, pipeline = state_after(plant)
    assert found == before[1]
    close(pipeline)
    books = records.book_rows(plant / "state.sqlite3", "2000-01-01")
    assert sum(row.n for row in books if row.what == "stored") == ROWS


def test_a_column_that_a_wrong_bit_renames_is_known_by_its_place(plant: Path, before: tuple[Path, dict[str, bytes]]) -> None:
    raw = (plant / "state.sqlite3").read_bytes()
    at = raw.index(b"after_ms INT, what TEXT, body TEXT")
    (plant / "state.sqlite3").write_bytes(raw.replace(b"after_ms INT, what TEXT, body TEXT", b"after_ms INT, what TEXT, cody TEXT", 1))
    found, pipeline = state_after(plant)
    assert at
    assert found == before[1]
    assert "move has no body" in pipeline.standing["state_damaged"].text
    close(pipeline)
    books = records.book_rows(plant / "state.sqlite3", "2000-01-01")
    assert sum(row.n for row in books if row.what == "stored") == ROWS


@pytest.mark.parametrize("word", [b"TABLE part", b"TABLE book", b"TABLE checkpoint", b"PRIMARY KEY (day, meter, what", b"CREATE"])
def test_a_wrong_bit_in_the_text_of_the_schema_empties_no_table(plant: Path, before: tuple[Path, dict[str, bytes]], word: bytes) -> None:
    file = plant / "state.sqlite3"
    day = records.newest_days(file, 1)[0]
    books = [row for row in records.book_rows(file, day) if row.what != "state_damaged"]
    raw = bytearray(file.read_bytes())
    raw[raw.index(word) + len(word) - 1] ^= 4
    file.write_bytes(bytes(raw))
    found, pipeline = state_after(plant)
    assert "state.sqlite3 was damaged" in pipeline.standing["state_damaged"].text
    close(pipeline)
    assert found == before[1]
    assert [row for row in records.book_rows(file, day) if row.what != "state_damaged"] == books
    assert list(plant.glob("state.sqlite3.damaged-*"))


def test_no_flipped_bit_stops_a_plant_or_changes_its_state_without_a_word(before: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    raw = (before[0] / "state.sqlite3").read_bytes()
    dice = random.Random(3)
    told = 0
    for number in range(40):
        folder = Path(shutil.copytree(before[0], tmp_path / str(number)))
        at = dice.randrange(len(raw))
        with (folder / "state.sqlite3").open("r+b") as file:
            file.seek(at)
            file.write(bytes([raw[at] ^ 1 << dice.randrange(8)]))
        found, pipeline = state_after(folder)
        assert found == before[1], f"byte {at}"
        told += "state_damaged" in pipeline.standing
        close(pipeline)
        shutil.rmtree(folder)
    assert told
