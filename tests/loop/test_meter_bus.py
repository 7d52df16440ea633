"""The bus side of the collector against a meter that can answer wrongly, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.adapters.links import open_bus, tcp_address
from collector.adapters.modbus import ModbusTcp
from collector.poller import BusPoller, Pace
from collector.ports import BusFault, MeterBus, Request
from collector.pure.adu import refuse_writes
from collector.pure.blocks import MeterPlan, meter_plan
from config.edge import Meter
from config.profiles import Profile
from driftwatt.clock import SystemClock
from driftwatt.errors import ConfigError, Unavailable
from driftwatt.readings import ClockState, FailedPoll, Quality, Reading, Removed, Row

TIMEOUT_S = 0.25
Answer = Callable[["Asked"], Awaitable[bytes | None]]


class Asked:
    """One request as it arrived."""

    def __init__(self, frame: bytes) -> None:
        self.transaction, _, _, self.unit, self.function, self.address, self.count = struct.unpack(">HHHBBHH", frame)

    def reply(self, registers: Sequence[int] | None = None, **wrong: int) -> bytes:
        """Return the right reply (register n holds n), with fields replaced on request."""
        values = list(range(self.address, self.address + self.count)) if registers is None else registers
        body = struct.pack(f">{len(values)}H", *values)[: wrong.get("cut")]
        head = struct.pack(">BB", wrong.get("function", self.function), wrong.get("byte_count", len(body)))
        return self.frame(head + body, **wrong)

    def refusal(self, code: int) -> bytes:
        return self.frame(bytes([self.function | 0x80, code]))

    def frame(self, pdu: bytes, **wrong: int) -> bytes:
        transaction, unit = wrong.get("transaction", self.transaction), wrong.get("unit", self.unit)
        return struct.pack(">HHHB", transaction, wrong.get("protocol", 0), len(pdu) + 1, unit) + pdu


class Stub:
    """A Modbus TCP gateway that answers as `answer` says and remembers the bytes it was sent."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.frames: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.tasks: list[asyncio.Task[Any] | None] = []

    def asked(self) -> list[Asked]:
        return [Asked(frame) for frame in self.frames]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        self.tasks.append(asyncio.current_task())
        try:
            while True:
                frame = await reader.readexactly(12)
                self.frames.append(frame)
                reply = await self.answer(Asked(frame))
                if reply == b"":
                    break
                writer.write(reply or b"")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def stop(self) -> None:
        for writer in self.writers:
            writer.close()
        await asyncio.gather(*filter(None, self.tasks))


@asynccontextmanager
async def gateway(answer: Answer, options: str = "") -> AsyncIterator[tuple[Stub, MeterBus]]:
    stub = Stub(answer)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    bus = open_bus("tcp://{}:{}".format(*server.sockets[0].getsockname()[:2]) + options, timeout_s=TIMEOUT_S)
    try:
        yield stub, bus
    finally:
        await bus.close()
        server.close()
        await stub.stop()


async def well(asked: Asked) -> bytes | None:
    return asked.reply()


def once(wrong: Callable[[Asked], bytes | None]) -> Answer:
    """Return an answer that is wrong the first time and right from then on."""
    told: list[Asked] = []

    async def answer(asked: Asked) -> bytes | None:
        told.append(asked)
        return wrong(asked) if len(told) == 1 else asked.reply()

    return answer


def validated(bus: MeterBus, request: Request) -> Awaitable[Row | None]:
    """Poll through the poller's own path: read and check."""

    async def ask() -> Any:
        from collector.pure.validate import check

        reply = await bus.read(request)
        check(request, reply)
        return reply.registers

    return ask()


