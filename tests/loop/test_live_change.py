"""SIGHUP: an edge follows its file bus by bus while it polls, or stays as it was and says so."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from collector.adapters.findings import Findings
from collector.buses import Buses, Outlets
from collector.pure.changes import Setup
from collector.simulator.faults import Mischief, fault
from collector.simulator.journal import Journal, served_values
from collector.simulator.load import SLOT_MS, Curve
from collector.simulator.meter import Electric, SimulatedMeter
from collector.simulator.server import Gateway, Simulator
from collector.simulator.wire import listen
from collector.stamps import Stamps
from collector.status import edge_ledger, edge_status
from config.edge import EdgeFile
from config.loader import load_profile
from driftwatt.clock import SystemClock
from driftwatt.readings import Reading, Row
from tests.support.daemons import Daemon, running

HEAD = """
[edge]
id = "hall-a"
clock = "trust"
[broker]
url = "mqtt://127.0.0.1:1"
[outbox]
max_bytes = "8MB"
keep = "1m"
commit_every = "100ms"
"""
BUS = """
[[bus]]
id = "{name}"
url = "{url}"
[[bus.meter]]
id = "{meter}"
unit = 1
profile = "eastron-sdm630"
every = "{every}"
"""


@pytest.fixture(scope="module")
def gateways() -> Iterator[tuple[str, str]]:
    with ExitStack() as stack:
        yield tuple(_gateway(stack) for _ in range(2))  # type: ignore[misc]


def _gateway(stack: ExitStack) -> str:
    simulator = stack.enter_context(running("simulate", "--meters", "1", "--listen", "tcp://127.0.0.1:0"))
    url = ""
    while (line := simulator.line()) != "ready":
        found = re.search(r"tcp://127\.0\.0\.1:\d+", line)
        url = found[0] if found else url
    return url


def status_when(file: Path, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return the first status that is as wanted."""
    until_s = time.monotonic() + 30
    status: dict[str, Any] = {}
    while time.monotonic() < until_s:
        status = edge_status(file)
        if status.get("buses") and wanted(status):
            return status
        time.sleep(0.05)
    raise AssertionError(status)


def meters(status: dict[str, Any]) -> dict[str, str]:
    return {meter["id"]: meter["state"] for bus in status["buses"] for meter in bus["meters"]}


def alarms(status: dict[str, Any]) -> dict[str, str]:
    return {alarm["code"]: alarm["text"] for alarm in status["alarms"]}


def reread(daemon: Daemon, file: Path, text: str) -> None:
    file.write_text(text)
    daemon.process.send_signal(signal.SIGHUP)


def test_buses_come_go_and_change_while_the_others_are_not_touched(tmp_path: Path, gateways: tuple[str, str]) -> None:
    first, second = gateways
    file = tmp_path / "edge.toml"
    stays = BUS.format(name="stays", url=first, meter="m-stays", every="200ms")
    file.write_text(HEAD + stays + BUS.format(name="goes", url=second, meter="m-goes", every="200ms"))
    with running("collect", str(file)) as daemon:
        status_when(file, lambda now: set(meters(now).values()) == {"ok"} and len(meters(now)) == 2)

        reread(daemon, file, HEAD + stays + BUS.format(name="goes", url=second, meter="m-goes", every="fast"))
        wrong = alarms(status_when(file, lambda now: "config_invalid" in alarms(now)))["config_invalid"]
        assert "nothing was changed" in wrong
        assert "fast" in wrong
        assert "every" in wrong

        # The new bus takes over the gateway of the one that ends, and the box would like another name.
        fresh = HEAD.replace("hall-a", "hall-b") + BUS.format(name="comes", url=second, meter="m-comes", every="200ms") + stays
        reread(daemon, file, fresh)
        here = tmp_path / "edge.toml.was"
        here.write_text(HEAD + stays)  # status is read where the daemon's folder is: under its old name
        now = status_when(here, lambda now: meters(now) == {"m-comes": "ok", "m-stays": "ok"})
        assert alarms(now).keys() == {"broker_down", "restart_needed"}
        assert alarms(now)["restart_needed"].endswith("after a restart: edge.id")
        assert [bus["id"] for bus in now["buses"]] == ["comes", "stays"]
        assert daemon.end() == 0
    told = "".join(daemon.errors)
    assert "Traceback" not in told
    assert "ended: goes, begun: comes, waiting for a restart: edge.id" in told
    assert "bus stays" not in told
    books = {line["meter"]: line for line in edge_ledger(here)}
    assert all(books[meter]["committed"] > 0 for meter in ("m-stays", "m-goes", "m-comes"))
    assert all(not line["failed"] for line in books.values())


