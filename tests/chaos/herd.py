"""Mosquitto, InfluxDB 1.8, processor, collector and stage as processes around one folder, each of which can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.chaos.coded import PROFILE, profile_toml
from tests.chaos.herd_files import BUS, BUS_METER, EDGE, INFLUX, PLANT, PLANT_METER, die_with_parent, program
from tests.chaos.stage import GATEWAYS, METERS, TIMEOUT_S
from tests.chaos.unwell import Unwell
from tests.support.daemons import free_port

DATABASE = "chaos"


class Herd:
    """The processes by name. `store` is `influxdb` or `sqlite`."""

    def __init__(
        self, folder: Path, *, store: str, seed: int = 1, tail: str = "60s", influx: str = "", broker: str = "", max_bytes: str = "200MB",
        when_full: str = "thin", direct: bool = False, clock: str = "trust", unwell: Iterable[str] = (),
    ) -> None:  # fmt: skip
        self.folder, self.store, self.seed = folder, store, seed
        self.kills: Counter[str] = Counter()
        self.killed_at: list[tuple[str, int]] = []
        self.peak_mb: dict[str, float] = {}
        self._influx, self._broker, self._direct = influx, broker, direct
        self._edge = {"tail": tail, "max_bytes": max_bytes, "when_full": when_full, "clock": clock}
        self.unwell = {name: Unwell(folder, name) for name in unwell}
        self._ports = {name: free_port() for name in ("broker", "influx", "web")}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._mounts: list[Path] = []

    @property
    def victims(self) -> tuple[str, ...]:
        """Return who may be killed."""
        return ("collect", "process", "broker", "influx") if self.store == "influxdb" else ("collect", "process", "broker")

    @property
    def influx_port(self) -> int:
        """Return where InfluxDB itself listens."""
        return self._ports["influx"]

    def port(self, name: str) -> int:
        """Return the port of `broker`, `influx` or `web`."""
        return self._ports[name]

    def start(self) -> None:
        """Start everything and wait until readings are stored."""
        self.servers()
        stage = [sys.executable, "-m", "tests.chaos.stage", str(self.folder), "--broker", str(self._ports["broker"])]
        self.spawn("stage", [*stage, "--store", str(self.influx_port), "--seed", str(self.seed)], out="stage.out")
        self.wait("the stage stands", lambda: (self.folder / "stage.out").read_text().endswith("\n"), within_s=30)
        self._write_files(json.loads((self.folder / "stage.out").read_text()))
        for name in ("process", "collect"):
            self.begin(name)
        self.wait("readings are stored", lambda: self.stored() > METERS, within_s=60)

    def servers(self) -> None:
        """Start broker and database."""
        self.influx_settings(self._influx)
        self.broker_settings(self._broker)
        self.begin("broker")
        if self.store == "influxdb":
            self.begin("influx")
            self.wait("InfluxDB answers", lambda: self.influx(f"CREATE DATABASE {DATABASE}", post=True) is not None, within_s=30)

    def influx_settings(self, more: str) -> None:
        """Write the database's file; it counts from its next start."""
        (self.folder / "influx.conf").write_text(INFLUX.format(folder=self.folder, port=self.influx_port, more=more), encoding="utf-8")

    def broker_settings(self, more: str) -> None:
        """Write the broker's file; it counts from its next start."""
        lines = f"listener {self._ports['broker']} 127.0.0.1\nallow_anonymous true\npersistence false\n{more}\n"
        (self.folder / "mosquitto.conf").write_text(lines, encoding="utf-8")

    def _write_files(self, ports: dict[str, Any]) -> None:
        if self._direct:  # past the proxies, whose buffers would hold what a broker must drop
            ports |= {"edge": self._ports["broker"], "plant": self._ports["broker"], "store": self.influx_port}
        (self.folder / "profiles").mkdir()
        (self.folder / "profiles" / f"{PROFILE}.toml").write_text(profile_toml(), encoding="utf-8")
        edge = EDGE.format(broker=ports["edge"], **self._edge)
        for at, port in enumerate(ports["gateways"]):
            edge += BUS.format(n=at, port=port, timeout=round(TIMEOUT_S * 1000))
            edge += "".join(BUS_METER.format(n=n) for n in range(1 + at, METERS + 1, GATEWAYS))
        (self.folder / "edge.toml").write_text(edge, encoding="utf-8")
        store = 'kind = "sqlite"'
        if self.store == "influxdb":
            store = f'kind = "influxdb"\nurl = "http://127.0.0.1:{ports["store"]}"\ndatabase = "{DATABASE}"'
        plant = PLANT.format(broker=ports["plant"], store=store, web=self._ports["web"])
        (self.folder / "plant.toml").write_text(plant + "".join(PLANT_METER.format(n=n) for n in range(1, METERS + 1)), encoding="utf-8")

    @staticmethod
    def words(command: str, file: Path) -> list[str]:
        """Return how one of our own commands is started."""
        return [sys.executable, "-m", "driftwatt", command, str(file)]

    def begin(self, name: str, *more: str) -> None:
        """Start one of them."""
        words = {
            "process": self.words("process", self.folder / "plant.toml"),
            "collect": self.words("collect", self.folder / "edge.toml"),
            "broker": [program("mosquitto") or "mosquitto", "-c", str(self.folder / "mosquitto.conf")],
            "influx": [program("influxd") or "influxd", "run", "-config", str(self.folder / "influx.conf")],
        }[name]
        self.spawn(name, [*words, *more], out=f"{name}.log")

    def spawn(self, name: str, words: list[str], *, out: str) -> None:
        """Start a process that dies with this one."""
        with (self.folder / out).open("ab") as file:
            self._children[name] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL if name == "stage" else subprocess.STDOUT,
                env=self.unwell[name].environment() if name in self.unwell else None,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """End one by SIGKILL, as a power cut would, and start it again."""
        self.look()
        child = self._children[name]
        self.killed_at.append((name, time.time_ns() // 1_000_000))
        child.kill()
        child.wait()
        self.kills[name] += 1
        self.begin(name)

    def take_down(self, name: str) -> None:
        """End one by SIGKILL; it stays away until `begin`."""
        child = self._children.pop(name)
        child.kill()
        child.wait()

    def freeze(self, name: str) -> None:
        """Let one stand still."""
        self._children[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self._children[name].send_signal(signal.SIGCONT)

    def end(self, name: str, within_s: float = 20) -> int:
        """Ask one to end; return its exit code."""
        child = self._children.pop(name)
        child.terminate()
        return child.wait(within_s)

    def calm(self) -> None:
        """End all faults of the stage."""
        self._children["stage"].send_signal(signal.SIGUSR1)

    def running(self, name: str) -> bool:
        """Whether it runs."""
        return name in self._children and self._children[name].poll() is None

    def close(self) -> None:
        """Kill what is left."""
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            child.wait()
        for place in self._mounts:
            subprocess.run(["umount", "-l", str(place)], check=False)

    def mount(self, place: Path, size: str) -> None:
        """Put an empty disk of a size at a place until the end. Raises CalledProcessError where nobody may."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
        self._mounts.append(place)

    def look(self) -> None:
        """Remember the largest resident memory of the daemons."""
        for name in ("collect", "process"):
            self.peak_mb[name] = max(self.peak_mb.get(name, 0.0), self.resident_mb(name))

    def resident_mb(self, name: str) -> float:
        """Return resident memory in MB, 0 when it does not run."""
        try:
            lines = Path(f"/proc/{self._children[name].pid}/status").read_text(encoding="ascii").splitlines()
        except (OSError, KeyError):
            return 0.0
        return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS:")), 0.0)

    def cpu_s(self, name: str) -> float:
        """Return the CPU seconds it has used, 0 when it does not run."""
        try:
            fields = Path(f"/proc/{self._children[name].pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except (OSError, KeyError):
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stored(self) -> int:
        """Return how many readings the plant's books call stored."""
        return int(self.total("plant.toml").get("stored", 0))

    def taken(self) -> int:
        """Return how many readings the plant's books call stored or set aside."""
        return self.stored() + int(self.total("plant.toml").get("quarantined", 0))

    def status(self, file: str) -> dict[str, Any]:
        """Return what `driftwatt status FILE --json` says."""
        said: dict[str, Any] = json.loads(self.driftwatt("status", file, "--json").stdout)
        return said

    def alarms(self, file: str) -> set[str]:
        """Return the codes of the alarms that stand."""
        return {alarm["code"] for alarm in self.status(file).get("alarms", ())}

    def total(self, file: str) -> dict[str, Any]:
        """Return the last line of `driftwatt ledger FILE --json`, empty when there is none."""
        lines = self.ledger(file)
        return lines[-1]["total"] | {"balanced": lines[-1]["balanced"]} if lines and "total" in lines[-1] else {}

    def ledger(self, file: str) -> list[dict[str, Any]]:
        """Return the lines of `driftwatt ledger FILE --json`."""
        told = self.driftwatt("ledger", file, "--json", "--days", "5000")
        return [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]

    def driftwatt(self, command: str, file: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run a command about a file of this folder."""
        words = [sys.executable, "-m", "driftwatt", command, str(self.folder / file), *more]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)

    def influx(self, query: str, *, post: bool = False) -> dict[str, Any] | None:
        """Return what InfluxDB answers, None while it does not."""
        asked = urllib.parse.urlencode({"q": query, "db": DATABASE, "epoch": "ms"})
        url = f"http://127.0.0.1:{self.influx_port}/query"
        try:
            with urllib.request.urlopen(url if post else f"{url}?{asked}", asked.encode() if post else None, timeout=120) as answer:
                found: dict[str, Any] = json.loads(answer.read())
                return found
        except (urllib.error.URLError, OSError):
            return None

    def wait(self, what: str, done: Callable[[], bool], *, within_s: float) -> None:
        """Return when `done()` is true. Raises AssertionError with the last words of everybody."""
        deadline = time.monotonic() + within_s
        while not done():
            if time.monotonic() > deadline:
                words = {path.name: path.read_text(encoding="utf-8", errors="replace")[-800:] for path in self.folder.glob("*.log")}
                raise AssertionError(f"not reached in {within_s} s: {what}; {json.dumps(words, indent=1)}")
            time.sleep(0.2)
