"""The forwarder over a link in memory: what is too large goes in parts, what fails is tried again, the striding live lane is calm."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from collector.adapters.deeds import Deeds, read_deeds
from collector.adapters.outbox import Outbox
from collector.forwarder import Forwarder
from driftwatt.clock import Clock, StridingClock, SystemClock
from driftwatt.errors import Unavailable
from driftwatt.readings import Reading
from driftwatt.topics import parse, topic
from driftwatt.wire import (
    MAX_PAYLOAD_BYTES,
    Ack,
    EdgeAlarm,
    EdgeLedger,
    EdgeState,
    Hello,
    HelloMeter,
    from_bytes,
    read_live,
    read_message,
    to_bytes,
)

T = 1_790_000_000_000


class MemoryLink:
    """A broker of one: keeps what is published, can be cut, and can refuse a message."""

    def __init__(self, on_message: Callable[[str, bytes], None], on_change: Callable[[bool], None]) -> None:
        self.on_message, self.on_change = on_message, on_change
        self.connected = False
        self.published: list[tuple[str, bytes, int, bool]] = []
        self.refuse = 0

    def start(self) -> None:
        self.turn(on=True)

    def turn(self, *, on: bool) -> None:
        self.connected = on
        self.on_change(on)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        if self.refuse and parse(topic)[1] == "d":
            self.refuse -= 1
            return False
        assert len(payload) <= MAX_PAYLOAD_BYTES
        self.published.append((parse(topic)[1], payload, qos, retain))
        return self.connected

    def stop(self) -> None:
        self.connected = False

    def of(self, kind: str) -> list[bytes]:
        return [payload for name, payload, _, _ in self.published if name == kind]


def hello(meters: int = 1) -> Hello:
    return Hello("hall-a", "0", T, "c", "trust", (), tuple(HelloMeter(f"m{n}", "line-1", "p" * 300, "f00", 1000) for n in range(meters)))


@contextlib.asynccontextmanager
async def running(
    folder: Path, *, meters: int = 1, clock: Clock | None = None, alarms: tuple[EdgeAlarm, ...] = ()
) -> AsyncIterator[tuple[Outbox, Forwarder, MemoryLink]]:
    outbox = await Outbox.open(folder, max_bytes=20_000_000, tail_s=1e9, when_full="thin")
    links: list[MemoryLink] = []

    def open_link(on_message: Callable[[str, bytes], None], on_change: Callable[[bool], None]) -> MemoryLink:
        links.append(MemoryLink(on_message, on_change))
        return links[0]

    said = hello(meters)
    clock = clock or SystemClock()
    deeds = Deeds(folder, clock)
    forwarder = Forwarder("hall-a", outbox, open_link, lambda: said, clock, alarms=lambda: alarms, deeds=deeds)
    task = asyncio.create_task(forwarder.run())
    try:
        yield outbox, forwarder, links[0]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await outbox.close()


async def until(true: Callable[[], object]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


def reading(at: int, meter: str = "m1") -> Reading:
    return Reading(meter, T + at, {"active_power": float(at)})


def test_a_large_hello_comes_in_parts_that_together_name_every_meter(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, meters=400) as (outbox, _, link):
            await until(lambda: link.of("state"))
            parts = [from_bytes(Hello, payload) for payload in link.of("hello")]
            assert [(part.part, part.parts) for part in parts] == [(n + 1, len(parts)) for n in range(len(parts))]
            assert len(parts) > 1
            assert [meter.id for part in parts for meter in part.meters] == [f"m{n}" for n in range(400)]
            assert {part.epochs for part in parts} == {parts[0].epochs}
            assert parts[0].epochs[0].epoch == outbox.epoch

    asyncio.run(main())


def test_a_large_ledger_comes_in_messages_and_only_what_changed_is_said_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (outbox, forwarder, link):
            await outbox.commit([reading(day * 86_400_000 + n, f"m{n}") for day in range(7) for n in range(60)])
            forwarder.wake()
            await until(lambda: len(link.of("ledger")) >= 2)
            lines = [line for payload in link.of("ledger") for line in from_bytes(EdgeLedger, payload).lines]
            assert len(lines) == len({(line.meter, line.day) for line in lines}) == 420
            said = len(link.of("ledger"))
            await outbox.commit([reading(6 * 86_400_000 + 999)])
            await until(lambda: len(link.of("ledger")) > said)
            assert len(link.of("ledger")) == said + 1
            assert from_bytes(EdgeLedger, link.of("ledger")[-1]).lines[-1].day == lines[-1].day, "the newest day is what stays retained"

    asyncio.run(main())


def test_a_refused_publish_is_tried_again_and_nothing_is_skipped(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (outbox, forwarder, link):
            link.refuse = 2
            await outbox.commit([reading(n) for n in range(10)])
            forwarder.wake()
            await until(lambda: link.of("d"))
            assert read_message(link.of("d")[0]).seq == 1

    asyncio.run(main())


def test_a_reconnect_says_hello_first_and_sends_what_is_not_acknowledged(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (outbox, forwarder, link):
            await outbox.commit([reading(n) for n in range(10)])
            forwarder.wake()
            await until(lambda: link.of("d"))
            link.turn(on=False)
            link.published.clear()
            await outbox.commit([reading(10)])
            link.turn(on=True)
            await until(lambda: link.of("d"))
            assert [kind for kind, *_ in link.published[:2]] == ["hello", "d"]
            batch = read_message(link.of("d")[0])
            assert (batch.seq, batch.n) == (1, 11)

    asyncio.run(main())


def test_a_disk_that_fails_under_the_forwarder_does_not_end_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (outbox, forwarder, link):
            await until(lambda: link.of("state"))
            working = outbox.read

            async def broken(epoch: str, first: int, max_bytes: int) -> None:
                raise Unavailable(f"{epoch} {first} {max_bytes}")

            outbox.read = broken  # type: ignore[method-assign, assignment]
            await outbox.commit([reading(1)])
            forwarder.wake()
            await asyncio.sleep(0.3)
            outbox.read = working  # type: ignore[method-assign]
            await until(lambda: link.of("d"))

    asyncio.run(main())


def test_alarms_are_said_when_they_change(tmp_path: Path) -> None:
    async def main() -> None:
        alarm = EdgeAlarm("meter_silent", T, "m1 does not answer")
        async with running(tmp_path, alarms=(alarm,)) as (_, _, link):
            await until(lambda: link.of("state"))
            state = from_bytes(EdgeState, link.of("state")[0])
            assert (state.online, state.started_ms, state.alarms) == (True, T, (alarm,))
            assert all(retain for kind, _, _, retain in link.published if kind in ("hello", "state", "ledger"))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("edge", "epoch", "upto", "why"),
    [
        ("hall-a", "", 10**9, "was never sent, only 1 were"),
        ("hall-a", "00000000deadbeef", 1, "epoch 00000000deadbeef is not held here"),
        ("hall-b", "", 1, "is for edge hall-b"),
        ("hall-a", "", -1, "cannot be read"),
    ],
)
def test_a_forged_acknowledgement_deletes_nothing_unsent_and_leaves_an_entry(
    tmp_path: Path, edge: str, epoch: str, upto: int, why: str
) -> None:
    async def main() -> None:
        async with running(tmp_path) as (outbox, forwarder, link):
            await outbox.commit([reading(1)])
            forwarder.wake()
            await until(lambda: link.of("d"))
            link.on_message(topic("hall-a", "ack"), to_bytes(Ack(edge, epoch or outbox.epoch, upto, "evil")))
            await until(lambda: any(from_bytes(EdgeState, said).deeds for said in link.of("state")))
            await outbox.commit([reading(2)])
            assert outbox.held()[-1].acked <= 1
            assert outbox.status().rows + outbox.status().tail_rows == 2
            told = from_bytes(EdgeState, link.of("state")[-1]).deeds
            assert [deed.what for deed in told] == ["ack_refused"]
            assert why in told[0].detail
        assert read_deeds(tmp_path) == list(told)

    asyncio.run(main())


def test_the_plants_own_acknowledgements_leave_no_entry(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (outbox, forwarder, link):
            for at in range(3):
                await outbox.commit([reading(at)])
                forwarder.wake()
                await until(lambda: len(link.of("d")) > at)  # noqa: B023
                for upto in (at + 1, at):
                    link.on_message(topic("hall-a", "ack"), to_bytes(Ack("hall-a", outbox.epoch, upto, "plant")))
                await until(lambda: outbox.held()[-1].done)
        assert read_deeds(tmp_path) == []

    asyncio.run(main())


def test_the_cycles_of_many_buses_share_a_live_message(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (_, forwarder, link):
            await until(lambda: link.of("state"))
            for at in range(200):
                forwarder.live([reading(at)])
            await until(lambda: link.of("live"))
            said = [row for payload in link.of("live") for row in read_live(payload)]
            assert said == [reading(at) for at in range(200)]
            assert len(link.of("live")) <= 2  # by size
            forwarder.live([reading(200)])
            await until(lambda: read_live(link.of("live")[-1]) == (reading(200),))

    asyncio.run(main())


def test_while_the_clock_strides_the_live_lane_says_only_a_few_cycles_a_second(tmp_path: Path) -> None:
    async def main() -> None:
        clock = StridingClock(T - 10**9, stride_s=300, shared=tmp_path / "instant")
        async with running(tmp_path, clock=clock) as (_, forwarder, link):
            await until(lambda: link.of("state"))
            for at in range(200):
                forwarder.live([reading(at)])
            assert len(link.of("live")) == 1
            assert {(qos, retain) for kind, _, qos, retain in link.published if kind == "live"} == {(0, False)}

    asyncio.run(main())


def test_many_epochs_of_a_crash_loop_still_fit_a_hello(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (outbox, forwarder, link):
            await until(lambda: link.of("hello"))
            sql_rows = [(f"{n:016x}", 1, 1, 0, 0, "") for n in range(900)]

            def crowd() -> None:
                for row in sql_rows:
                    outbox._keeper.tables.sql.execute(
                        "INSERT INTO epochs (epoch, base, top, acked, sent, by, twin) VALUES (?, ?, ?, ?, ?, ?, 0)", row
                    )
                outbox._keeper._look()

            await outbox._ask(crowd)
            said = len(link.of("hello"))
            forwarder.wake()
            await until(lambda: len(link.of("hello")) > said)
            epochs = from_bytes(Hello, link.of("hello")[-1]).epochs
            assert len(epochs) == 500

    asyncio.run(main())
