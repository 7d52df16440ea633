"""The whole chain of `./run load` as processes: mosquitto, InfluxDB, processor, feeder; and what was seen of them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.gauges import Told, oldest_s, percentile, told, waits_ms
from tests.chaos.herd import Herd
from tests.chaos.herd_files import PLANT

METERS = 400


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the daemons."""

    at_ms: int
    edge_mb: float
    plant_mb: float
    live_s: float | None


@dataclass(slots=True)
class Course:
    """How a run went: what the feeder told, and what was seen from outside."""

    told: list[Told] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    def waits(self, from_ms: int, to_ms: int) -> list[int]:
        """Return how long rows waited that were acknowledged in a stretch of time, ascending."""
        return waits_ms(self.told, from_ms, to_ms)


class Bench:
    """Broker, InfluxDB, processor and feeder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.herd = Herd(folder, store="influxdb", seed=1)
        self.course = Course()

    def start(self, rate: int) -> None:
        """Start everything and wait until rows are acknowledged."""
        herd = self.herd
        herd.servers()
        store = f'kind = "influxdb"\nurl = "http://127.0.0.1:{herd.influx_port}"\ndatabase = "chaos"'
        plant = PLANT.format(broker=herd.port("broker"), store=store, web=herd.port("web"))
        plant += "".join(f'[[meter]]\nid = "m{n}"\nname = "M{n}"\n' for n in range(METERS))
        (self.folder / "plant.toml").write_text(plant, encoding="utf-8")
        self.rate(rate)
        herd.begin("process")
        herd.wait("the page is up", lambda: self.live_s() is not None or "page:" in (self.folder / "process.log").read_text(), within_s=60)
        feeder = [sys.executable, "-m", "tests.chaos.feeder", str(self.folder), "--broker", f"mqtt://127.0.0.1:{herd.port('broker')}"]
        herd.spawn("feeder", [*feeder, "--meters", str(METERS)], out="feeder.log")
        herd.wait("rows are acknowledged", lambda: self.read() > 0, within_s=60)

    def rate(self, rate: int | str) -> None:
        """Tell the feeder how many readings a second."""
        (self.folder / "rate.new").write_text(str(rate))
        (self.folder / "rate.new").rename(self.folder / "rate")

    def watch(self, seconds: float, what: str) -> None:
        """Look twice a second for a while."""
        ends, told = time.monotonic() + seconds, 0.0
        while time.monotonic() < ends:
            self.look()
            if time.monotonic() - told > 30:
                told = time.monotonic()
                self.say(what)
            time.sleep(0.5)

    def look(self) -> None:
        """Look once."""
        at_ms = time.time_ns() // 1_000_000
        seen = Look(at_ms, self.herd.resident_mb("feeder"), self.herd.resident_mb("process"), self.live_s())
        self.course.looks.append(seen)
        with (self.folder / "looks.txt").open("a", encoding="ascii") as file:
            print(seen.at_ms, seen.edge_mb, seen.plant_mb, seen.live_s, file=file)

    def say(self, what: str) -> None:
        """Print one line of progress."""
        self.read()
        last = self.course.told[-1]
        worst = percentile(self.course.waits(last.at_ms - 10_000, last.at_ms + 1), 0.99)
        print(f"{what}: {last.committed} committed, {last.committed - last.acknowledged} waiting, p99 of 10 s {worst} ms", flush=True)

    def read(self) -> int:
        """Read what the feeder told so far; returns how many rows are acknowledged."""
        self.course.told = told(self.folder / "feeder.txt")
        return self.course.told[-1].acknowledged if self.course.told else 0

    def backlog(self) -> int:
        """Return how many rows wait."""
        self.read()
        return self.course.told[-1].committed - self.course.told[-1].acknowledged

    def live_s(self) -> float | None:
        """Return how old the value is that the page shows of the meter heard longest ago, None while the page does not answer."""
        return oldest_s(self.herd.port("web"))

    def cpu_s(self) -> dict[str, float]:
        """Return CPU seconds used by each process."""
        return {name: self.herd.cpu_s(name) for name in ("feeder", "broker", "process", "influx")}
