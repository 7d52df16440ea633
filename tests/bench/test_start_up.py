"""How long one waits: for the planner, for the start of a large edge, for --help. CPU seconds, so that a busy machine is no excuse."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collector.pure.plan import plan
from config.loader import load_profile
from config.profiles import Limits
from tests.support.bare_loop import host
from tests.support.daemons import Daemon
from tests.support.fleets import bus, cpu_s, edge_toml, table

REGISTERS, PLAN_MS = 10_000, 50.0
METERS, START_S, HELP_S = 500, 2.0, 0.25


def test_ten_thousand_registers_are_planned_in_fifty_milliseconds() -> None:
    model = load_profile("eastron-sdm630").registers[0]
    registers = [model.model_copy(update={"address": 2 * at + at // 7 * 4}) for at in range(REGISTERS)]
    limits = Limits(max_registers=60, count_step=2, bridge=((0, 0xFFFF),))
    took_ms = []
    for _ in range(9):
        began = time.process_time()
        planned = plan(registers, limits, 1)
        took_ms.append(1000 * (time.process_time() - began))
    assert sum(len(each.registers) for each in planned) == REGISTERS
    table(
        f"The planner, {REGISTERS} registers with {REGISTERS // 7} holes",
        [
            ("requests", str(len(planned)), ""),
            ("CPU, best of 9", f"{min(took_ms):.0f} ms", f"<= {PLAN_MS:.0f} ms"),
        ],
    )
    assert min(took_ms) <= PLAN_MS


@pytest.mark.parametrize("profile", ["janitza-umg604"])
def test_an_edge_of_five_hundred_meters_polls_after_two_seconds(profile: str, tmp_path: Path) -> None:
    buses = (
        bus(
            f"bus-{at:03}",
            f"tcp://{host(at)}:9",
            [(f"meter-{at:03}", 1)],
            profile=profile,
            every="1s",
            only=["active_power", "import_energy"],
        )
        for at in range(METERS)
    )
    (tmp_path / "edge.toml").write_text(edge_toml(buses, broker="mqtt://127.0.0.1:9"), encoding="utf-8")
    figures = []
    for _ in range(2):
        began = time.monotonic()
        daemon = Daemon("collect", str(tmp_path / "edge.toml"))
        try:
            while not any(f"{METERS} meters" in line for line in daemon.errors):
                assert time.monotonic() - began < 60, daemon.errors
                os.sched_yield()
                daemon._readers[1].join(0.01)
            figures.append((cpu_s(daemon.process.pid), time.monotonic() - began))
        finally:
            daemon.process.kill()
            daemon.process.wait()
            for stream in (daemon.process.stdout, daemon.process.stderr):
                assert stream is not None
                daemon._readers[0].join(5)
                daemon._readers[1].join(5)
                stream.close()
    cpu, wall = min(figures)
    table(
        f"Start of an edge with {METERS} meters on as many buses, until it polls",
        [
            ("CPU, best of 2", f"{cpu:.2f} s", f"<= {START_S:.0f} s"),
            ("wall clock, machine as busy as it was", f"{wall:.2f} s", ""),
        ],
    )
    assert cpu <= START_S


def test_help_is_there_in_a_quarter_of_a_second() -> None:
    spent = []
    for _ in range(5):
        before = os.times()
        done = subprocess.run([sys.executable, "-m", "driftwatt", "--help"], capture_output=True, text=True, check=True)
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert "collect" in done.stdout
    table("driftwatt --help", [("CPU, best of 5", f"{min(spent):.2f} s", f"<= {HELP_S} s")])
    assert min(spent) <= HELP_S
