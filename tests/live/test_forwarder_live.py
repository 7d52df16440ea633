"""The forwarder against a real mosquitto: order, repetition, restarts of the broker, last will, live lane, forged acknowledgements."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from collector.adapters.outbox import Outbox
from collector.forwarder import Forwarder, mqtt
from collector.pure.sending import Pace
from driftwatt.adapters.mqtt import BrokerAddress, MqttLink
from driftwatt.adapters.read_ahead import ReadAhead
from driftwatt.clock import SystemClock
from driftwatt.readings import Reading, Row
from driftwatt.topics import Kind, every_edge, parse, topic
from driftwatt.wire import Ack, EdgeLedger, EdgeState, Hello, HelloMeter, from_bytes, read_live, read_message, to_bytes
from tests.support.daemons import free_port
from tests.support.servers import mosquitto

EDGE = "hall-a"
T = 1_790_000_000_000
QUICK = Pace(resend_s=0.5, resend_max_s=2.0)


def hello() -> Hello:
    return Hello(EDGE, "0", T, "abc", "trust", (), (HelloMeter("m1", "line-1", "eastron-sdm630", "f00", 1000),))


class Plant:
    """What a plant does on the wire, no more: listens to everything and acknowledges when told to."""

    def __init__(self, url: str, *, answering: bool = True) -> None:
        self.answering = answering
        self.rows: dict[tuple[str, int], Row] = {}
        self.messages: list[tuple[str, int, int]] = []
        self.others: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        self._up = threading.Event()
        kinds: tuple[Kind, ...] = ("d", "live", "hello", "state", "ledger")
        self.link = MqttLink(
            BrokerAddress.parse(url),
            client_id="plant",
            subscriptions=tuple((every_edge(kind), 1) for kind in kinds),
            on_message=self._came,
            on_change=lambda up: self._up.set() if up else self._up.clear(),
        )
        self.link.start()
        assert self._up.wait(10)

    def _came(self, name: str, payload: bytes) -> None:
        if parse(name)[1] != "d":
            self.others.put((name, payload))
            return
        batch = read_message(payload)
        self.messages.append((batch.epoch, batch.seq, batch.n))
        self.rows.update({(batch.epoch, seq): row for seq, row in batch.rows})
        if self.answering:
            self.acknowledge(batch.epoch, batch.seq + batch.n - 1)

    def acknowledge(self, epoch: str, upto: int, by: str = "plant-1") -> None:
        self.link.publish(topic(EDGE, "ack"), to_bytes(Ack(EDGE, epoch, upto, by)))

    def next(self, kind: str) -> bytes:
        """Return the next message of a kind."""
        for _ in range(100):
            with contextlib.suppress(Empty):
                name, payload = self.others.get(timeout=0.1)
                if parse(name)[1] == kind:
                    return payload
        raise AssertionError(f"no {kind} came")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    with mosquitto(tmp_path) as url:
        yield url


@contextlib.contextmanager
def plant_at(url: str, *, answering: bool = True) -> Iterator[Plant]:
    plant = Plant(url, answering=answering)
    try:
        yield plant
    finally:
        plant.link.stop()


class Edge:
    def __init__(self, outbox: Outbox, forwarder: Forwarder) -> None:
        self.outbox, self.forwarder, self.at = outbox, forwarder, 0

    async def commit(self, rows: int) -> None:
        made = [Reading("m1", T + self.at + n, {"active_power": float(self.at + n)}) for n in range(rows)]
        self.at += rows
        await self.outbox.commit(made)
        self.forwarder.wake()


@contextlib.asynccontextmanager
async def edge_at(url: str, folder: Path) -> AsyncIterator[Edge]:
    outbox = await Outbox.open(folder, max_bytes=10_000_000, tail_s=1e9, when_full="thin")
    forwarder = Forwarder(EDGE, outbox, mqtt(EDGE, BrokerAddress.parse(url)), hello, SystemClock(), pace=QUICK)
    task = asyncio.create_task(forwarder.run())
    try:
        yield Edge(outbox, forwarder)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await outbox.close()


async def until(true: Callable[[], object], within_s: float = 15) -> None:
    for _ in range(int(within_s / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


def test_everything_committed_arrives_in_order_once_and_is_acknowledged(broker: str, tmp_path: Path) -> None:
    async def main() -> None:
        with plant_at(broker) as plant:
            async with edge_at(broker, tmp_path / "edge") as edge:
                for _ in range(20):
                    await edge.commit(250)
                assert await edge.forwarder.drain(15)
                assert edge.outbox.status().rows == 0
                epoch = edge.outbox.epoch
            assert [seq for _, seq in plant.rows] == list(range(1, 5001))
            assert plant.rows[epoch, 77] == Reading("m1", T + 76, {"active_power": 76.0})
            assert sum(n for _, _, n in plant.messages) == 5000, "nothing was sent twice"

    asyncio.run(main())


def test_a_plant_that_does_not_answer_gets_it_again_until_it_does(broker: str, tmp_path: Path) -> None:
    async def main() -> None:
        with plant_at(broker, answering=False) as plant:
            async with edge_at(broker, tmp_path / "edge") as edge:
                await edge.commit(10)
                await until(lambda: len(plant.messages) >= 2)
                assert set(plant.messages) == {(edge.outbox.epoch, 1, 10)}
                assert edge.outbox.status().rows == 10
                plant.acknowledge(edge.outbox.epoch, 10)
                assert await edge.forwarder.drain(5)

    asyncio.run(main())


def test_what_was_left_by_an_earlier_life_goes_first_under_its_own_epoch(broker: str, tmp_path: Path) -> None:
    async def main() -> None:
        outbox = await Outbox.open(tmp_path / "edge", max_bytes=10_000_000, tail_s=1e9, when_full="thin")
        await outbox.commit([Reading("m1", T, {"active_power": 1.0})])
        await outbox.close()
        with plant_at(broker) as plant:
            async with edge_at(broker, tmp_path / "edge") as edge:
                await edge.commit(2)
                assert await edge.forwarder.drain(10)
                assert list(plant.rows) == [(outbox.epoch, 1), (edge.outbox.epoch, 1), (edge.outbox.epoch, 2)]

    asyncio.run(main())


def test_a_broker_that_is_killed_and_comes_back_without_memory_loses_nothing(tmp_path: Path) -> None:
    port = free_port()

    async def main() -> None:
        with contextlib.ExitStack() as first:
            url = first.enter_context(mosquitto(tmp_path, port))
            with plant_at(url) as plant:
                async with edge_at(url, tmp_path / "edge") as edge:
                    await edge.commit(300)
                    await edge.forwarder.drain(10)
                    first.close()
                    await until(lambda: not edge.forwarder.connected)
                    for _ in range(5):
                        await edge.commit(100)
                    with mosquitto(tmp_path, port):
                        await until(lambda: edge.forwarder.connected and plant.link.connected, 40)
                        assert await edge.forwarder.drain(20)
                        epoch = edge.outbox.epoch
                        assert {seq for _, seq in plant.rows} == set(range(1, 801))
                        assert plant.rows[epoch, 800].t_ms == T + 799  # type: ignore[union-attr]

    asyncio.run(main())


def test_a_forged_acknowledgement_deletes_nothing_that_was_not_sent(broker: str, tmp_path: Path) -> None:
    async def main() -> None:
        with plant_at(broker, answering=False) as plant:
            async with edge_at(broker, tmp_path / "edge") as edge:
                await edge.commit(5)
                await until(lambda: plant.messages)
                epoch = edge.outbox.epoch
                for payload in (
                    b"",
                    b"[" * 5000,
                    b'{"v":1,"edge":"hall-a","epoch":"' + epoch.encode() + b'","upto":-5,"by":"x"}',
                    b'{"v":9}',
                ):
                    plant.link.publish(topic(EDGE, "ack"), payload)
                plant.link.publish(topic(EDGE, "ack"), to_bytes(Ack("hall-b", epoch, 5, "forger")))
                plant.acknowledge("f" * 16, 5, "forger")
                await until(lambda: edge.forwarder.ignored >= 6)
                assert edge.outbox.status().rows == 5
                plant.acknowledge(epoch, 2**61, "forger")
                await until(lambda: edge.outbox.status().rows == 0)
                await edge.commit(3)
                await until(lambda: (epoch, 6, 3) in plant.messages)
                assert edge.outbox.status().rows == 3

    asyncio.run(main())


def test_a_restored_plant_that_knows_less_gets_it_again(broker: str, tmp_path: Path) -> None:
    async def main() -> None:
        with plant_at(broker) as plant:
            async with edge_at(broker, tmp_path / "edge") as edge:
                await edge.commit(50)
                assert await edge.forwarder.drain(10)
                plant.messages.clear()
                plant.acknowledge(edge.outbox.epoch, 20, "plant-2")
                await until(lambda: plant.messages)
                assert plant.messages[0] == (edge.outbox.epoch, 21, 30)

    asyncio.run(main())


def test_the_edge_introduces_itself_keeps_its_books_public_and_leaves_a_last_will(broker: str, tmp_path: Path) -> None:
    async def main() -> None:
        with plant_at(broker) as plant:
            async with edge_at(broker, tmp_path / "edge") as edge:
                said = from_bytes(Hello, await asyncio.to_thread(plant.next, "hello"))
                assert (said.edge, [span.epoch for span in said.epochs], said.meters) == (EDGE, [edge.outbox.epoch], hello().meters)
                assert from_bytes(EdgeState, await asyncio.to_thread(plant.next, "state")).online
                await edge.commit(4)
                assert await edge.forwarder.drain(10)
                lines = from_bytes(EdgeLedger, await asyncio.to_thread(plant.next, "ledger")).lines
                while lines[0].stored != 4 if lines else True:
                    lines = from_bytes(EdgeLedger, await asyncio.to_thread(plant.next, "ledger")).lines
                assert (lines[0].meter, lines[0].polled, lines[0].committed, lines[0].waiting) == ("m1", 4, 4, 0)
            gone = from_bytes(EdgeState, await asyncio.to_thread(plant.next, "state"))
            assert not gone.online
        with plant_at(broker) as late:
            kept = from_bytes(Hello, await asyncio.to_thread(late.next, "hello"))
            assert ([span.epoch for span in kept.epochs], kept.meters) == ([span.epoch for span in said.epochs], said.meters)
            assert not from_bytes(EdgeState, await asyncio.to_thread(late.next, "state")).online

    asyncio.run(main())


def test_a_killed_edge_is_reported_by_its_last_will(broker: str, tmp_path: Path) -> None:
    async def main() -> None:
        with plant_at(broker) as plant:
            async with edge_at(broker, tmp_path / "edge") as edge:
                assert from_bytes(EdgeState, await asyncio.to_thread(plant.next, "state")).online
                link = edge.forwarder._link
                assert isinstance(link, MqttLink)
                sock = link._client.socket()
                assert isinstance(sock, ReadAhead)
                sock.shutdown(socket.SHUT_RDWR)  # as a cable pulled: no goodbye
                states = [from_bytes(EdgeState, await asyncio.to_thread(plant.next, "state")).online for _ in range(2)]
                assert states == [False, True]

    asyncio.run(main())


def test_the_live_lane_carries_the_newest_rows_at_once(broker: str, tmp_path: Path) -> None:
    async def main() -> None:
        with plant_at(broker, answering=False) as plant:
            async with edge_at(broker, tmp_path / "edge") as edge:
                edge.forwarder.live([Reading("m1", T, {"active_power": 0.0})])  # not connected yet: nothing happens
                await until(lambda: edge.forwarder.connected)
                rows = [Reading(f"m{n}", T, {"active_power": float(n)}) for n in range(900)]
                edge.forwarder.live(rows)
                seen: list[Row] = []
                while len(seen) < 900:
                    seen += read_live(await asyncio.to_thread(plant.next, "live"))
                assert seen == rows
                assert edge.outbox.status().rows == 0

    asyncio.run(main())
