"""Twenty SDM630 on a line of 9600 baud, 30 values each: the cycle against the limit that the wire sets, with and without dead units."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from collector.pure.plan import plan
from collector.simulator.journal import Entry, served
from config.loader import load_profile
from driftwatt.clock import SystemClock
from tests.support.daemons import running
from tests.support.fleets import Acknowledger, bus, edge_toml, table
from tests.support.servers import mosquitto

METERS, BAUD, TURNAROUND_S = 20, 9600, 0.02
EVERY_S = 10
MODEL = "eastron-sdm630"
PROFILE = load_profile(MODEL)
WANTED = sorted(PROFILE.registers, key=lambda register: register.address)[:30]
PLANNED = [each.request for each in plan(WANTED, PROFILE.limits, 1)]
DEAD = (3, 8, 14)
ALIVE_AGAIN_S, END_S = 95, 160
IDLE_S = 2.5
"""Longer than a dead unit keeps the line waiting, shorter than the line is idle between two cycles."""
CHARACTER_S = 10 / BAUD

CYCLE_S, OVER_LIMIT, OVER_DEAD, BACK_S = 8.0, 1.05, 1.05, 60.0
"""A busy machine adds milliseconds to each request, so the limit of the wire is compared with the best cycle."""

_PAUSE = threading.Event()


def _limit_s(counts: list[int]) -> float:
    """Return what the wire takes for reads of so many registers."""
    return sum((13 + 2 * count + 7) * CHARACTER_S + TURNAROUND_S + PROFILE.limits.gap for count in counts)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle: its begin in seconds after the start, the seconds it kept the bus busy, who answered all requests."""

    at_s: float
    busy_s: float
    units: frozenset[int]


def _cycles(entries: list[Entry], began_ms: int) -> list[Cycle]:
    """Cut the journal where the line was idle until the next instant. The last request takes its limit more."""
    groups: list[list[Entry]] = []
    for entry in entries:
        if not groups or entry.t_ms - groups[-1][-1].t_ms > 1000 * IDLE_S:
            groups.append([])
        groups[-1].append(entry)
    return [
        Cycle(
            (group[0].t_ms - began_ms) / 1000,
            (group[-1].t_ms - group[0].t_ms) / 1000 + _limit_s([len(group[-1].registers)]),
            frozenset(
                unit for unit, times in Counter(each.unit for each in group if each.kind == "input").items() if times >= len(PLANNED)
            ),
        )
        for group in groups
    ]


def test_a_serial_line_is_used_to_its_limit_and_dead_units_cost_the_others_nothing(tmp_path: Path) -> None:
    line, log = tmp_path / "line", tmp_path / "served.log"
    listen = f"pty:{line}?baud={BAUD}&turnaround={TURNAROUND_S}"
    dead = f"dead={','.join(map(str, DEAD))}@0-{ALIVE_AGAIN_S}"
    with (
        mosquitto(tmp_path) as broker,
        running("simulate", "--meters", str(METERS), "--profile", MODEL, "--listen", listen, "--log", str(log), "--fault", dead) as meters,
    ):
        while meters.line() != "ready":
            pass
        began_ms = SystemClock().now_ms()
        plant = Acknowledger(broker)
        units = [(f"meter-{unit:03}", unit) for unit in range(1, METERS + 1)]
        names = [register.quantity for register in WANTED]
        table_of_bus = bus("line", f"rtu://{line}?baud={BAUD}&format=8N1", units, profile=MODEL, every=f"{EVERY_S}s", only=names)
        (tmp_path / "edge.toml").write_text(edge_toml([table_of_bus], broker=broker), encoding="utf-8")
        with running("collect", str(tmp_path / "edge.toml")) as collector:
            until_s = time.monotonic() + END_S
            while time.monotonic() < until_s and collector.process.poll() is None:
                _PAUSE.wait(0.5)
            assert collector.end() == 0, collector.errors
        plant.close()
        meters.end()
    _judge(list(served(log)), began_ms, len({reading.meter for reading in plant.readings()}))


def _judge(entries: list[Entry], began_ms: int, read: int) -> None:
    cycles = _cycles(entries, began_ms)
    everyone = frozenset(range(1, METERS + 1))
    whole = [cycle for cycle in cycles if cycle.units == everyone][:-1]
    lame = [cycle for cycle in cycles if 60 <= cycle.at_s < ALIVE_AGAIN_S - 8]
    limit_s = METERS * _limit_s([request.count for request in PLANNED])
    assert whole, [(cycle.at_s, len(cycle.units)) for cycle in cycles]
    assert lame
    every_s = sorted(cycle.busy_s for cycle in whole)
    busy_s, best_s = every_s[len(every_s) // 2], every_s[0]
    lame_s = sum(cycle.busy_s for cycle in lame) / len(lame)
    back_s = max(min(entry.t_ms for entry in entries if entry.unit == unit) - began_ms for unit in DEAD) / 1000 - ALIVE_AGAIN_S
    table(
        f"{METERS} {MODEL} at {BAUD} baud, {len(WANTED)} values each, {TURNAROUND_S * 1000:.0f} ms turnaround",
        [
            ("full cycle, median", f"{busy_s:.2f} s", f"<= {CYCLE_S:.0f} s"),
            ("full cycle, best", f"{best_s:.2f} s", ""),
            ("limit of the wire", f"{limit_s:.2f} s", ""),
            ("best cycle / limit", f"{best_s / limit_s:.3f}", f"<= {OVER_LIMIT}"),
            (
                f"cycle with {len(DEAD)} dead, mean after the first minute",
                f"{lame_s:.2f} s",
                f"<= {OVER_DEAD * busy_s:.2f} s",
            ),
            ("  of the full cycle", f"{lame_s / busy_s:.3f}", f"<= {OVER_DEAD}"),
            ("last dead unit read again after", f"{math.ceil(back_s)} s", f"<= {BACK_S:.0f} s"),
            ("meters that reached the plant", str(read), str(METERS)),
        ],
    )
    assert best_s >= limit_s, "faster than the wire: this measures something else"
    assert read == METERS
    assert busy_s <= CYCLE_S
    assert best_s <= OVER_LIMIT * limit_s
    assert lame_s <= OVER_DEAD * busy_s
    assert back_s <= BACK_S