def first_fault_then(answer: Answer) -> tuple[BusFault, tuple[int, ...]]:
    """Return the fault of a first request and the registers that the next, different one brings."""

    async def scene() -> tuple[BusFault, tuple[int, ...]]:
        async with gateway(answer) as (_, bus):
            await bus.open()
            with pytest.raises(BusFault) as caught:
                await validated(bus, Request(7, "input", 100, 4))
            if caught.value.link_lost:
                await bus.open()
            after: Any = await validated(bus, Request(7, "input", 200, 2))
            return caught.value, after

    return asyncio.run(scene())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        pytest.param(lambda asked: asked.reply(unit=8), "mismatch", id="another unit"),
        pytest.param(lambda asked: asked.reply(function=3), "mismatch", id="another function"),
        pytest.param(lambda asked: asked.reply(function=6), "mismatch", id="an echo of a write"),
        pytest.param(lambda asked: asked.reply(function=99), "mismatch", id="a function nobody knows"),
        pytest.param(lambda asked: asked.reply([1, 2]), "mismatch", id="too few registers"),
        pytest.param(lambda asked: asked.reply([1] * 10), "mismatch", id="too many registers"),
        pytest.param(lambda asked: asked.reply(cut=7), "mismatch", id="an odd number of bytes"),
        pytest.param(lambda asked: asked.reply(byte_count=250), "mismatch", id="a byte count that is not there"),
        pytest.param(lambda asked: asked.frame(bytes([4])), "mismatch", id="a function code and nothing else"),
        pytest.param(lambda asked: asked.reply(transaction=0), "mismatch", id="transaction 0"),
        pytest.param(lambda asked: asked.reply(transaction=asked.transaction + 1), "mismatch", id="a future transaction"),
        pytest.param(lambda asked: asked.reply(protocol=5), "frame", id="another protocol"),
        pytest.param(lambda asked: asked.reply()[:9], "frame", id="half a frame"),
        pytest.param(lambda asked: b"\xff" * 100, "frame", id="garbage"),
        pytest.param(lambda asked: asked.refusal(2), "exception_2", id="illegal address"),
        pytest.param(lambda asked: asked.refusal(6), "exception_6", id="busy"),
        pytest.param(lambda asked: asked.frame(bytes([0x83, 2])), "mismatch", id="an exception to another function"),
        pytest.param(lambda asked: None, "timeout", id="nothing"),
        pytest.param(lambda asked: b"", "timeout", id="connection closed"),
    ],
)
def test_a_wrong_answer_is_named_and_the_next_request_gets_its_own(wrong: Callable[[Asked], bytes | None], reason: str) -> None:
    fault, after = first_fault_then(once(wrong))
    assert fault.reason == reason
    assert after == (200, 201)


def test_a_reply_that_comes_after_its_time_is_never_taken_for_the_next_one() -> None:
    async def scene() -> None:
        async def late(asked: Asked) -> bytes | None:
            if asked.address % 2:
                await asyncio.sleep(TIMEOUT_S * 1.3)
            return asked.reply()

        async with gateway(late) as (_, bus):
            await bus.open()
            reasons: list[str] = []
            for address in range(1, 9):
                try:
                    registers: Any = await validated(bus, Request(7, "input", address, 2))
                except BusFault as fault:
                    reasons.append(fault.reason)
                else:
                    assert registers == (address, address + 1)
            assert len(reasons) >= 4
            assert set(reasons) == {"timeout"}

    asyncio.run(scene())


def test_a_gateway_without_transaction_ids_is_read_where_the_file_says_so_and_its_late_replies_are_not_believed() -> None:
    async def scene() -> None:
        async def late(asked: Asked) -> bytes | None:
            if asked.address % 2:
                await asyncio.sleep(TIMEOUT_S * 1.3)
            return asked.reply(transaction=0)

        async with gateway(late, "?ids=none") as (_, bus):
            await bus.open()
            reasons: list[str] = []
            for address in range(1, 9):
                try:
                    registers: Any = await validated(bus, Request(7, "input", address, 2, ((0, 1), (0, 2))))
                except BusFault as fault:
                    reasons.append(fault.reason)
                else:
                    assert registers == (address, address + 1)
            assert len(reasons) == 4
            assert set(reasons) <= {"timeout", "mismatch"}

    asyncio.run(scene())


def test_after_half_a_frame_the_connection_counts_as_lost() -> None:
    async def scene() -> None:
        async with gateway(once(lambda asked: asked.reply()[:9])) as (_, bus):
            await bus.open()
            with pytest.raises(BusFault) as caught:
                await bus.read(Request(7, "input", 100, 4))
            assert caught.value.link_lost
            await bus.close()
            with pytest.raises(BusFault, match="not connected"):
                await bus.read(Request(7, "input", 200, 2))

    asyncio.run(scene())


def test_five_megabytes_of_garbage_do_not_grow_the_collector() -> None:
    async def scene() -> None:
        async with gateway(once(lambda _: bytes(range(1, 256)) * 20_000)) as (_, bus):
            await bus.open()
            with pytest.raises(BusFault):
                await bus.read(Request(7, "input", 100, 4))
            assert isinstance(bus, ModbusTcp)
            assert len(bus._received) < 1000

    asyncio.run(scene())


