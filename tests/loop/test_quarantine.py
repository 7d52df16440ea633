"""What was set aside: seen, released into the store with the books balanced, or dropped; with the daemon and without it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector.status_cli import balanced
from driftwatt.adapters import control
from driftwatt.clock import SystemClock, utc_day
from driftwatt.errors import PartialWrite, Refused, Unavailable
from driftwatt.readings import Reading
from driftwatt.topics import topic
from driftwatt.wire import Ack, EdgeLedger, EpochSpan, Hello, LedgerLine, from_bytes, row_bytes, to_bytes
from processors.adapters import records
from processors.adapters.sqlite import SqliteStore
from processors.pipeline import Pipeline
from processors.ports import Message
from processors.pure import books
from processors.pure.intake import Intake
from processors.quarantine import Choice, drop, release
from processors.status import plant_ledger
from tests.support.daemons import Peer, running, write_plant
from tests.support.plant_bench import EPOCH, NOW_MS, bench, data, reading

DAY = utc_day(NOW_MS)


def lines(folder: Path, owners: dict[str, str | None]) -> dict[str, dict[str, Any]]:
    path = folder / "state.sqlite3"
    return {line["meter"]: line for line in books.ledger(records.book_rows(path, ""), records.edge_lines(path, ""), owners)}


def aside(folder: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(folder / "state.sqlite3")) as db:
        return db.execute("SELECT reason, meter FROM quarantine ORDER BY id").fetchall()


async def list_meter(pipeline: Pipeline, meter: str) -> None:
    pipeline.intake = Intake({**pipeline.intake.owners, meter: None}, pipeline.intake.delivery)
    judge = pipeline.judge
    judge.follow({**judge.policies, meter: judge.policies["m1"]}, judge.context, {})


def test_rows_of_a_meter_that_was_listed_later_are_stored_and_the_books_balance_before_and_after(tmp_path: Path) -> None:
    owners: dict[str, str | None] = {"m1": None, "m9": None}
    rows = [reading("m9", NOW_MS - 1000 * at) for at in range(5)] + [reading("m1", NOW_MS), reading("m8", NOW_MS)]
    said = LedgerLine("m9", DAY, polled=5, committed=5, stored=5)

    async def scenario() -> None:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await pipeline.cycle([data(1, rows)])
        ledger = EdgeLedger("hall-a", (said,))
        await pipeline.cycle([Message(topic("hall-a", "ledger"), to_bytes(ledger))])
        before = lines(tmp_path, owners)
        assert all(balanced(line) for line in before.values())
        assert before["m9"]["quarantined"] == 5
        assert (await release(pipeline, Choice())).told("released") == {"released": 0, "kept": {"unknown_meter": 6}}
        await list_meter(pipeline, "m9")
        assert (await release(pipeline, Choice(meters=["m9"]))).told("released") == {"released": 5, "kept": {}}
        assert (await release(pipeline, Choice(meters=["m9"]))).told("released") == {"released": 0, "kept": {}}

    asyncio.run(scenario())
    after = lines(tmp_path, owners)
    assert all(balanced(line) for line in after.values())
    assert (after["m9"]["stored"], after["m9"]["quarantined"], after["-"]["quarantined"]) == (5, 0, 1)
    assert aside(tmp_path) == [("unknown_meter", "m8")]
    assert records.readings_in_store(tmp_path / "store.sqlite3", "m9", 0, NOW_MS + 1) == 5


def test_dropped_rows_are_gone_and_stay_counted_as_quarantined(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await pipeline.cycle([data(1, [reading("m9", NOW_MS), reading("m1", NOW_MS + 10**9)])])
        assert (await drop(pipeline, Choice(reasons=["future"]))).told("dropped") == {"dropped": 1, "kept": {}}

    asyncio.run(scenario())
    assert aside(tmp_path) == [("unknown_meter", "m9")]
    books_now = lines(tmp_path, {"m1": None})
    assert books_now["-"]["quarantined"] == 1


def test_the_books_of_a_meter_that_is_listed_after_its_rows_were_dropped_balance(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await pipeline.cycle([data(1, [reading("m9", NOW_MS), reading("m9", NOW_MS + 1)])])
        said = LedgerLine("m9", DAY, polled=2, committed=2, stored=2)
        await pipeline.cycle([Message(topic("hall-a", "ledger"), to_bytes(EdgeLedger("hall-a", (said,))))])
        assert (await drop(pipeline, Choice())).done == 2

    asyncio.run(scenario())
    line = lines(tmp_path, {"m1": None, "m9": None})["m9"]
    assert (line["quarantined"], line["stored"], balanced(line)) == (2, 0, True)


class Picky(SqliteStore):
    """Refuses every reading, for ever."""

    refuses = True

    def write_readings(self, readings: Any) -> None:
        if self.refuses and readings:
            raise PartialWrite(dict.fromkeys(range(len(readings)), "no"))
        super().write_readings(readings)


def test_rows_that_the_store_refuses_again_are_set_aside_again_and_not_met_twice(tmp_path: Path) -> None:
    store = Picky(tmp_path / "store.sqlite3")

    async def scenario() -> None:
        pipeline, _ = bench(tmp_path, ("m1",), store=store, owners={"m1": "hall-a"})
        await pipeline.begin()
        await pipeline.cycle([data(1, [reading("m1", NOW_MS - at) for at in range(3)])])
        async with asyncio.timeout(20):
            assert (await release(pipeline, Choice())).told("released") == {"released": 0, "kept": {"store": 3}}
        assert len(aside(tmp_path)) == 3
        assert lines(tmp_path, {"m1": None})["m1"]["quarantined"] == 3
        store.refuses = False
        assert (await release(pipeline, Choice())).told("released") == {"released": 3, "kept": {}}

    asyncio.run(scenario())
    line = lines(tmp_path, {"m1": None})["m1"]
    assert (line["stored"], line["quarantined"], aside(tmp_path)) == (3, 0, [])


def test_a_release_that_died_between_store_and_books_is_repeated_without_counting_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await pipeline.cycle([data(1, [reading("m9", NOW_MS)])])
        await list_meter(pipeline, "m9")
        pipeline.store.write_readings([reading("m9", NOW_MS)])
        assert (await release(pipeline, Choice())).done == 1

    asyncio.run(scenario())
    line = lines(tmp_path, {"m1": None, "m9": None})["m9"]
    assert (line["stored"], line["quarantined"]) == (1, 0)


def test_a_state_file_of_an_earlier_version_gets_its_new_column(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state.sqlite3", isolation_level=None)) as db:
        db.execute(
            "CREATE TABLE quarantine"
            " (id INTEGER PRIMARY KEY, at_ms INT, reason TEXT, detail TEXT, edge TEXT, meter TEXT, t_ms INT, raw TEXT)"
        )
        db.execute("INSERT INTO quarantine VALUES (7, 1, 'unknown_meter', '', 'hall-a', 'm9', 5, '{}')")
    (early,) = records.quarantined(tmp_path / "state.sqlite3", 0, 10)
    pipeline, _ = bench(tmp_path)
    assert pipeline.state.aside(0, 10) == [early]
    assert early.counted


def test_work_between_cycles_returns_its_result_and_its_error_and_ends_with_the_loop(tmp_path: Path) -> None:
    async def fails() -> int:
        raise Refused("no")

    async def works() -> int:
        return 7

    async def scenario() -> None:
        pipeline, _ = bench(tmp_path)
        await pipeline.begin()
        loop = asyncio.create_task(pipeline.run())
        assert await pipeline.between(works) == 7
        with pytest.raises(Refused, match="no"):
            await pipeline.between(fails)
        late = asyncio.create_task(pipeline.between(lambda: asyncio.sleep(3600)))
        await asyncio.sleep(0)
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop
        late.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_the_control_socket_answers_and_nonsense_does_not_end_it(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)
    (deep / control.SOCKET).touch()

    async def handler(request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "no":
            raise Refused("not that")
        return {"heard": request["do"]}

    async def scenario() -> None:
        async with control.listening(deep, handler):
            assert await asyncio.to_thread(control.ask, deep, {"do": "this"}, within_s=5) == {"heard": "this"}
            with pytest.raises(Refused, match="not that"):
                await asyncio.to_thread(control.ask, deep, {"do": "no"}, within_s=5)
            assert (deep / control.SOCKET).stat().st_mode & 0o077 == 0
            nonsense = f"/proc/self/fd/{(handle := os.open(deep, os.O_PATH))}/control.sock"
            reader, writer = await asyncio.open_unix_connection(nonsense)
            os.close(handle)
            writer.write(b"[[[[\n")
            assert b"not understood" in await reader.readline()
            writer.close()
            assert await asyncio.to_thread(control.ask, deep, {"do": "that"}, within_s=5) == {"heard": "that"}
        assert not (deep / control.SOCKET).exists()
        with pytest.raises(Unavailable):
            await asyncio.to_thread(control.ask, deep, {"do": "this"}, within_s=5)

    asyncio.run(asyncio.wait_for(scenario(), 20))


def command(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "driftwatt", "quarantine", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout or done.stderr


def test_people_see_release_and_drop_rows_through_the_daemon_and_without_it(tmp_path: Path) -> None:
    now_ms = SystemClock().now_ms()
    with running("broker", "--listen", "127.0.0.1:0") as broker:
        address = broker.line().rpartition(" ")[2]
        file = write_plant(tmp_path, address)
        assert "never ran" in command(str(file), "release")[1]
        with running("process", str(file)) as daemon, closing(Peer(address, topic("hall-a", "ack"))) as edge:
            assert daemon.line().startswith("page: ")
            rows = [*(reading("m9", now_ms - 1000 * at) for at in range(4)), Reading("m8", now_ms, {"active_power": 1.0})]
            first = data(1, rows)
            hello = Hello("hall-a", "1", 0, "", "ok", (EpochSpan(EPOCH, 1, 0),), ())
            edge.publish(topic("hall-a", "hello"), to_bytes(hello), retain=True)
            assert from_bytes(Ack, edge.heard()[1]).upto == 0
            edge.publish(first.topic, first.payload)
            assert from_bytes(Ack, edge.heard()[1]).upto == 5
            code, text = command(str(file), "list", "--json")
            seen = [json.loads(line) for line in text.splitlines()]
            assert (code, [row["meter"] for row in seen]) == (0, ["m9"] * 4 + ["m8"])
            assert seen[0]["raw"] == row_bytes(rows[0]).decode()
            assert command(str(file), "drop", "--meter", "m8", "--json") == (0, '{"dropped": 1, "kept": {}}\n')
            assert command(str(file), "release") == (1, "release: 0 rows; 4 stay: unknown_meter\n")
            assert daemon.end() == 0
    text = file.read_text()
    file.write_text(text + '[[meter]]\nid = "m9"\nedge = "hall-a"\nname = "New"\n')
    assert "     4  unknown_meter" in command(str(file), "list")[1]
    assert command(str(file), "release", "--json") == (0, '{"released": 4, "kept": {}}\n')
    assert command(str(file), "list") == (0, "nothing is set aside\n")
    ledger = {line["meter"]: line for line in plant_ledger(file)}
    assert (ledger["m9"]["stored"], ledger["m9"]["in_store"], ledger["-"]["quarantined"]) == (4, 4, 1)
    assert all(balanced(line) for line in ledger.values())
