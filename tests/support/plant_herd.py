"""A small plant of real processes that can be killed, and the books that must balance afterwards.

The truth is the simulator's own log of every reply that it sent to its end. Every stored value must stand in
that log for the same meter, quantity and time; every reading that the collector committed must be stored.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from collector.simulator.journal import served, served_values
from collector.status import edge_ledger
from config.loader import load_edge, load_profile
from config.profiles import Profile
from driftwatt.errors import Unavailable
from driftwatt.herd import Child
from processors.adapters.sqlite import SqliteStore
from processors.status import plant_ledger

USER, PASSWORD = "herd", "not-a-secret-on-loopback"
QUANTITIES = ("active_power", "import_energy")
POLL_MS = 1500
"""A reading takes this long at most: its replies were served from its timestamp on."""


@dataclass(slots=True)
class Verdict:
    """What was counted after the plant had settled."""

    kills: dict[str, int]
    served: int
    committed: int
    stored: int
    lost: int
    foreign: int
    balanced: bool
    longest_gap_s: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """Return the figures in one line."""
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return (
            f"kills: {sum(self.kills.values())} ({kills}); served {self.served}, committed {self.committed}, "
            f"stored {self.stored}, lost {self.lost}, foreign {self.foreign}, books {'balanced' if self.balanced else 'NOT BALANCED'}"
        )


class PlantHerd:
    """Broker, simulated meters, processor and collector around one folder. `mosquitto` takes the place of our own broker."""

    def __init__(self, folder: Path, *, mosquitto: bool = False) -> None:
        self.folder = folder
        self.kills: dict[str, int] = {}
        self._ports = [free_port() for _ in range(4)]
        self._children: dict[str, Child | subprocess.Popen[bytes]] = {}
        self._mosquitto = mosquitto
        self._secret("broker.password", f"{USER}:{PASSWORD}\n")
        self._secret("mqtt.password", PASSWORD)

    def start(self) -> None:
        """Start everything and wait until readings are stored."""
        broker, first, second, web = self._ports
        self._start("broker")
        wiring = ("--broker", f"mqtt://127.0.0.1:{broker}", "--broker-user", USER, "--web", f"127.0.0.1:{web}")
        listen = ("--listen", f"tcp://127.0.0.1:{first}", "--listen", f"tcp://127.0.0.1:{second}")
        log = ("--log", str(self.folder / "served.log"))
        meters = Child("simulate", ["simulate", "--write", str(self.folder), *listen, *log, *wiring], self.folder)
        self._children["simulate"] = meters
        meters.line("ready", within_s=60)
        self._start("process")
        self._start("collect")
        self.wait("readings are stored", lambda: self.stored() > 0, within_s=60)

    def kill(self, name: str) -> None:
        """End one process with SIGKILL, as a power cut would, and start it again."""
        child = self._children[name]
        os.kill(child.pid, signal.SIGKILL)
        child.wait() if isinstance(child, subprocess.Popen) else child.stop()
        self.kills[name] = self.kills.get(name, 0) + 1
        self._start(name)

    def settle(self) -> Verdict:
        """Stop polling, wait until everything that was committed is stored, and count."""
        self._end("collect")
        self._start("collect", "--once")
        self.wait("the outbox is empty", self._drained, within_s=90)
        self.wait("the plant has counted it", lambda: self.stored() >= self._committed(), within_s=30)
        self._end("process")
        self._end("simulate")
        return self._verdict()

    def stop(self) -> None:
        """End what still runs."""
        for name in list(self._children):
            self._end(name)

    def stored(self) -> int:
        """Return how many readings the plant's books call stored; 0 while its state file is being made."""
        try:
            return sum(int(line["stored"]) for line in plant_ledger(self.folder / "plant.toml"))
        except Unavailable:
            return 0

    def ledger(self, file: str) -> list[dict[str, Any]]:
        """Return the lines of `driftwatt ledger FILE --json`."""
        words = [sys.executable, "-m", "driftwatt", "ledger", str(self.folder / file), "--json"]
        told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        return [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]

    def wait(self, what: str, done: Any, *, within_s: float) -> None:
        """Return when `done()` is true. Fails with `what` and every process's last words."""
        deadline = time.monotonic() + within_s
        while not done():
            if time.monotonic() > deadline:
                words = {path.stem: path.read_text(encoding="utf-8", errors="replace")[-600:] for path in self.folder.glob("*.log")}
                words.pop("served", None)
                raise AssertionError(f"not reached in {within_s} s: {what}; {json.dumps(words, indent=1)}")
            time.sleep(0.2)

    def _drained(self) -> bool:
        return not any(line["waiting"] for line in edge_ledger(self.folder / "edge.toml"))

    def _committed(self) -> int:
        return sum(int(line["committed"]) for line in edge_ledger(self.folder / "edge.toml"))

    def _start(self, name: str, *more: str) -> None:
        words = {
            "process": ["process", str(self.folder / "plant.toml")],
            "collect": ["collect", str(self.folder / "edge.toml")],
            "broker": ["broker", "--listen", f"127.0.0.1:{self._ports[0]}", "--password-file", str(self.folder / "broker.password")],
        }[name]
        if name == "broker" and self._mosquitto:
            self._children[name] = start_mosquitto(self.folder, self._ports[0])
        else:
            self._children[name] = Child(name, [*words, *more], self.folder)

    def _end(self, name: str) -> None:
        child = self._children.pop(name, None)
        if isinstance(child, subprocess.Popen):
            child.terminate()
            child.wait(10)
        elif child:
            child.stop(within_s=20)

    def _secret(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        (self.folder / name).chmod(0o600)

    def _verdict(self) -> Verdict:
        edge = load_edge(self.folder / "edge.toml")
        meters = [meter for bus in edge.bus for meter in bus.meter]
        profiles: dict[str, Profile] = {meter.id: load_profile(meter.profile) for meter in meters}
        truth = served_values(self.folder / "served.log", profiles)
        (path,) = self.folder.glob("data/plant-*/store.sqlite3")
        store = SqliteStore(path)
        foreign, rows, gaps = 0, 0, {}
        for meter in profiles:
            points = {quantity: store.readings(meter, quantity, 0, 2**53) for quantity in QUANTITIES}
            rows += len(points["import_energy"])
            stamps = [t_ms for t_ms, _, _ in points["import_energy"]]
            gaps[meter] = max((later - earlier for earlier, later in pairwise(stamps)), default=0) / 1000
            for quantity, series in points.items():
                for t_ms, value, _ in series:
                    when = truth.get((meter, quantity), {}).get(value, ())
                    foreign += not any(-50 <= at_ms - t_ms <= POLL_MS for at_ms in when)
        store.close()
        committed = self._committed()
        balanced = all(line["balanced"] for file in ("edge.toml", "plant.toml") for line in self.ledger(file) if "balanced" in line)
        polls = sum(1 for _ in served(self.folder / "served.log"))
        return Verdict(self.kills, polls, committed, rows, committed - rows, foreign, balanced, gaps)


def free_port() -> int:
    """Return a loopback port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def mosquitto_program() -> str | None:
    """Return where mosquitto is, None when it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def start_mosquitto(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start mosquitto without persistence on one loopback port and wait until it listens."""
    program = mosquitto_program()
    assert program, "mosquitto is not installed"
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n", encoding="utf-8")
    with (folder / "broker.log").open("ab") as out:
        process = subprocess.Popen([program, "-c", str(settings)], stdout=out, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.05)
    raise AssertionError("mosquitto does not listen")


@contextmanager
def herd(folder: Path, *, mosquitto: bool = False) -> Iterator[PlantHerd]:
    """Run a plant in `folder` and end all of it on leaving."""
    plant = PlantHerd(folder, mosquitto=mosquitto)
    try:
        plant.start()
        yield plant
    finally:
        plant.stop()