def test_a_bus_that_is_not_there_is_unavailable_with_its_address() -> None:
    async def scene() -> None:
        async with gateway(well) as (_, bus):
            name = bus.name
        with pytest.raises(Unavailable, match=name):
            await bus.open()

    asyncio.run(scene())


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_packet_with_another_function_code_than_the_four_readers_passes(packet: bytes) -> None:
    try:
        refuse_writes(packet)
    except PermissionError:
        assert len(packet) < 8 or packet[7] not in (1, 2, 3, 4)
    else:
        assert packet[7] in (1, 2, 3, 4)


def test_a_write_never_reaches_the_wire_even_when_somebody_asks_for_it() -> None:
    async def scene() -> None:
        async with gateway(well) as (stub, bus):
            await bus.open()
            assert isinstance(bus, ModbusTcp)
            for function in set(range(256)) - {1, 2, 3, 4}:
                with pytest.raises(PermissionError, match="refused"):
                    bus._pipe.send(struct.pack(">HHHBBHH", 1, 0, 6, 7, function, 0xF010, 1))
            assert (await bus.read(Request(7, "input", 3, 1))).registers == (3,)
            assert [each.function for each in stub.asked()] == [4]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("rtu:///dev/ttyUSB0?baud=9600", "format"),
        ("rtu:///dev/ttyUSB0?format=8N1", "speed"),
        ("rtu:///dev/ttyUSB0?baud=9600&format=8N1&echo=yes", "not understood"),
        ("rtu://ttyUSB0?baud=9600&format=8N1", "not understood"),
        ("rtu-tcp://h:99999", "not understood"),
        ("tcp://", "not understood"),
        ("tcp://h:99999", "not understood"),
        ("http://h", "not understood"),
    ],
)
def test_a_bus_url_that_cannot_be_dialled_is_refused(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_bus(url)


def test_a_bus_url_without_port_means_502() -> None:
    assert tcp_address("tcp://192.0.2.10") == ("192.0.2.10", 502)


# The poller.

PROFILE = Profile.model_validate(
    {
        "maker": "Test", "model": "T", "sources": ["none"], "verification": "unconfirmed",
        "register": [
            {"quantity": "active_power", "kind": "input", "address": 10, "type": "uint16", "unit": "W", "not_available": ["0xFFFF"]},
            {"quantity": "import_energy", "kind": "holding", "address": 20, "type": "uint32", "unit": "Wh"},
            {"quantity": "frequency", "kind": "input", "address": 99, "type": "uint16", "unit": "Hz", "class": "slow"},
        ],
    }
)  # fmt: skip
GOOD = {"active_power": 10.0, "import_energy": 20.0 * 65536 + 21}


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.came = asyncio.Event()

    async def accept(self, rows: Sequence[Row]) -> None:
        self.rows += rows
        self.came.set()


def plan_of(unit: int, every: str = "200ms") -> MeterPlan:
    return meter_plan(Meter.model_validate({"id": f"m{unit}", "unit": unit, "profile": "t", "every": every}), PROFILE)


def stamps() -> tuple[int, ClockState]:
    return SystemClock().now_ms(), "ok"


async def poll(bus: MeterBus, units: Sequence[int], until: Callable[[BusPoller, Kept], bool], **pace: Any) -> tuple[BusPoller, Kept]:
    kept = Kept()
    poller = BusPoller("line-1", bus, [plan_of(unit) for unit in units], clock=SystemClock(), sink=kept, stamps=stamps, pace=Pace(**pace))
    task = asyncio.create_task(poller.run())
    async with asyncio.timeout(20):
        while not until(poller, kept):  # noqa: ASYNC110 – what is waited for may be any state
            await asyncio.sleep(0.01)
        poller.stop()
        await task
    return poller, kept


def polled(answer: Answer, units: Sequence[int], until: Callable[[BusPoller, Kept], bool], **pace: Any) -> tuple[BusPoller, Kept, Stub]:
    async def scene() -> tuple[BusPoller, Kept, Stub]:
        async with gateway(answer) as (stub, bus):
            return *await poll(bus, units, until, **pace), stub

    return asyncio.run(scene())


def rows_of(kept: Kept, unit: int) -> list[Row]:
    return [row for row in kept.rows if isinstance(row, Reading | FailedPoll) and row.meter == f"m{unit}"]


def test_a_poll_becomes_one_reading_with_slow_registers_now_and_then() -> None:
    _, kept, stub = polled(well, [1, 2], lambda _, kept: len(kept.rows) >= 6)
    first, second, *_ = rows_of(kept, 1)
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert first.values == GOOD | {"frequency": 99.0}
    assert second.values == GOOD
    assert first.doubt == {}
    assert 100 < second.t_ms - first.t_ms < 2000
    assert {each.function for each in stub.asked()} == {3, 4}


def test_a_request_that_fails_leaves_its_quantities_missing_and_the_rest_good() -> None:
    async def answer(asked: Asked) -> bytes | None:
        return asked.refusal(2) if asked.function == 3 else asked.reply()

    poller, kept, _ = polled(answer, [1], lambda _, kept: len(kept.rows) >= 2)
    reading = kept.rows[1]
    assert isinstance(reading, Reading)
    assert reading.values == {"active_power": 10.0}
    assert reading.doubt == {"import_energy": Quality.MISSING}
    assert poller.meters()[0].state == "ok"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda asked: asked.refusal(4), "exception_4"),
        (lambda asked: asked.reply(unit=9), "mismatch"),
        (lambda asked: asked.reply(transaction=0), "mismatch"),
        (lambda asked: asked.reply(function=7 - asked.function), "mismatch"),
        (lambda asked: asked.reply([1] * 9), "mismatch"),
        (lambda asked: None, "timeout"),
    ],
)
def test_a_poll_without_any_good_sample_is_failed_with_its_reason(answer: Callable[[Asked], bytes | None], reason: str) -> None:
    async def always(asked: Asked) -> bytes | None:
        return answer(asked)

    _, kept, _ = polled(always, [1], lambda _, kept: len(kept.rows) >= 1)
    assert isinstance(kept.rows[0], FailedPoll)
    assert kept.rows[0].reason == reason


