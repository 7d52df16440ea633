"""`driftwatt backup`: a copy made while somebody writes opens, is one moment, and a plant goes on from it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from collector.adapters.outbox import Outbox
from driftwatt.adapters.copies import copy, digest
from driftwatt.errors import Unavailable
from processors.adapters.folder import Folder
from tests.support.daemons import write_plant
from tests.support.plant_bench import NOW_MS, bench, data, reading

EDGE = """
[edge]
id = "hall-a"
[broker]
url = "mqtt://127.0.0.1:1"
[[bus]]
id = "line-1"
url = "tcp://127.0.0.1:502"
[[bus.meter]]
id = "m1"
unit = 1
profile = "eastron-sdm630"
every = "10s"
"""


def command(*words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "driftwatt", "backup", *words], capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def test_a_copy_made_while_the_writer_goes_on_is_one_moment(tmp_path: Path) -> None:
    source, stop = tmp_path / "source.sqlite3", threading.Event()
    with closing(sqlite3.connect(source, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript("CREATE TABLE a (n INT, pad BLOB); CREATE TABLE b (n INT);")
        db.executemany("INSERT INTO a VALUES (?, zeroblob(4000))", [(at,) for at in range(6000)])
        db.executemany("INSERT INTO b VALUES (?)", [(at,) for at in range(6000)])

    written = 6000

    def write() -> None:
        nonlocal written
        with closing(sqlite3.connect(source, isolation_level=None)) as db:
            while not stop.is_set():
                db.execute("BEGIN IMMEDIATE")
                db.execute("INSERT INTO a VALUES (?, zeroblob(4000))", (written,))
                db.execute("INSERT INTO b VALUES (?)", (written,))
                db.execute("COMMIT")
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    steps = list[tuple[int, int]]()
    try:
        before = written
        copy(source, tmp_path / "copy.sqlite3", lambda done, total: steps.append((done, total)))
        after = written
    finally:
        stop.set()
        writer.join()
    assert len(steps) > 2
    assert len({total for _, total in steps}) == 1, "the copy began again"
    assert after > before, "nothing was written meanwhile"
    with closing(sqlite3.connect(tmp_path / "copy.sqlite3")) as db:
        counts = [db.execute(f"SELECT count(*), max(n) FROM {table}").fetchone() for table in "ab"]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert counts[0] == counts[1]
    assert before <= counts[0][0] <= after + 1


def test_a_plant_goes_on_from_its_copy_and_asks_again_for_what_came_after(tmp_path: Path) -> None:
    file = write_plant(tmp_path, "mqtt://127.0.0.1:1")
    folder = Folder(tmp_path / "data" / "plant-bench")

    async def first() -> None:
        pipeline, _ = bench(folder.path)
        await pipeline.begin()
        await pipeline.cycle([data(1, [reading("m1", NOW_MS + at) for at in range(3)])])
        done = await asyncio.to_thread(command, str(file), str(tmp_path / "copy"), "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["role"], told["id"]) == (0, "plant", "bench")
        assert [each["name"] for each in told["files"]] == ["state.sqlite3", "store.sqlite3"]
        assert told == json.loads((tmp_path / "copy" / "backup.json").read_text())
        for each in told["files"]:
            assert digest(tmp_path / "copy" / each["name"]) == each["sha256"]
        await pipeline.cycle([data(4, [reading("m1", NOW_MS + 3)])])

    asyncio.run(first())
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["backup.json", "plant.toml", "state.sqlite3", "store.sqlite3"]

    async def restored() -> None:
        pipeline, link = bench(tmp_path / "copy")
        await pipeline.begin()
        await pipeline.cycle([data(4, [reading("m1", NOW_MS + 3)])])
        assert link.acks()[-1].upto == 4
        assert [t_ms for t_ms, *_ in pipeline.store.readings("m1", "active_power", 0, NOW_MS + 10)] == [NOW_MS + at for at in range(4)]

    asyncio.run(restored())
    folder.close()


def test_the_outbox_of_a_running_edge_is_copied_with_every_row(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(EDGE)

    async def scenario() -> None:
        folder = tmp_path / "data" / "edge-hall-a"
        folder.mkdir(parents=True)
        outbox = await Outbox.open(folder, max_bytes=10**7, tail_s=3600, when_full="thin")
        await outbox.commit([reading("m1", NOW_MS + at) for at in range(5)])
        done = await asyncio.to_thread(command, str(file), str(tmp_path / "copy"))
        assert done.returncode == 0, done.stderr
        epoch = outbox.epoch
        await outbox.close()
        again = await Outbox.open(tmp_path / "copy", max_bytes=10**7, tail_s=3600, when_full="thin")
        assert [(span.epoch, span.top) for span in again.held()] == [(epoch, 5), (again.epoch, 0)]
        await again.close()

    asyncio.run(scenario())


def test_a_target_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = write_plant(tmp_path, "mqtt://127.0.0.1:1")
    never = command(str(file), str(tmp_path / "copy"))
    assert (never.returncode, (tmp_path / "copy").exists()) == (1, False)
    assert "never ran" in never.stderr
    Folder(tmp_path / "data" / "plant-bench").close()
    bench(tmp_path / "data" / "plant-bench")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").write_text("x")
    done = command(str(file), str(tmp_path / "copy"))
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["mine"]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"not a database" * 100)
    for source in ("broken", "missing"):
        with pytest.raises(Unavailable, match=f"copy of .*{source}"):
            copy(tmp_path / source, tmp_path / "copy")