class _Rows:
    def __init__(self) -> None:
        self.rows: list[Row] = []

    async def accept(self, rows: Sequence[Row]) -> None:
        self.rows.extend(rows)


@pytest.mark.parametrize("scheme", ["tcp", "rtu-tcp", "pty"])
def test_a_storm_of_changes_never_files_one_meters_value_under_another(scheme: str, tmp_path: Path) -> None:
    """The units of two meters change places at every turn, while replies come late and twice."""
    profile, clock, units = load_profile("eastron-sdm630"), SystemClock(), (1, 2, 3)
    origin_ms = clock.now_ms() // SLOT_MS * SLOT_MS - SLOT_MS

    def meter(unit: int) -> SimulatedMeter:
        load = Curve(lambda _slot: 900.0 * unit, origin_ms=origin_ms, start_wh=1e6 * unit)
        return SimulatedMeter(f"meter-{unit}", profile, load, Electric(0.9, seed=unit))

    def setup(url: str, turn: int) -> Setup:
        one = [{"id": f"meter-{unit}", "unit": unit, "profile": "eastron-sdm630", "every": "200ms"} for unit in units]
        bus = {"id": "line", "url": url, "timeout": "150ms", "meter": one[turn % 3 :] + one[: turn % 3]}
        edge = EdgeFile.model_validate({"edge": {"id": "hall-a"}, "broker": {"url": "mqtt://127.0.0.1:1883"}, "bus": [bus]})
        return Setup(edge, {"eastron-sdm630": profile}, {"eastron-sdm630": "h"})

    sink, mischief, turns = _Rows(), Mischief([fault("late=0.15:8%"), fault("duplicate:10%")], seed=5), 0

    async def main() -> None:
        nonlocal turns
        simulator = Simulator(clock.now_ms, Journal(tmp_path / "served.log"), mischief)
        at = listen(f"pty:{tmp_path / 'line'}?baud=115200&turnaround=0.005" if scheme == "pty" else f"{scheme}://127.0.0.1:0")
        port = await simulator.listen(Gateway("line", at.host, at.port, {unit: meter(unit) for unit in units}, at.wire))
        url = at.url(port)
        out = Outlets(clock, Stamps(clock, lambda: True), sink, lambda _rows: None)
        buses = Buses(setup(url, 0), Findings(tmp_path), out)
        async with asyncio.TaskGroup() as group:
            buses.start(group)
            until_s = clock.monotonic_s() + 10
            while clock.monotonic_s() < until_s:
                turns += 1
                await asyncio.sleep((0.1, 1.5)[turns % 2])
                await buses.follow(setup(url, turns), group)
            await buses.stop()
        await simulator.stop()

    asyncio.run(main())
    book = served_values(tmp_path / "served.log", {f"meter-{unit}": profile for unit in units})
    readings = [row for row in sink.rows if isinstance(row, Reading)]
    for reading in readings:
        until_ms = reading.t_ms + reading.duration_ms + 25
        for quantity, value in reading.values.items():
            instants = book.get((reading.meter, quantity), {}).get(value, [])
            assert any(reading.t_ms - 25 <= t_ms <= until_ms for t_ms in instants), (reading.meter, quantity, value)
    assert turns >= 6
    assert len(readings) >= 6
    assert mischief.counts.total() >= 3