def test_a_meter_that_only_says_not_available_is_failed_not_available() -> None:
    async def answer(asked: Asked) -> bytes | None:
        return asked.reply([0xFFFF])

    async def scene() -> Kept:
        async with gateway(answer) as (_, bus):
            kept = Kept()
            meter = Meter.model_validate({"id": "m1", "unit": 1, "profile": "t", "only": ["active_power"]})
            await BusPoller("line-1", bus, [meter_plan(meter, PROFILE)], clock=SystemClock(), sink=kept, stamps=stamps).once()
            return kept

    row = asyncio.run(scene()).rows[0]
    assert isinstance(row, FailedPoll)
    assert row.reason == "not_available"


def test_a_dead_unit_costs_one_timeout_a_poll_then_only_probes_and_its_neighbours_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(asked: Asked) -> bytes | None:
        return None if asked.unit == 2 else asked.reply()

    with caplog.at_level(logging.INFO, logger="collector.poller"):
        poller, kept, stub = polled(answer, [1, 2, 3], lambda poller, _: poller.meters()[1].beside.get("breaker_open", 0) >= 5)
    dead = poller.meters()[1]
    assert (dead.state, dead.failures, dead.reason) == ("silent", 3, "timeout")
    assert [row.reason for row in rows_of(kept, 2) if isinstance(row, FailedPoll)] == ["timeout"] * 3
    assert sum(each.unit == 2 for each in stub.asked()) == 3
    assert all(isinstance(row, Reading) for row in rows_of(kept, 1) + rows_of(kept, 3))
    assert len(rows_of(kept, 1)) >= 5
    assert stub.connections == 1
    loud = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert loud == ["bus line-1: m2 (unit 2), holding registers 0x0014 to 0x0015: timeout: no reply within 0.25 s"]


def test_a_timeout_is_repeated_once_when_the_file_says_so() -> None:
    _, kept, stub = polled(once(lambda _: None), [1], lambda _, kept: len(kept.rows) >= 1, retries=1)
    assert isinstance(kept.rows[0], Reading)
    assert stub.asked()[0].address == stub.asked()[1].address


def test_a_lost_connection_is_opened_again_and_polling_goes_on() -> None:
    async def answer(asked: Asked) -> bytes | None:
        return b"" if len(seen) == 3 else asked.reply()

    seen: list[int] = []

    async def counting(asked: Asked) -> bytes | None:
        seen.append(asked.address)
        return await answer(asked)

    _, kept, stub = polled(counting, [1], lambda _, kept: len(kept.rows) >= 5)
    assert stub.connections >= 2
    assert isinstance(kept.rows[-1], Reading)


