"""The simulated gateways, asked over real sockets: by the collector's own bus adapter and by bare frames."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from collector.adapters.links import open_bus
from collector.ports import BusFault, Request
from collector.pure.decode import compile_block
from collector.pure.plan import plan
from collector.simulator.journal import Journal, served, served_values
from collector.simulator.load import SLOT_MS, Curve
from collector.simulator.meter import Electric, SimulatedMeter
from collector.simulator.server import Gateway, Simulator
from config.catalogue import METERS, names
from config.loader import load_profile
from config.profiles import Profile
from driftwatt.errors import Unavailable

T_MS = 1_795_000_000_000 // SLOT_MS * SLOT_MS + 123_456
MODELS = names([METERS])
_T = TypeVar("_T")


def _meter(profile: Profile, name: str = "pump-1") -> SimulatedMeter:
    load = Curve(lambda _slot: 7_300.0, origin_ms=T_MS - T_MS % SLOT_MS, start_wh=12_345_678.9)
    return SimulatedMeter(
        name, profile, load, Electric(0.9, 1 if "single phase" in profile.model or "120" in profile.model else 3, ratio=2.0)
    )


def _served(
    meters: dict[int, SimulatedMeter],
    work: Callable[[int], Awaitable[_T]],
    log: Path | None = None,
    now_ms: Callable[[], int] = lambda: T_MS,
) -> _T:
    async def main() -> _T:
        simulator = Simulator(now_ms, Journal(log))
        port = await simulator.listen(Gateway("test", "127.0.0.1", 0, meters))
        try:
            return await work(port)
        finally:
            await simulator.stop()

    return asyncio.run(main())


@pytest.mark.parametrize("model", MODELS)
def test_every_planned_request_of_a_model_is_answered_with_its_load(model: str, tmp_path: Path) -> None:
    profile = load_profile(model)

    async def read_all(port: int) -> dict[str, float]:
        bus = open_bus(f"tcp://127.0.0.1:{port}", timeout_s=5.0)
        await bus.open()
        values: dict[str, float] = {}
        for planned in plan(profile.registers, profile.limits, 7):
            values |= compile_block(planned).decode((await bus.read(planned.request)).registers)[0]
        await bus.close()
        return values

    values = _served({7: _meter(profile)}, read_all, tmp_path / "served.log")
    uncounted = {one.quantity for one in profile.registers if one.quantity.startswith("export") and 0 in one.not_available}
    assert set(values) == {register.quantity for register in profile.registers} - uncounted
    assert values["active_power"] == pytest.approx(3_650, abs=0.1)  # a CT ratio of 2 is left to the plant
    assert values["import_energy"] == pytest.approx(12_345_678.9 / 2 + 3_650 * 123.456 / 3600, rel=2e-5)
    assert 225 < values["voltage_l1"] < 236
    books = served_values(tmp_path / "served.log", {"pump-1": profile})
    assert {quantity: list(books["pump-1", quantity]) for quantity in values} == {quantity: [value] for quantity, value in values.items()}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request(8, "input", 0, 2), "exception_11"),  # nobody has unit 8
        (Request(7, "input", 0, 62), "exception_3"),  # more than the model gives in one go
        (Request(7, "input", 0, 3), "exception_3"),  # odd count
        (Request(7, "input", 1, 2), "exception_2"),  # odd address
        (Request(7, "input", 0xF010, 2), "exception_2"),  # forbidden
        (Request(7, "holding", 0, 2), "exception_2"),  # nothing there
        (Request(7, "input", 5000, 2), "exception_2"),  # beyond the map
    ],
)
def test_what_a_model_does_not_allow_is_refused_as_the_model_does(request_: Request, reason: str) -> None:
    async def ask(port: int) -> str:
        bus = open_bus(f"tcp://127.0.0.1:{port}", timeout_s=5.0)
        await bus.open()
        try:
            answer = await bus.read(request_)
        except BusFault as fault:
            return fault.reason
        finally:
            await bus.close()
        return f"exception_{answer.registers}"

    assert _served({7: _meter(load_profile("eastron-sdm630"))}, ask) == reason


def test_an_identity_that_must_be_read_alone_is_only_given_alone() -> None:
    async def ask(port: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        bus = open_bus(f"tcp://127.0.0.1:{port}", timeout_s=5.0)
        await bus.open()
        alone = (await bus.read(Request(7, "input", 0x0B, 1))).registers
        among = (await bus.read(Request(7, "input", 0x0A, 2))).registers
        await bus.close()
        return alone, among

    alone, among = _served({7: _meter(load_profile("carlogavazzi-em340"))}, ask)
    assert alone == (341,)
    assert among[1] != 341


def test_writing_is_refused_and_never_noted(tmp_path: Path) -> None:
    frame = struct.pack(">HHHBBHH", 9, 0, 6, 7, 6, 0, 1)
    assert _exchange(frame, tmp_path) == [struct.pack(">HHHBBB", 9, 0, 3, 7, 0x86, 1)]
    assert list(served(tmp_path / "served.log")) == []


def test_frames_may_arrive_byte_by_byte_or_several_at_once(tmp_path: Path) -> None:
    one = struct.pack(">HHHBBHH", 1, 0, 6, 7, 4, 0, 2)
    other = struct.pack(">HHHBBHH", 2, 0, 6, 7, 4, 52, 2)
    together = _exchange(one + other, tmp_path, replies=2)
    split = _exchange(one + other, tmp_path, replies=2, step=1)
    assert together == split
    assert [struct.unpack(">H", reply[:2])[0] for reply in together] == [1, 2]
    assert [entry.address for entry in served(tmp_path / "served.log")] == [0, 52, 0, 52]


def test_what_is_not_modbus_is_hung_up_on(tmp_path: Path) -> None:
    assert _exchange(b"GET / HTTP/1.1\r\n\r\n", tmp_path) == [b""]


def test_the_instant_of_the_registers_is_asked_at_each_request() -> None:
    instants = iter([T_MS, T_MS + 3_600_000])
    profile = load_profile("eastron-sdm630")
    energy = next(register for register in profile.registers if register.quantity == "import_energy")
    planned = plan([energy], profile.limits, 7)[0]

    async def read_twice(port: int) -> list[float]:
        bus = open_bus(f"tcp://127.0.0.1:{port}", timeout_s=5.0)
        await bus.open()
        values = [compile_block(planned).decode((await bus.read(planned.request)).registers)[0]["import_energy"] for _ in range(2)]
        await bus.close()
        return values

    first, second = _served({7: _meter(profile)}, read_twice, now_ms=lambda: next(instants))
    assert second - first == pytest.approx(3_650, abs=1)


def test_a_book_that_was_cut_off_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    _exchange(struct.pack(">HHHBBHH", 1, 0, 6, 7, 4, 0, 2), tmp_path)
    with (tmp_path / "served.log").open("a") as file:
        file.write("1795000000000 7 pump-1 inp")
    assert len(list(served(tmp_path / "served.log"))) == 1


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        async def listen() -> None:
            simulator = Simulator(lambda: T_MS, Journal(None))
            with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}: address already in use"):
                await simulator.listen(Gateway("test", "127.0.0.1", port, {}))

        asyncio.run(listen())


def test_a_written_plant_is_valid_and_served_by_one_command(tmp_path: Path) -> None:
    words = ["--write", str(tmp_path / "plant"), "--listen", "tcp://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0"]
    with _simulate(*words) as lines:
        assert [line.split(" meters")[0] for line in lines] == ["switchboard: 7", "utilities: 5"]
        checked = _driftwatt("check", str(tmp_path / "plant" / "edge.toml"), str(tmp_path / "plant" / "plant.toml"))
        assert checked.returncode == 0, checked.stdout + checked.stderr
        polled = _driftwatt("status", str(tmp_path / "plant" / "edge.toml"), "--json")
        assert polled.returncode in (0, 1)
    rows = (tmp_path / "plant" / "history.jsonl").read_text(encoding="ascii").splitlines()
    assert len(rows) == 12 * 96 * 46


def test_a_fleet_of_equal_meters_is_served_by_one_command() -> None:
    with _simulate("--meters", "3", "--listen", "tcp://127.0.0.1:0") as lines:
        assert lines[0].startswith("fleet: 3 meters on tcp://127.0.0.1:")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what to simulate"),
        (("nowhere",), "not the folder of a simulated plant"),
        (("--meters", "300"), "--meters is out of range"),
        (("--meters", "3", "--listen", "udp"), "--listen is not understood"),
        (("--meters", "3", "--profile", "eastron-sdm63"), "eastron-sdm630"),
    ],
)
def test_a_wrong_order_is_one_clear_line(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = _driftwatt("simulate", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def _exchange(sent: bytes, folder: Path, *, replies: int = 1, step: int | None = None) -> list[bytes]:
    async def talk(port: int) -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for at in range(0, len(sent), step or len(sent)):
            writer.write(sent[at : at + (step or len(sent))])
            await writer.drain()
        got = [await _frame(reader) for _ in range(replies)]
        writer.close()
        return got

    return _served({7: _meter(load_profile("eastron-sdm630"))}, talk, folder / "served.log")


async def _frame(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await asyncio.wait_for(reader.readexactly(6), 5)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    return head + await reader.readexactly(struct.unpack(">H", head[4:])[0])


@contextmanager
def _simulate(*words: str) -> Iterator[list[str]]:
    with subprocess.Popen([sys.executable, "-m", "driftwatt", "simulate", *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = []
            assert process.stdout is not None
            for line in process.stdout:
                if line == "ready\n":
                    break
                lines.append(line)
            yield lines
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()


def _driftwatt(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "driftwatt", *words], capture_output=True, text=True, timeout=60, check=False)
