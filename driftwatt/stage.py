"""The demo on its way: broker, simulated meters, processor and collector as child processes around one folder."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from driftwatt.clock import SharedInstant, SystemClock
from driftwatt.errors import ConfigError, Unavailable
from driftwatt.herd import Child
from driftwatt.hosts import DEMO_PORT
from driftwatt.takings import Summary, books, is_priced

USER = "demo"
STRIDE_S = 450
READY_S = 60.0
LOOK_EVERY_S = 0.5
PROGRESS_EVERY_S = 5.0


class Stage:
    """Everything that a demo needs, put up on entering and cleared away on leaving."""

    def __init__(self, *, port: int | None, seed: int, keep: str | None, as_json: bool) -> None:
        self._clock = SystemClock()
        self._began_s = self._clock.monotonic_s()
        self._wished = port
        self._port = chosen_port(port)
        self._seed = seed
        self._keep = keep
        self._as_json = as_json
        self._told = False
        self._children: dict[str, Child] = {}
        self._figures: dict[str, float] = {}
        self._alerts: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._folder = own_folder(self._keep)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for child in reversed(self._children.values()):
            child.stop()
        if self._keep is None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def play(self, duration_s: float | None) -> int:
        """Run until told, or for `duration_s` from the page being up. Returns the exit code, after a summary."""
        self._say("starting a small factory: broker, 12 simulated meters, processor, collector")
        if self._wished is None and self._port != DEMO_PORT:
            self._say(f"port {DEMO_PORT} is taken; the page will be on {self._port}")
        self._start()
        self._wait_for_page()
        page_s = self._clock.monotonic_s()
        self._figures["page_s"] = page_s - self._began_s
        self._say(f"the page is up after {page_s - self._began_s:.1f} s:  http://127.0.0.1:{self._port}")
        self._say(
            "eight weeks of history are read in and ten days run fast-forward; then it is live at 1 s"
            + ("" if duration_s else "; ctrl-C ends it")
        )
        whole = self._watch(page_s, duration_s)
        return self._finish(ended_early=duration_s is not None and not whole)

    def _start(self) -> None:
        now_ms = self._clock.now_ms()
        self._secret("broker.password", f"{USER}:{(password := secrets.token_urlsafe(24))}\n")
        self._secret("mqtt.password", password)
        broker = self._child("broker", "broker", "--listen", "127.0.0.1:0", "--password-file", str(self._folder / "broker.password"))
        address = broker.line("broker listening on ", within_s=READY_S).rsplit(" ", 1)[1]
        meters = self._child(
            "simulate", "simulate", "--write", str(self._folder), "--now", str(now_ms), "--seed", str(self._seed),
            "--listen", "tcp://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0", "--instant", str(self._folder / "instant"),
            "--log", str(self._folder / "served.log"), "--broker", address, "--broker-user", USER, "--web", f"127.0.0.1:{self._port}",
        )  # fmt: skip
        meters.line("ready", within_s=READY_S)
        times = json.loads((self._folder / "simulation.json").read_text(encoding="utf-8"))
        self._from_ms, self._now_ms = int(times["stride_ms"]), now_ms
        plant, edge, history = (str(self._folder / name) for name in ("plant.toml", "edge.toml", "history.jsonl"))
        self._child("process", "process", plant, "--history", history)
        self._child(
            "collect",
            "collect",
            edge,
            "--stride-from",
            str(self._from_ms),
            "--stride",
            str(STRIDE_S),
            "--stride-file",
            str(self._folder / "instant"),
        )

    def _child(self, name: str, *words: str) -> Child:
        self._children[name] = Child(name, list(words), self._folder)
        return self._children[name]

    def _secret(self, name: str, text: str) -> None:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")

    def _wait_for_page(self) -> None:
        deadline_s = self._clock.monotonic_s() + READY_S
        while self._get("/healthz") is None:
            self._all_alive()
            time.sleep(0.1)
            if self._told:  # an interrupt that came in the middle of an import may be swallowed there
                raise KeyboardInterrupt
            if self._clock.monotonic_s() > deadline_s:
                raise Unavailable(f"the page did not come up: {self._children['process'].last_words()}")

    def _watch(self, page_s: float, duration_s: float | None) -> bool:
        """Tell what happens until somebody says stop (False) or the time is over (True)."""
        spoken_s = float("-inf")
        known: set[str] = set()
        while True:
            time.sleep(LOOK_EVERY_S)
            if self._told:
                return False
            now_s = self._clock.monotonic_s()
            self._all_alive()
            self._note_costs()
            if "caught_up_s" not in self._figures and now_s - spoken_s >= PROGRESS_EVERY_S:
                spoken_s = now_s
                self._tell_progress(now_s - page_s)
            self._tell_alerts(known, now_s - page_s)
            if duration_s is not None and now_s - page_s >= duration_s:
                return True

    def _tell_progress(self, since_page_s: float) -> None:
        at_ms = self._instant()
        if at_ms >= self._now_ms:
            self._figures["caught_up_s"] = since_page_s
            self._say(f"the ten days are caught up {since_page_s:.0f} s after the page: live from now on")
        else:
            share = (at_ms - self._from_ms) / (self._now_ms - self._from_ms)
            self._say(f"fast-forward: {10 * share:.1f} of 10 days")

    def _instant(self) -> int:
        path = self._folder / "instant"
        return SharedInstant(path).now_ms() if path.exists() and path.stat().st_size else self._from_ms

    def _tell_alerts(self, known: set[str], since_page_s: float) -> None:
        answer = self._get("/api/v1/alerts")
        self._alerts = answer if isinstance(answer, list) else (answer or {}).get("alerts", self._alerts)
        for alert in self._alerts:
            if alert["id"] not in known and is_priced(alert):
                known.add(alert["id"])
                self._figures.setdefault("first_alert_s", since_page_s)
                money = f"{alert['cost']:,.0f} {alert['currency']}"
                self._say(f"alert {since_page_s:.0f} s after the page: {alert['meter']}, {alert['pattern']}, {money} so far")

    def _note_costs(self) -> None:
        for name, child in self._children.items():
            self._figures[f"{name}_mb"] = max(self._figures.get(f"{name}_mb", 0.0), child.resident_mb())
            self._figures[f"{name}_cpu_s"] = child.cpu_s()

    def _all_alive(self) -> None:
        for child in self._children.values():
            if child.code is not None:
                how = f"was killed by signal {-child.code}" if child.code < 0 else f"ended with code {child.code}"
                raise Unavailable(f"{child.name} {how}; its last words: {child.last_words()}")

    def _finish(self, *, ended_early: bool) -> int:
        self._say("ending: the collector hands over what it holds, then the books are compared")
        self._children["collect"].stop(within_s=20.0)
        edge, plant = (books(self._folder / f"{name}.toml", self._command) for name in ("edge", "plant"))
        labels = json.loads((self._folder / "labels.json").read_text(encoding="utf-8"))
        summary = Summary(edge=edge, plant=plant, alerts=self._alerts, labels=labels, figures=self._figures)
        print(json.dumps(summary.as_object(), ensure_ascii=False) if self._as_json else summary.as_text(), flush=True)
        if ended_early and summary.whole:
            return 130
        return 0 if summary.good else 1

    def _command(self, *words: str) -> str:
        return Child("asked", list(words), self._folder).output(within_s=READY_S)

    def _get(self, path: str) -> Any:
        """Return what the page answers as JSON (or text), None when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                raw = answer.read()
        except (OSError, urllib.error.URLError):
            return None
        try:
            return json.loads(raw)
        except ValueError:
            return raw.decode(errors="replace")

    def _say(self, text: str) -> None:
        out = sys.stderr if self._as_json else sys.stdout
        print(f"{self._clock.monotonic_s() - self._began_s:6.1f} s  {text}", file=out, flush=True)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        again, self._told = self._told, True  # a plain flag: a lock taken here could be held by the very code that was interrupted
        if again or "page_s" not in self._figures:
            raise KeyboardInterrupt  # nothing to sum up yet, or asked twice


def chosen_port(wished: int | None) -> int:
    """Return a port for the page: the wished one, else 8080, else any free one. Raises ConfigError when the wished is taken."""
    for port in (DEMO_PORT, 0) if wished is None else (wished,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise ConfigError("the port of the page is in use", found=str(wished), allowed="another --port, or none for a free one")


def own_folder(keep: str | None) -> Path:
    """Return a new folder, readable by this user alone. Raises ConfigError when the wished one is not empty."""
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="driftwatt-demo-"))
    folder = Path(keep)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("--keep needs an empty folder", found=str(folder))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
