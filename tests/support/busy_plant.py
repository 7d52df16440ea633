"""A busy plant for benches: 200 meters that are polled every ten seconds, their rows packed as a collector packs them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collector.pure.sending import Held, Pace, Parcel, Sending, pack, want
from config.loader import load_plant
from driftwatt.readings import Reading
from driftwatt.topics import topic
from driftwatt.wire import CounterFacts, Hello, HelloMeter, row_bytes, to_bytes
from processors.policies import alert_context, policies
from processors.ports import Message
from processors.pure import detector, engine
from processors.pure.energy_state import Energy
from processors.pure.judge import Judge
from processors.pure.outputs import IntervalEnergy
from processors.pure.parts import Parts
from processors.pure.policy import MeterPolicy
from tests.support.plant_bench import EPOCH

EDGE = "hall-a"
EVERY_MS, QUARTER_MS = 10_000, 900_000
COUNTERS = ("import_energy", "export_energy", "import_reactive_energy", "export_reactive_energy")
LEARNED_DAYS = 40
PLANT = """
[plant]
id = "busy"
name = "Busy"
timezone = "Asia/Ho_Chi_Minh"
[broker]
url = "embedded"
[store]
kind = "sqlite"
[web]
listen = "127.0.0.1:8080"
[tariff]
use = "vn-2025-manufacturing-22-110kv"
schedule = "vn-963-2026"
[factors]
use = "vn-grid"
[calendar]
use = "two-shift"
"""


def meter_names(count: int) -> list[str]:
    return [f"machine-{number:03d}" for number in range(count)]


def judge_with_learned_meters(folder: Path, names: Sequence[str], start_ms: int) -> Judge:
    """Return the judge of a real plant file whose detectors have learned for weeks: their state is as large as it gets."""
    file = folder / "plant.toml"
    file.write_text(PLANT + "".join(f'[[meter]]\nid = "{name}"\nname = "{name}"\nrated_kw = 60\n' for name in names))
    plant = load_plant(file)
    known = policies(plant, folder, now_ms=start_ms)
    judge = Judge(dict(known), alert_context(plant, known))
    learned = _learned(known[names[0]], start_ms)
    judge.restore({name: Parts().changed(engine.State(name, Energy(), learned)) for name in names}, {})
    return judge


def _learned(policy: MeterPolicy, until_ms: int) -> detector.DetectorState:
    state, dice = detector.begin(policy.settings), random.Random(1)
    for start_ms in range(until_ms - LEARNED_DAYS * 96 * QUARTER_MS, until_ms, QUARTER_MS):
        hour = start_ms // 3_600_000 % 24
        wh = (9000.0 if hour < 15 else 1200.0) * dice.uniform(0.95, 1.05)
        quarter = IntervalEnergy(policy.meter, "15m", start_ms, start_ms + QUARTER_MS, wh, 0.0, None, None, 4 * wh, None, None, 1.0, 0)
        state, _ = detector.on_interval(state, quarter, policy.settings)
    return state


@dataclass
class BusyEdge:
    """What one edge sends: rounds of readings of 20 values, in messages as the collector packs them; each call goes on.

    `commit_rows` rows are packed at a time, as the collector does with what one commit brought; 0 packs all at once,
    as it does with what waited during an outage.
    """

    names: Sequence[str]
    start_ms: int
    every_ms: int = EVERY_MS
    commit_rows: int = 0
    _dice: random.Random = field(default_factory=lambda: random.Random(7))
    _seq: int = 0
    _done: int = 0

    def hellos(self) -> list[Message]:
        facts = {name: CounterFacts(modulus_wh=99_999_999_990.0, resolution_wh=10.0) for name in COUNTERS}
        meters = tuple(HelloMeter(name, "bus-1", "sdm630", "0" * 8, self.every_ms, f"sn-{name}", facts) for name in self.names)
        parts = [meters[at : at + 50] for at in range(0, len(meters), 50)]
        told = [Hello(EDGE, "1", self.start_ms, "c", "ntp", (), part, at, len(parts)) for at, part in enumerate(parts, 1)]
        return [Message(topic(EDGE, "hello"), to_bytes(hello)) for hello in told]

    def rows(self, rounds: int) -> Iterator[Reading]:
        done, self._done = self._done, self._done + rounds
        for step in range(done, done + rounds):
            t_ms = self.start_ms + step * self.every_ms
            for number, name in enumerate(self.names):
                yield Reading(name, t_ms + number, self._values(step, number), {}, 350)

    def _values(self, step: int, number: int) -> dict[str, float]:
        dice, kw = self._dice.uniform, 20.0 + number % 17 + 5 * math.sin(step / 40)
        values = {f"voltage_l{phase}": round(dice(228.0, 233.0), 2) for phase in (1, 2, 3)}
        values |= {f"current_l{phase}": round(kw * 1.5 + dice(0.0, 1.0), 4) for phase in (1, 2, 3)}
        values |= {f"active_power_l{phase}": round(kw * 333.3 + dice(0.0, 9.0), 3) for phase in (1, 2, 3)}
        values |= {f"power_factor_l{phase}": round(dice(0.85, 0.99), 6) for phase in (1, 2, 3)}
        values |= {"active_power": round(kw * 1000, 2), "reactive_power": round(kw * 310, 2), "apparent_power": round(kw * 1050, 2)}
        values["frequency"] = round(dice(49.95, 50.05), 5)
        told = 1e8 + number * 1e5 + (20.0 + number % 17) * step * self.every_ms / 3600
        values |= {"import_energy": round(told, 1), "export_energy": 120.0}
        return values | {"import_reactive_energy": round(told / 3, 1), "export_reactive_energy": 40.0}

    def messages(self, rounds: int) -> list[Message]:
        bodies = [row_bytes(row) for row in self.rows(rounds)]
        step = self.commit_rows or len(bodies)
        return [message for at in range(0, len(bodies), step) for message in self._packed(bodies[at : at + step])]

    def _packed(self, bodies: list[bytes]) -> Iterator[Message]:
        sending, pace = Sending(), Pace(window_bytes=1 << 40, window_messages=1 << 30)
        parcels = [Parcel(self._seq + at, 1, body) for at, body in enumerate(bodies, 1)]
        self._seq += len(bodies)
        sending, fetch = want(sending, [Held(EPOCH, 1, self._seq, acked=parcels[0].seq - 1)], now_s=0.0, pace=pace)
        assert fetch is not None
        for payload in pack(sending, EDGE, fetch, parcels, now_s=0.0, pace=pace)[1]:
            yield Message(topic(EDGE, "d"), payload)
