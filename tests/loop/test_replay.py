"""An edge sends again what it keeps: the plant gets back what it lost, judges it, and no book moves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from collector import errands
from collector.adapters.outbox import Outbox
from collector.forwarder import Forwarder
from collector.pure.sending import Held
from collector.replay_cli import instant_ms
from collector.replaying import PAUSE_S, Replaying
from driftwatt.clock import SystemClock
from driftwatt.errors import Refused, WireError
from driftwatt.readings import FailedPoll, Reading, Row
from driftwatt.topics import topic
from driftwatt.wire import Ack, Control, Hello, Span, from_bytes, read_control, read_message, to_bytes
from processors.adapters import records
from processors.adapters.sqlite import SqliteStore
from processors.ports import Message
from processors.pure import engine
from processors.rebuilding import at_once, catch_up
from tests.support.plant_bench import LinkLog, bench
from tests.support.store_eyes import lose_readings

T = 1_899_900_000_000
MINUTE = 60_000
ROWS = 900


class Wire:
    """A broker of one edge: remembers what was said, and can be cut."""

    def __init__(self, on_message: Callable[[str, bytes], None], on_change: Callable[[bool], None]) -> None:
        self.on_message, self.on_change = on_message, on_change
        self.connected = False
        self.said: list[Message] = []
        self.cut_after = 1 << 60

    def start(self) -> None:
        self.connected = True
        self.on_change(True)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        del qos, retain
        if topic.endswith("/d"):
            self.cut_after -= 1
        if self.cut_after < 0:
            self.connected = False
        if self.connected:
            self.said.append(Message(topic, payload))
        return self.connected

    def stop(self) -> None:
        self.connected = False

    def taken(self) -> list[Message]:
        said, self.said = self.said, []
        return [message for message in said if message.topic.rpartition("/")[2] in ("d", "hello", "ledger")]


def row(at: int) -> Row:
    t_ms = T + at * MINUTE
    if at % 50 == 7:
        return FailedPoll("m1", t_ms, "timeout")
    return Reading("m1", t_ms, {"active_power": 900.0 + at % 40, "import_energy": 1e6 + at * 15.0})


@contextlib.asynccontextmanager
async def edge(folder: Path) -> AsyncIterator[tuple[Outbox, Forwarder, Wire]]:
    outbox = await Outbox.open(folder, max_bytes=8 << 20, tail_s=1e9, when_full="thin")
    wires: list[Wire] = []

    def open_link(on_message: Callable[[str, bytes], None], on_change: Callable[[bool], None]) -> Wire:
        wires.append(Wire(on_message, on_change))
        return wires[0]

    forwarder = Forwarder("hall-a", outbox, open_link, lambda: Hello("hall-a", "0", 1, "c", "ntp", (), ()), SystemClock())
    task = asyncio.create_task(forwarder.run())
    try:
        yield outbox, forwarder, wires[0]
    finally:
        task.cancel()
        await asyncio.wait({task})
        await outbox.close()


async def until(true: Callable[[], object]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


async def deliver(plant: tuple[object, LinkLog], wire: Wire) -> None:
    """Hand the plant what the edge said, and the edge what the plant answered."""
    pipeline, link = plant
    for message in wire.taken():
        await pipeline.cycle([message])  # type: ignore[attr-defined]
    for where, payload, _ in link.sent:
        wire.on_message(where, payload)
    link.sent.clear()


def books(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in records.book_rows(folder / "state.sqlite3", "2000-01-01"):
        found[line.what] = found.get(line.what, 0) + line.n
    return found


def test_a_plant_that_lost_stored_readings_gets_them_back_and_its_books_do_not_move(tmp_path: Path) -> None:
    async def main() -> None:
        plant = bench(tmp_path, ("m1",))
        pipeline, link = plant
        await pipeline.begin()
        async with edge(tmp_path / "edge") as (outbox, forwarder, wire):
            await outbox.commit([row(at) for at in range(ROWS)])
            forwarder.wake()
            while not outbox.held()[0].done:
                await deliver(plant, wire)
                await asyncio.sleep(0.02)
            await deliver(plant, wire)
            state, before, quarters = (
                engine.parts(pipeline.judge.states["m1"]),
                books(tmp_path),
                pipeline.store.intervals("15m", "m1", 0, 2**52),
            )
            assert isinstance(pipeline.store, SqliteStore)
            assert lose_readings(pipeline.store, T + 100 * MINUTE, T + 400 * MINUTE) == 294

            wire.on_message(topic("hall-a", "ctl"), to_bytes(Control(Span(T + 100 * MINUTE, T + 400 * MINUTE))))
            await until(lambda: forwarder.replaying.progress.total and not forwarder.replaying.running)
            told = forwarder.replaying.progress
            assert (told.sent, told.total) == (300, 300)
            batches = [read_message(message.payload) for message in wire.said if message.topic.endswith("/d")]
            assert all(batch.replay for batch in batches)
            await deliver(plant, wire)
            await catch_up(pipeline, "m1", between=at_once)

            assert len(pipeline.store.whole_readings("m1", 0, 2**52, 2000)) == ROWS - ROWS // 50
            after = books(tmp_path)
            assert after.pop("replayed") == 294
            assert {what: n for what, n in after.items() if what != "replayed"} == before
            assert engine.parts(pipeline.judge.states["m1"]) == state
            assert pipeline.store.intervals("15m", "m1", 0, 2**52) == quarters, "nothing had to be revised"
            assert link.acks() == []

    asyncio.run(main())


def test_a_line_that_is_cut_goes_on_at_the_same_row(tmp_path: Path) -> None:
    async def main() -> None:
        async with edge(tmp_path / "edge") as (outbox, forwarder, wire):
            await outbox.commit([row(at) for at in range(5000)])
            await outbox.settle(outbox.epoch, 5000, "plant")
            wire.cut_after = 3
            forwarder.replaying.ask(Span(0, 2**42), now_s=0.0, asked_by="a test")
            await until(lambda: not wire.connected)
            assert forwarder.replaying.running
            wire.cut_after = 1 << 60
            wire.start()
            await until(lambda: not forwarder.replaying.running)
            batches = [read_message(message.payload) for message in wire.said if message.topic.endswith("/d")]
            seqs = [seq for batch in batches if batch.replay for seq, _ in batch.rows]
            assert seqs == sorted(set(seqs))
            assert len(seqs) == 5000

    asyncio.run(main())


def test_what_waits_to_be_acknowledged_is_not_replayed(tmp_path: Path) -> None:
    async def main() -> None:
        async with edge(tmp_path / "edge") as (outbox, forwarder, wire):
            await outbox.commit([row(at) for at in range(100)])
            forwarder.wake()
            await until(lambda: any(message.topic.endswith("/d") for message in wire.said))
            wire.on_message(topic("hall-a", "ack"), to_bytes(Ack("hall-a", outbox.epoch, 60, "plant")))
            await until(lambda: outbox.held()[0].acked == 60)
            wire.said.clear()
            forwarder.replaying.ask(Span(T + 50 * MINUTE, T + 90 * MINUTE), now_s=0.0, asked_by="a test")
            await until(lambda: not forwarder.replaying.running)
            assert (forwarder.replaying.progress.sent, forwarder.replaying.progress.total) == (10, 10)

    asyncio.run(main())


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"[]", b"{}", b"[" * 100_000, b'{"stop":true}', b'{"replay":{}}', b'{"replay":{"from_ms":1}}'),
        b'{"replay":{"from_ms":-1,"to_ms":5}}',
        b'{"replay":{"from_ms":true,"to_ms":5}}',
        b'{"replay":{"from_ms":1e3,"to_ms":2e3}}',
        b'{"v":9,"replay":{"from_ms":1,"to_ms":2}}',
    ],
)
def test_nothing_but_a_replay_is_obeyed(payload: bytes) -> None:
    with pytest.raises(WireError):
        read_control(payload)


def test_a_replay_is_asked_for_with_or_without_a_version() -> None:
    assert read_control(b'{"replay":{"from_ms":1,"to_ms":2}}') == Control(Span(1, 2)) == from_bytes(Control, to_bytes(Control(Span(1, 2))))


def test_a_plant_cannot_ask_more_often_than_the_edge_allows() -> None:
    replaying = Replaying("hall-a")
    replaying.ask(Span(1, 2), now_s=0.0, asked_by="the plant")
    with pytest.raises(Refused, match="under way"):
        replaying.ask(Span(1, 2), now_s=1000.0, asked_by="the plant")
    replaying.progress.running = False
    with pytest.raises(Refused, match="less than"):
        replaying.ask(Span(1, 2), now_s=PAUSE_S - 1, asked_by="the plant")
    with pytest.raises(Refused, match="empty"):
        replaying.ask(Span(2, 2), now_s=PAUSE_S, asked_by="the plant")
    replaying.ask(Span(1, 2), now_s=PAUSE_S, asked_by="the plant")
    assert replaying.count == 2


def test_a_command_at_the_edge_is_obeyed_and_told_how_far_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with edge(tmp_path / "edge") as (outbox, forwarder, _):
            await outbox.commit([row(at) for at in range(100)])
            await outbox.settle(outbox.epoch, 100, "plant")
            said = await errands.obey(forwarder, {"do": "replay", "from_ms": 0, "to_ms": 2**42}, now_s=1.0)
            assert said["running"]
            await until(lambda: not forwarder.replaying.running)
            said = await errands.obey(forwarder, {"do": "replaying"}, now_s=1.0)
            assert (said["sent"], said["total"], said["running"]) == (100, 100, False)
            for wrong in ({"do": "format"}, {}, {"do": "replay"}, {"do": "replay", "from_ms": "1", "to_ms": 2}):
                with pytest.raises(Refused):
                    await errands.obey(forwarder, wrong, now_s=1.0)

    asyncio.run(main())


def test_instants_of_the_command_line() -> None:
    assert instant_ms("2026-10-05T07:00:00+07:00") == instant_ms("2026-10-05")
    assert Held("e", 1, 0).done
