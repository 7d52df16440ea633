"""500 meters over TCP, 20 values each, every second: what a poll costs with validator and durable outbox on.

Measured against a bare loop (tests/support/bare_loop.py) that reads the same registers of the same meters in the same run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from collector.pure.plan import plan
from config.loader import load_profile
from driftwatt.readings import Reading
from tests.support.bare_loop import host
from tests.support.daemons import free_port, running
from tests.support.fleets import Acknowledger, bus, cpu_s, edge_toml, rss_mb, table
from tests.support.servers import mosquitto

METERS = 500
MODEL = "janitza-umg604"
PROFILE = load_profile(MODEL)
WANTED = [register for register in PROFILE.registers if register.class_ == "fast"][:20]
WARM_S, WINDOW_S = 8, 15
LATE_MS = 100
ON_TIME, COST, RSS_MB = 0.999, 1.3, 60.0
COST_GOAL, RSS_GOAL_MB = 1.0, 50.0
"""What is wanted; what is asserted above is what holds today, with a margin for a busy machine."""
TRIES = 2
"""A machine that does something else for a second makes polls late; that is measured once more."""

_PAUSE = threading.Event()


@dataclass(frozen=True, slots=True)
class Figures:
    """On-time share of the asked polls, share of them that were done, CPU µs a poll done, resident MB."""

    on_time: float
    done: float
    cost_us: float
    rss_mb: float = 0.0


@contextmanager
def _meters() -> Iterator[int]:
    port = free_port()
    with running("simulate", "--meters", "1", "--profile", MODEL, "--listen", f"tcp://0.0.0.0:{port}") as simulator:
        while simulator.line() != "ready":
            pass
        yield port


def _collector(folder: Path, broker: str, port: int) -> Figures:
    names = [register.quantity for register in WANTED]
    buses = (
        bus(f"bus-{at:03}", f"tcp://{host(at)}:{port}", [(f"meter-{at:03}", 1)], profile=MODEL, every="1s", only=names)
        for at in range(METERS)
    )
    (folder / "edge.toml").write_text(edge_toml(buses, broker=broker), encoding="utf-8")
    plant = Acknowledger(broker)
    with running("collect", str(folder / "edge.toml")) as collector:
        _PAUSE.wait(WARM_S)
        pid = collector.process.pid
        before = cpu_s(pid)
        _PAUSE.wait(WINDOW_S)
        spent, memory = cpu_s(pid) - before, rss_mb(pid)
        assert collector.end() == 0, collector.errors
    readings = plant.readings()
    plant.close()
    assert all(len(reading.values) == len(WANTED) for reading in readings)
    end_ms = max(reading.t_ms for reading in readings) - 1000
    window = [reading for reading in readings if end_ms - WINDOW_S * 1000 <= reading.t_ms < end_ms]
    done = len(window) / (METERS * WINDOW_S)
    return Figures(_on_time(window), done, spent / len(window) * 1e6, memory)


def _on_time(window: list[Reading]) -> float:
    """Return the share of asked polls that began within LATE_MS of their instant."""
    instants: dict[str, list[int]] = {}
    for reading in window:
        instants.setdefault(reading.meter, []).append(reading.t_ms)
    return sum(map(_in_time, instants.values())) / (METERS * WINDOW_S)


def _in_time(instants: list[int]) -> int:
    offsets = [(t_ms - instants[0] + 500) % 1000 for t_ms in instants]
    return sum(offset - min(offsets) <= LATE_MS for offset in offsets)


def _bare(broker: str, port: int) -> Figures:
    blocks = [(each.request.kind, each.request.address, each.request.count) for each in plan(WANTED, PROFILE.limits, 1)]
    words = [sys.executable, "-m", "tests.support.bare_loop", broker, str(port), str(METERS), str(WARM_S), json.dumps(blocks)]
    with subprocess.Popen(words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        try:
            _PAUSE.wait(WARM_S + WINDOW_S + 1)
            process.terminate()
            told = json.loads(process.communicate(timeout=15)[0])
        finally:
            process.kill()
    asked = told["done"] + told.get("failed", 0)
    return Figures(1 - told.get("late", 0) / asked, told["done"] / (METERS * WINDOW_S), told["cpu_s"] / told["done"] * 1e6)


def test_five_hundred_tcp_meters_cost_less_than_a_bare_loop(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, _meters() as port:
        for number in range(TRIES):
            (folder := tmp_path / str(number)).mkdir()
            bare, ours = _bare(broker, port), _collector(folder, broker, port)
            if ours.on_time >= ON_TIME:
                break
    ratio = ours.cost_us / bare.cost_us
    table(
        f"{METERS} TCP meters, {len(WANTED)} values each second, validator and durable outbox on; beside it the bare loop",
        [
            ("asked polls begun within 100 ms", f"{ours.on_time:.2%}", f">= {ON_TIME:.1%}"),
            ("  of the bare loop", f"{bare.on_time:.2%}", ""),
            ("asked polls done", f"{ours.done:.2%}", ""),
            ("  of the bare loop", f"{bare.done:.2%}", ""),
            ("CPU a poll", f"{ours.cost_us:.0f} µs", ""),
            ("  of the bare loop", f"{bare.cost_us:.0f} µs", ""),
            ("ratio", f"{ratio:.2f}", f"<= {COST:.1f}, goal {COST_GOAL:.1f}"),
            ("resident", f"{ours.rss_mb:.0f} MB", f"<= {RSS_MB:.0f} MB, goal {RSS_GOAL_MB:.0f} MB"),
        ],
    )
    # Where even the bare loop is late, the machine is busy with something else; then not more of ours may be late.
    assert ours.on_time >= min(ON_TIME, bare.on_time - 0.05)
    assert ratio <= COST
    assert ours.rss_mb <= RSS_MB
