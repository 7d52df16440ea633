"""RTU lines against a slave that is sick in every way we know: no value of another request is ever believed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from collector.adapters.line import ModbusLine, Rtu
from collector.adapters.links import open_bus
from collector.adapters.pipes import TcpPipe
from collector.adapters.serial import SerialPipe, Settings
from collector.ports import BusFault, Request
from collector.pure.plan import Line
from collector.pure.validate import check
from tests.support.sick_slave import Answer, Asked, SickSlave, crc, on_pty, on_tcp, truth, well

TIMEOUT_S = 0.12
ALONG = ((0, 1), (1, 0), (0, 2), (0, 3))
BLOCKS = [
    Request(7, "input", 100, 4, ALONG),
    Request(7, "input", 200, 4, ALONG),
    Request(8, "input", 100, 4, ALONG),
    Request(7, "holding", 100, 4, ALONG),
    Request(7, "input", 300, 10, ALONG),
]
ONE_LENGTH = Request(7, "input", 400, 4)
"""Nothing is known that could be read along with it."""


class Tally:
    """What a run brought."""

    def __init__(self) -> None:
        self.good = 0
        self.reasons: dict[str, int] = {}
        self.details: list[str] = []


async def ask(bus: ModbusLine, slave: SickSlave, request: Request, tally: Tally) -> None:
    """Ask once; whatever is believed must be what the slave holds for this very request."""
    try:
        reply = await bus.read(request)
        check(request, reply)
    except BusFault as fault:
        tally.reasons[fault.reason] = tally.reasons.get(fault.reason, 0) + 1
        tally.details.append(fault.detail)
        if fault.link_lost:
            await bus.open()
        return
    function = 3 if request.kind == "holding" else 4
    assert reply.registers == truth(request.unit, function, request.address, request.count, slave.turn), (request, slave.turn)
    tally.good += 1


def run(answer: Answer, times: int, *, kind: str = "pty", rest_s: float = 0.05, blocks: list[Request] = BLOCKS) -> tuple[Tally, SickSlave]:
    async def scene() -> tuple[Tally, SickSlave]:
        pipe: SerialPipe | TcpPipe
        async with (on_pty if kind == "pty" else on_tcp)(answer) as (slave, where):
            if kind == "pty":
                pipe = SerialPipe(where, Path(where), Settings(115200, "8N1"))
            else:
                host, port = where.split(":")
                pipe = TcpPipe(where, host, int(port), timeout_s=2, function_at=1)
            bus = ModbusLine(pipe, Rtu(), timeout_s=TIMEOUT_S, line=Line(115200, 10) if kind == "pty" else None, rest_s=rest_s)
            await bus.open()
            tally = Tally()
            try:
                for turn in range(times):
                    await ask(bus, slave, blocks[turn % len(blocks)], tally)
            finally:
                await bus.close()
            return tally, slave

    return asyncio.run(scene())


def with_crc(head: bytes) -> bytes:
    return head + crc(head)


def sometimes(share: float, sick: Answer, seed: int = 1) -> Answer:
    chance = random.Random(seed)
    return lambda asked: sick(asked) if chance.random() < share else well(asked)


def late(seed: int = 2) -> Answer:
    chance = random.Random(seed)
    return lambda asked: [(TIMEOUT_S * chance.uniform(0.5, 3.0), asked.reply())]


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_a_healthy_line_is_read_without_a_fault(kind: str) -> None:
    tally, slave = run(well, 60, kind=kind)
    assert (tally.good, tally.reasons) == (60, {})
    assert slave.turn == 60


@pytest.mark.parametrize("kind", ["pty", "tcp"])
@pytest.mark.parametrize(("share", "times"), [(0.01, 400), (0.2, 40), (1.0, 12)])
def test_no_late_reply_is_taken_for_another_even_when_the_line_rests_too_short(kind: str, share: float, times: int) -> None:
    blocks = [*BLOCKS, ONE_LENGTH]
    tally, _ = run(sometimes(share, late()), times, kind=kind, rest_s=0.0, blocks=blocks)
    assert tally.good + sum(tally.reasons.values()) == times
    assert tally.reasons
    if share < 1:
        assert tally.good > times * 0.2


def test_a_read_that_could_be_mistaken_is_not_sent_at_all() -> None:
    twin = Request(7, "input", 500, 4)
    tally, slave = run(lambda asked: [] if asked.address == 400 else well(asked), 2, blocks=[ONE_LENGTH, twin])
    assert slave.turn == 1
    assert tally.reasons == {"timeout": 2}
    assert "not asked" in tally.details[1]


def test_late_replies_on_a_line_that_rests_long_enough_cost_only_their_own_poll() -> None:
    tally, _ = run(sometimes(0.1, late()), 60, rest_s=TIMEOUT_S * 3)
    assert tally.good >= 45
    assert set(tally.reasons) == {"timeout"}


SICK: dict[str, tuple[Answer, set[str]]] = {
    "twice": (lambda asked: [(0.0, asked.reply()), (0.0, asked.reply())], set()),
    "twice, the second in one of the next turns": (lambda asked: [(0.0, asked.reply()), (0.02, asked.reply())], set()),
    "another unit": (lambda asked: [(0.0, asked.reply(unit=9))], {"mismatch"}),
    "another unit first": (lambda asked: [(0.0, asked.reply(unit=9)), (0.01, asked.reply())], {"mismatch"}),
    "another function": (lambda asked: [(0.0, asked.reply(function=7 - asked.function))], {"mismatch"}),
    "an echo of a write": (
        lambda asked: [(0.0, with_crc(bytes((asked.unit, 6, 0, 1, 0, 2))))],
        {"mismatch"},
    ),
    "too few registers": (lambda asked: [(0.0, asked.reply(count=1))], {"mismatch"}),
    "too many registers": (lambda asked: [(0.0, asked.reply(count=20))], {"mismatch"}),
    "a wrong checksum": (lambda asked: [(0.0, asked.reply()[:-1] + b"\x00\x01"[asked.reply()[-1] == 0 :][:1])], {"frame", "mismatch"}),
    "half a frame": (lambda asked: [(0.0, asked.reply()[:-5])], {"frame"}),
    "two halves": (lambda asked: [(0.0, asked.reply()[:6]), (0.03, asked.reply()[6:])], set()),
    "noise": (lambda asked: [(0.0, bytes(random.Random(asked.turn).randbytes(30)))], {"frame", "mismatch"}),
    "noise before": (lambda asked: [(0.0, b"\x00\xff\x13" + asked.reply())], {"frame"}),
    "noise after": (lambda asked: [(0.0, asked.reply() + b"\xff\x00")], set()),
    "an echo": (lambda asked: [(0.0, asked.frame + asked.reply())], set()),
    "an echo and nothing": (lambda asked: [(0.0, asked.frame)], {"frame", "timeout"}),
    "nothing": (lambda asked: [], {"timeout"}),
    "busy": (lambda asked: [(0.0, asked.refusal(6))], {"exception_6"}),
    "five megabytes": (lambda asked: [(0.0, bytes(range(200)) * 4)] * 10, {"frame", "mismatch"}),
}


@pytest.mark.parametrize(("name", "kind"), [(name, "pty") for name in SICK] + [(name, "tcp") for name in list(SICK)[::4]])
def test_a_sick_reply_is_named_and_brings_no_foreign_value(name: str, kind: str) -> None:
    sick, reasons = SICK[name]
    tally, _ = run(sometimes(0.3, sick), 24, kind=kind)
    assert set(tally.reasons) <= reasons, tally.details
    if name not in ("noise before", "another unit first", "an echo and nothing"):
        assert bool(tally.reasons) == bool(reasons)
    assert tally.good >= 12


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_checksum_errors_fail_as_many_polls_as_there_are_errors(share: float) -> None:
    hit: list[int] = []

    def flip(asked: Asked) -> Iterable[tuple[float, bytes]]:
        hit.append(asked.turn)
        reply = bytearray(asked.reply())
        reply[asked.turn % len(reply)] ^= 1 << asked.turn % 8
        return [(0.0, bytes(reply))]

    times = 30 if share == 0.5 else 100
    tally, _ = run(sometimes(share, flip), times, rest_s=0.0)
    spared = [detail for detail in tally.details if detail.startswith("not asked")]
    assert sum(tally.reasons.values()) - len(spared) == len(hit)
    assert len(hit) >= times * share * 0.5


def test_what_leaves_the_process_are_reads_only() -> None:
    _, slave = run(sometimes(0.5, SICK["an echo of a write"][0]), 40, rest_s=0.0)
    assert len(slave.bytes_seen) == 8 * slave.turn
    assert {slave.bytes_seen[at + 1] for at in range(0, len(slave.bytes_seen), 8)} == {3, 4}


def test_a_cancelled_read_leaves_nothing_that_the_next_one_could_take() -> None:
    async def scene() -> None:
        async with on_pty(lambda asked: [(0.05, asked.reply())]) as (slave, port):
            bus = open_bus(f"rtu://{port}?baud=115200&format=8N1", timeout_s=0.3)
            assert isinstance(bus, ModbusLine)
            await bus.open()
            tally = Tally()
            for turn in range(6):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await bus.read(BLOCKS[turn % 2])
                await ask(bus, slave, BLOCKS[turn % 2], tally)
            assert tally.good == 6
            await bus.close()

    asyncio.run(scene())


def test_a_device_that_refuses_a_longer_read_is_asked_for_no_more_than_wanted() -> None:
    def strict(asked: Asked) -> Iterable[tuple[float, bytes]]:
        return [(0.0, asked.reply() if asked.count == 4 else asked.refusal(2))]

    tally, _ = run(strict, 12, blocks=BLOCKS[:2], rest_s=0.0)
    assert (tally.good, tally.reasons) == (12, {})


def test_a_slave_that_is_always_too_late_is_told_with_the_timeout_that_would_do() -> None:
    tally, _ = run(lambda asked: [(TIMEOUT_S * 1.5, asked.reply())], 6, rest_s=TIMEOUT_S)
    assert tally.good == 0
    assert any("would get it" in detail for detail in tally.details), tally.details


def test_a_line_that_never_rests_is_opened_anew() -> None:
    async def scene() -> None:
        async with on_pty(well) as (slave, port):
            bus = open_bus(f"rtu://{port}?baud=115200&format=8N1", timeout_s=TIMEOUT_S)
            await bus.open()
            slave.answer = lambda asked: []

            async def babble() -> None:
                while True:
                    slave.write(b"\x55\xaa")
                    await asyncio.sleep(0.02)

            task = asyncio.create_task(babble())
            await asyncio.sleep(0.1)
            lost = None
            async with asyncio.timeout(10):
                while lost is None:
                    with pytest.raises(BusFault) as caught:
                        await bus.read(BLOCKS[0])
                    lost = caught.value if caught.value.link_lost else None
            assert "never quiet" in lost.detail
            task.cancel()
            await bus.close()

    asyncio.run(scene())


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_a_reply_owed_to_whoever_had_the_line_before_is_not_believed(kind: str) -> None:
    """As after a kill: the new owner remembers nothing of what the old one asked."""
    first, second = BLOCKS[0], BLOCKS[1]

    def late_once(asked: Asked) -> Iterable[tuple[float, bytes]]:
        return [((1.4 if asked.turn == 1 else 0.7) * TIMEOUT_S, asked.reply())]

    async def scene() -> Tally:
        async with (on_pty if kind == "pty" else on_tcp)(late_once) as (slave, where):
            url = f"rtu://{where}?baud=115200&format=8N1" if kind == "pty" else f"rtu-tcp://{where}"
            tally = Tally()
            for request in (first, second):
                bus = open_bus(url, timeout_s=TIMEOUT_S)
                assert isinstance(bus, ModbusLine)
                await bus.open()
                await ask(bus, slave, request, tally)
                await bus.close()
            return tally

    tally = asyncio.run(scene())
    assert tally.reasons == {"timeout": 1}
    assert tally.good == 1
