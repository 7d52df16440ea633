"""A simulated serial line: its pace, its silence, what hangs on it. Read here byte by byte, without the collector."""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from collector.simulator import rtu
from collector.simulator.faults import Mischief, fault
from collector.simulator.journal import Journal, served
from collector.simulator.load import SLOT_MS, Curve
from collector.simulator.meter import Electric, SimulatedMeter
from collector.simulator.server import Gateway, Simulator
from collector.simulator.wire import listen
from config.loader import load_profile
from driftwatt.errors import Unavailable

T_MS = 1_795_000_000_000 // SLOT_MS * SLOT_MS
PROFILE = load_profile("eastron-sdm630")


class Reader:
    """The other end of the line."""

    def __init__(self, link: Path) -> None:
        self._fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._fd)

    def say(self, unit: int, pdu: bytes) -> bytes:
        raw = rtu.frame(unit, pdu)
        os.write(self._fd, raw)
        return raw

    async def hear(self, count: int, within_s: float = 2.0) -> bytes:
        loop, got = asyncio.get_running_loop(), b""
        until_s = loop.time() + within_s
        while len(got) < count and loop.time() < until_s:
            try:
                got += os.read(self._fd, count - len(got))
            except BlockingIOError:
                await asyncio.sleep(0.001)
        return got

    def close(self) -> None:
        os.close(self._fd)


def on_the_line(
    tmp_path: Path, work: Callable[[Reader], Awaitable[None]], *words: str, query: str = "baud=19200", units: tuple[int, ...] = (1, 2)
) -> Simulator:
    async def main() -> Simulator:
        mischief = Mischief([fault(word) for word in words], seed=3)
        simulator = Simulator(lambda: T_MS + 5000, Journal(tmp_path / "served.log"), mischief)
        load = Curve(lambda _slot: 900.0, origin_ms=T_MS, start_wh=1e6)
        meters = {unit: SimulatedMeter(f"meter-{unit}", PROFILE, load, Electric(0.9, seed=unit)) for unit in units}
        at = listen(f"pty:{tmp_path / 'line'}?{query}")
        assert await simulator.listen(Gateway("line", at.host, at.port, meters, at.wire)) == 0
        reader = Reader(tmp_path / "line")
        try:
            await work(reader)
        finally:
            reader.close()
            await simulator.stop()
        return simulator

    simulator = asyncio.run(main())
    assert not (tmp_path / "line").exists()
    return simulator


def read(address: int, count: int, function: int = 4) -> bytes:
    return struct.pack(">BHH", function, address, count)


@pytest.mark.parametrize(("query", "bits"), [("baud=9600", 10), ("baud=9600&format=8E1", 11), ("baud=4800&turnaround=0", 10)])
def test_a_reply_takes_the_time_that_its_characters_take(query: str, bits: int, tmp_path: Path) -> None:
    baud = 4800 if "4800" in query else 9600
    turnaround_s = 0.0 if "turnaround=0" in query else 0.02

    async def work(reader: Reader) -> None:
        loop = asyncio.get_running_loop()
        for count in (2, 20):
            limit_s = (13 + 2 * count + 3.5) * bits / baud + turnaround_s
            took_s = []
            for _ in range(3):
                began_s = loop.time()
                reader.say(1, read(0, count))
                assert not rtu.crc(await reader.hear(5 + 2 * count))
                took_s.append(loop.time() - began_s)
                await asyncio.sleep(0.02)
            assert limit_s - 0.002 <= min(took_s) <= 1.3 * limit_s + 0.01

    on_the_line(tmp_path, work, query=query)


def test_refusals_come_and_absent_units_are_silent(tmp_path: Path) -> None:
    async def work(reader: Reader) -> None:
        reader.say(1, read(5000, 2))
        assert await reader.hear(5) == rtu.frame(1, b"\x84\x02")
        await asyncio.sleep(0.01)
        reader.say(9, read(0, 2))
        assert await reader.hear(1, 0.2) == b""
        reader.say(1, b"\x06\x00\x00\x00\x01")
        assert await reader.hear(5) == rtu.frame(1, b"\x86\x01")

    on_the_line(tmp_path, work)
    assert list(served(tmp_path / "served.log")) == []


def test_a_request_without_the_silence_before_it_is_not_understood(tmp_path: Path) -> None:
    async def work(reader: Reader) -> None:
        reader.say(1, read(0, 2))
        while not await reader.hear(9, 0.0005):
            pass
        reader.say(1, read(0, 2))  # in the middle of the reply
        assert len(await reader.hear(500, 0.3)) < 9 + 5
        reader.say(1, read(0, 2))
        assert not rtu.crc(await reader.hear(9))

    assert on_the_line(tmp_path, work, query="baud=1200").glued == 1


def test_what_is_no_request_is_forgotten_when_the_line_is_silent(tmp_path: Path) -> None:
    async def work(reader: Reader) -> None:
        os.write(reader._fd, b"\x01\x04\x00\x00\x00")
        await asyncio.sleep(0.1)
        reader.say(1, read(0, 2))
        assert not rtu.crc(await reader.hear(9))

    on_the_line(tmp_path, work)


def test_one_wrong_bit_an_echo_and_noise_go_over_the_line(tmp_path: Path) -> None:
    async def crc(reader: Reader) -> None:
        reader.say(1, read(0, 2))
        got = await reader.hear(9)
        assert len(got) == 9
        assert rtu.crc(got)

    async def echo(reader: Reader) -> None:
        raw = reader.say(1, read(0, 2))
        got = await reader.hear(17)
        assert got[:8] == raw
        assert not rtu.crc(got[8:])

    async def noise(reader: Reader) -> None:
        reader.say(1, read(0, 2))
        assert 10 <= len(await reader.hear(50, 0.3)) <= 17

    on_the_line(tmp_path, crc, "crc")
    on_the_line(tmp_path, echo, "echo")
    on_the_line(tmp_path, noise, "noise")
    assert [entry.true for entry in served(tmp_path / "served.log")] == [False, True, True]


def test_a_reader_that_goes_away_in_the_middle_does_not_stop_the_line(tmp_path: Path) -> None:
    async def work(reader: Reader) -> None:
        reader.say(1, read(0, 60))
        other = Reader(tmp_path / "line")
        await asyncio.sleep(0.2)
        await other.hear(500, 0.05)
        other.say(2, read(0, 2))
        assert not rtu.crc(await other.hear(9))
        other.close()

    on_the_line(tmp_path, work)


def test_a_file_in_the_way_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "line").write_text("mine", encoding="ascii")

    async def main() -> None:
        at = listen(f"pty:{tmp_path / 'line'}")
        with pytest.raises(Unavailable, match="cannot make the serial line"):
            await Simulator(lambda: T_MS, Journal(None)).listen(Gateway("line", "", 0, {}, at.wire))

    asyncio.run(main())
    assert (tmp_path / "line").read_text(encoding="ascii") == "mine"