def test_a_connection_that_the_gateway_closed_while_idle_costs_no_poll() -> None:
    async def scene() -> None:
        async with gateway(well) as (stub, bus):
            closed: list[bool] = []

            def until(_: BusPoller, kept: Kept) -> bool:
                if len(kept.rows) == 2 and not closed:
                    closed.append(True)
                    stub.writers[0].close()
                return len(kept.rows) >= 5

            _, kept = await poll(bus, [1], until)
            assert all(isinstance(row, Reading) for row in kept.rows)
            assert stub.connections == 2

    asyncio.run(scene())


def test_a_bus_without_any_answer_is_opened_anew_after_five_requests() -> None:
    async def deaf(_: Asked) -> bytes | None:
        return None

    _, _, stub = polled(deaf, [1, 2, 3], lambda poller, _: len(poller.silent()) == 3 and not poller.is_down)
    assert stub.connections >= 2


def test_a_bus_that_comes_up_later_is_found(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        stub = Stub(well)
        server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        server.close()
        await server.wait_closed()
        later: list[asyncio.Server] = []

        async def start() -> None:
            await asyncio.sleep(0.3)
            later.append(await asyncio.start_server(stub.serve, host, port))

        starting = asyncio.create_task(start())
        poller, kept = await poll(open_bus(f"tcp://{host}:{port}", timeout_s=TIMEOUT_S), [1], lambda _, kept: len(kept.rows) >= 1)
        await starting
        later[0].close()
        await stub.stop()
        assert isinstance(kept.rows[0], Reading)
        assert poller.meters()[0].beside["link_down"] >= 1

    with caplog.at_level(logging.INFO, logger="collector.poller"):
        asyncio.run(scene())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_on_a_line_that_is_down_no_meter_looks_well() -> None:
    seen: list[tuple[str, str]] = []

    def down(poller: BusPoller, _: Kept) -> bool:
        seen[:] = [(each.state, each.reason) for each in poller.meters()]
        return poller.is_down

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        asyncio.run(poll(open_bus("tcp://{}:{}".format(*taken.getsockname()), timeout_s=TIMEOUT_S), [1, 2], down))
    assert seen == [("silent", "link"), ("silent", "link")]


def test_stopping_waits_for_the_request_under_way_and_not_for_the_next_poll() -> None:
    async def scene() -> None:
        async with gateway(well) as (_, bus):
            kept = Kept()
            poller = BusPoller("line-1", bus, [plan_of(1, "1h")], clock=SystemClock(), sink=kept, stamps=stamps)
            task = asyncio.create_task(poller.run())
            async with asyncio.timeout(5):
                await kept.came.wait()
                poller.stop()
                poller.stop()
                await task
            assert not poller.connected

    asyncio.run(scene())


def test_a_clock_that_is_set_back_a_little_gives_no_instant_twice() -> None:
    said = iter([5000, 5200, 4900, 5200, 5400, 2000, 2200])

    async def scene() -> None:
        async with gateway(well) as (_, bus):
            kept = Kept()
            poller = BusPoller("line-1", bus, [plan_of(1)], clock=SystemClock(), sink=kept, stamps=lambda: (next(said, 9000), "ok"))
            task = asyncio.create_task(poller.run())
            async with asyncio.timeout(10):
                while len(kept.rows) < 7:  # noqa: ASYNC110 – what is waited for may be any state
                    await asyncio.sleep(0.01)
                poller.stop()
                await task
            assert [row.t_ms for row in kept.rows[:7] if not isinstance(row, Removed)] == [5000, 5200, 5201, 5202, 5400, 2000, 2200]

    asyncio.run(scene())


def test_once_polls_every_meter_once_and_leaves() -> None:
    async def scene() -> None:
        async with gateway(well) as (stub, bus):
            kept = Kept()
            poller = BusPoller("line-1", bus, [plan_of(unit) for unit in (1, 2)], clock=SystemClock(), sink=kept, stamps=stamps)
            await poller.once()
            assert len(kept.rows) == 2
            assert stub.connections == 1
        with pytest.raises(Unavailable):
            await BusPoller("line-1", bus, [plan_of(1)], clock=SystemClock(), sink=kept, stamps=stamps).once()

    asyncio.run(scene())
