"""The loop of the plant over real SQLite files: stored, then committed, then acknowledged."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from driftwatt.readings import FailedPoll, Quality, Reading, Removed, Row
from driftwatt.topics import topic
from driftwatt.wire import Ack, EpochSpan, Hello, HelloMeter, to_bytes
from processors.adapters import sqlite
from processors.adapters.sqlite import SqliteStore
from processors.ports import Message
from tests.support.plant_bench import EPOCH, NOW_MS, bench, data, reading
from tests.support.store_eyes import stored_times

DAY, DAY_MS = "2030-03-17", 86_400_000


def books(folder: Path) -> Counter[tuple[str, str]]:
    with sqlite3.connect(folder / "state.sqlite3") as db:
        return Counter({(meter, what): n for meter, what, n in db.execute("SELECT meter, what, sum(n) FROM book GROUP BY 1, 2")})


def stored(folder: Path, meter: str) -> list[int]:
    return stored_times(folder / "store.sqlite3", meter)


def test_readings_are_stored_counted_and_acknowledged(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, link = bench(tmp_path)
        await pipeline.begin()
        rows: list[Row] = [reading("m1", NOW_MS - 2000), reading("m2", NOW_MS - 2000), FailedPoll("m1", NOW_MS - 1000, "timeout")]
        await pipeline.cycle([data(1, rows)])
        assert link.acks() == [Ack("hall-a", EPOCH, 3, "life-1")]

    asyncio.run(scenario())
    assert stored(tmp_path, "m1") == [NOW_MS - 2000]
    assert books(tmp_path) == {("m1", "stored"): 1, ("m2", "stored"): 1, ("m1", "failed:timeout"): 1}


def test_a_restarted_processor_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    async def first() -> None:
        pipeline, _ = bench(tmp_path)
        await pipeline.begin()
        await pipeline.cycle([data(1, [reading("m1", NOW_MS - 2000)])])

    async def second() -> None:
        pipeline, link = bench(tmp_path)
        await pipeline.begin()
        await pipeline.cycle([data(1, [reading("m1", NOW_MS - 2000)]), data(2, [reading("m1", NOW_MS - 1000)])])
        assert [ack.upto for ack in link.acks()] == [2]

    asyncio.run(first())
    asyncio.run(second())
    assert stored(tmp_path, "m1") == [NOW_MS - 2000, NOW_MS - 1000]
    assert books(tmp_path) == {("m1", "stored"): 2, ("m1", "duplicates"): 1}


def test_what_belongs_to_nobody_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, link = bench(tmp_path, ("m1", "m2"), owners={"m1": "hall-a", "m2": "hall-b"})
        await pipeline.begin()
        rows = [reading("m9", NOW_MS), reading("m2", NOW_MS), reading("m1", NOW_MS + 5 * 60_000 + 1), reading("m1", NOW_MS + 5 * 60_000)]
        await pipeline.cycle([data(1, rows)])
        assert link.acks()[-1].upto == 4
        assert [row.meter for row in pipeline.board.snapshot().unlisted] == ["m9"]

    asyncio.run(scenario())
    with sqlite3.connect(tmp_path / "state.sqlite3") as db:
        aside = db.execute("SELECT reason, meter FROM quarantine ORDER BY id").fetchall()
    assert aside == [("unknown_meter", "m9"), ("wrong_edge", "m2"), ("future", "m1")]
    assert books(tmp_path) == {("-", "quarantined"): 2, ("-", "unlisted"): 2, ("m1", "quarantined"): 1, ("m1", "stored"): 1}


def test_removed_rows_gaps_and_damage_are_counted_under_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, link = bench(tmp_path)
        await pipeline.begin()
        await pipeline.cycle([data(5, [Removed("thinned", 3), reading("m1", NOW_MS)], base=5, n=4)])
        broken = data(9, [reading("m1", NOW_MS + 1)], base=5)
        spoiled = broken.payload.replace(b"1000.0", b"1001.0")
        await pipeline.cycle([Message(broken.topic, spoiled)])
        assert link.acks()[-1].upto == 8
        await pipeline.cycle([broken])
        assert link.acks()[-1].upto == 9

    asyncio.run(scenario())
    assert books(tmp_path) == {("-", "thinned"): 3, ("-", "gaps"): 4, ("-", "damaged"): 1, ("m1", "stored"): 2}


def test_a_newer_major_is_neither_stored_nor_acknowledged_but_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, link = bench(tmp_path)
        await pipeline.begin()
        newer = data(1, [reading("m1", NOW_MS)])
        await pipeline.cycle([Message(newer.topic, newer.payload.replace(b'{"v":1', b'{"v":2', 1))])
        assert link.acks() == []
        assert "unknown_major" in pipeline.alarms

    asyncio.run(scenario())
    assert stored(tmp_path, "m1") == []


def test_a_hello_is_answered_with_the_mark_of_every_epoch_and_kept(tmp_path: Path) -> None:
    hello = Hello("hall-a", "1", 0, "", "ok", (EpochSpan(EPOCH, 1, 4),), (HelloMeter("m1", "line-1", "p", "h", 5000),))

    async def scenario() -> None:
        pipeline, link = bench(tmp_path)
        await pipeline.begin()
        await pipeline.cycle([Message(topic("hall-a", "hello"), to_bytes(hello))])
        assert link.acks() == [Ack("hall-a", EPOCH, 0, "life-1")]
        again, _ = bench(tmp_path)
        await again.begin()
        assert again.judge.policies["m1"].every_ms == 5000
        assert again.board.snapshot().meters["m1"].bus == "line-1"

    asyncio.run(scenario())


def test_the_doubt_of_a_value_stays_with_it_in_the_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, _ = bench(tmp_path)
        await pipeline.begin()
        doubtful = Reading("m1", NOW_MS, {"active_power": 5.0}, {"active_power": int(Quality.STUCK), "current_n": int(Quality.MISSING)})
        unsynced = Reading("m1", NOW_MS + 1, {"active_power": 6.0}, clock="unsynced")
        await pipeline.cycle([data(1, [doubtful, unsynced])])
        assert pipeline.store.readings("m1", "active_power", 0, NOW_MS * 2) == [(NOW_MS, 5.0, 4), (NOW_MS + 1, 6.0, 16)]

    asyncio.run(scenario())


def test_hostile_payloads_are_set_aside_and_the_next_message_is_taken(tmp_path: Path) -> None:
    hostile = [b"", b"[" * 50_000, b'{"v":1}', b"\xff\xfe", b'{"v":true,"readings":[]}', b"x" * 70_000, b'{"v":1,"readings":[NaN]}']

    async def scenario() -> None:
        pipeline, link = bench(tmp_path)
        await pipeline.begin()
        messages = [Message(topic("hall-a", "d"), payload) for payload in hostile]
        messages += [Message("dw/1/hall-a/nonsense", b"{}"), Message(topic("hall-a", "hello"), b"[]")]
        messages.append(Message(topic("hall-a", "ledger"), b"{"))
        stranger = data(1, [reading("m1", NOW_MS)], edge="hall-b")
        messages.append(Message(topic("hall-a", "d"), stranger.payload))
        await pipeline.cycle(messages)
        assert link.acks() == []
        assert list(pipeline.alarms) == ["quarantine_growing"]
        await pipeline.cycle([data(1, [reading("m1", NOW_MS)])])
        assert link.acks()[-1].upto == 1

    asyncio.run(scenario())
    assert books(tmp_path) == {("-", "quarantined"): len(hostile) + 4, ("m1", "stored"): 1}


def test_readings_past_their_keeping_leave_chunk_by_chunk_and_the_rest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "FORGET_CHUNKS", 1)
    store = SqliteStore(tmp_path / "store.sqlite3")
    store.write_readings([reading(meter, NOW_MS + day * DAY_MS) for meter in ("m1", "m2") for day in range(4)])
    while store.keep_house(NOW_MS + 10 * DAY_MS, 0):
        pass
    assert [store.forget_readings(NOW_MS + 2 * DAY_MS + 1) for _ in range(7)] == [1] * 6 + [0]
    assert stored(tmp_path, "m1") == stored(tmp_path, "m2") == [NOW_MS + 3 * DAY_MS]
    store.close()


def test_two_readings_of_one_instant_are_one_stored_and_one_set_aside(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, link = bench(tmp_path)
        await pipeline.begin()
        first, second = reading("m1", NOW_MS), Reading("m1", NOW_MS, {"active_power": 9.0, "import_energy": 77.0}, clock="uncertain")
        await pipeline.cycle([data(1, [first])])
        await pipeline.cycle([data(2, [second])])
        assert link.acks()[-1].upto == 2

    asyncio.run(scenario())
    assert books(tmp_path) == {("m1", "stored"): 1, ("m1", "quarantined"): 1}
