"""`driftwatt collect`, `status` and `ledger` as people run them: processes, files, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from collector.status import edge_status

COMMAND = [sys.executable, "-m", "driftwatt"]
EDGE = """
[edge]
id = "hall-a"
clock = "trust"
[broker]
url = "mqtt://127.0.0.1:1"
[outbox]
max_bytes = "8MB"
keep = "1m"
commit_every = "100ms"
[[bus]]
id = "line-1"
url = "{url}"
timeout = "500ms"
[[bus.meter]]
id = "compressor-1"
unit = 1
profile = "eastron-sdm630"
every = "200ms"
[[bus.meter]]
id = "gone"
unit = 99
profile = "eastron-sdm630"
every = "200ms"
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def process(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.fixture(scope="module")
def meters() -> Iterator[str]:
    with process("simulate", "--meters", "1", "--listen", "tcp://127.0.0.1:0") as simulator:
        assert simulator.stdout
        for line in simulator.stdout:
            if found := re.search(r"tcp://127\.0\.0\.1:\d+", line):
                break
        assert found
        for line in simulator.stdout:
            if line.strip() == "ready":
                break
        yield found[0]


def edge_file(folder: Path, url: str) -> Path:
    file = folder / "edge.toml"
    file.write_text(EDGE.format(url=url))
    return file


def status_when(file: Path, wanted: Any) -> dict[str, Any]:
    """Return the first status that is as wanted."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = edge_status(file)
        if status.get("buses") and wanted(status):
            return status
        time.sleep(0.05)
    raise AssertionError(status)


def test_an_edge_without_broker_keeps_every_reading_and_says_how_it_is(tmp_path: Path, meters: str) -> None:
    file = edge_file(tmp_path, meters)
    with process("collect", file) as daemon:
        status = status_when(file, lambda now: now["outbox"]["rows"] >= 5 and now["buses"][0]["meters"][1]["state"] == "silent")
        daemon.send_signal(signal.SIGTERM)
        began = time.monotonic()
        log, _ = daemon.communicate(timeout=20)
        assert time.monotonic() - began < 10
        assert daemon.returncode == 0
    assert status["role"] == "edge"
    assert status["running"] is True
    assert status["broker"]["connected"] is False
    good, gone = status["buses"][0]["meters"]
    assert (good["state"], good["failures"]) == ("ok", 0)
    assert gone["last_ok_ms"] is None
    assert {alarm["code"] for alarm in status["alarms"]} == {"broker_down", "meter_silent"}
    complaints = [line for line in log.splitlines() if "gone (unit 99)" in line]
    assert len(complaints) == 1
    assert re.search(r"bus line-1: gone \(unit 99\), input registers 0x\w{4} to 0x\w{4}: (timeout|exception_1[01])", complaints[0])
    assert "Traceback" not in log

    people = run("status", file).stdout
    assert people.startswith("NOT RUNNING")
    assert re.search(r"compressor-1  .* last_ok \d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d  age_s", people)
    told = json.loads(run("status", file, "--json").stdout)
    assert told["buses"][0]["meters"][0]["id"] == "compressor-1"
    books = run("ledger", file, "--json")
    assert books.returncode == 0
    *lines, last = map(json.loads, books.stdout.splitlines())
    by_meter = {line["meter"]: line for line in lines}
    assert last["balanced"] is True
    assert by_meter["compressor-1"]["committed"] == by_meter["compressor-1"]["waiting"] >= 5
    assert by_meter["gone"]["committed"] == 0
    assert sum(by_meter["gone"]["failed"].values()) == by_meter["gone"]["polled"] >= 3


def test_once_tells_what_answered_and_fails_when_nobody_took_it(tmp_path: Path, meters: str) -> None:
    done = run("collect", edge_file(tmp_path, meters), "--once")
    assert done.returncode == 1
    assert "1 of 2 meters answered; the plant has not acknowledged every row yet" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_second_daemon_for_one_edge_is_refused(tmp_path: Path, meters: str) -> None:
    file = edge_file(tmp_path, meters)
    with process("collect", file):
        status_when(file, lambda _: True)
        second = run("collect", file)
    assert second.returncode == 2
    assert len(second.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("rtu:///dev/ttyNONE?baud=9600&format=8N1", "bus line-1: /dev/ttyNONE: there is no such port"),
        ("rtu:///dev/null?baud=9600&format=8N1", "bus line-1: /dev/null: is no serial port"),
        ("tcp://127.0.0.1:1", "bus line-1: cannot connect to tcp://127.0.0.1:1"),
    ],
)
def test_a_bus_that_cannot_be_opened_is_one_clear_line(tmp_path: Path, url: str, says: str) -> None:
    done = run("collect", edge_file(tmp_path, url), "--once")
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
    assert f"driftwatt: {says}" in done.stderr


def test_status_of_an_edge_that_never_ran_says_so(tmp_path: Path) -> None:
    done = run("status", edge_file(tmp_path, "tcp://127.0.0.1:1"))
    assert done.returncode == 1
    assert "never ran" in done.stdout
    assert run("ledger", edge_file(tmp_path, "tcp://127.0.0.1:1")).returncode == 1


@pytest.mark.parametrize(
    ("text", "says"), [("[other]\n", "neither an edge nor a plant"), ("[edge\n", "not TOML"), (None, "cannot be read")]
)
def test_a_file_that_is_neither_edge_nor_plant_is_refused(tmp_path: Path, text: str | None, says: str) -> None:
    file = tmp_path / "x.toml"
    if text is not None:
        file.write_text(text)
    done = run("status", file)
    assert done.returncode == 2
    assert says in done.stderr


def test_the_collector_never_imports_what_belongs_to_the_plant() -> None:
    code = "import sys, collector.app, collector.status_cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "influxdb_client", "starlette", "uvicorn", "jinja2", "apscheduler", "processors"} & set(loaded)


def test_a_day_that_is_none_is_refused(tmp_path: Path) -> None:
    done = run("ledger", edge_file(tmp_path, "tcp://127.0.0.1:1"), "--day", "yesterday")
    assert done.returncode == 2
    assert "argument --day: is not a day (found 'yesterday'; allowed: 2026-10-05)" in done.stderr


def test_a_terminal_that_knows_ascii_only_gets_escapes_and_no_traceback(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('[edge]\nid = "Xưởng A"\n', encoding="utf-8")
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*COMMAND, "check", str(file)], env=ascii_only, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "X\\u01b0\\u1edfng A" in done.stderr
    profile = subprocess.run([*COMMAND, "profiles"], env=ascii_only, capture_output=True, text=True, timeout=60, check=False)
    assert (profile.returncode, profile.stderr) == (0, "")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = run("simulate", "--write", tmp_path / "file" / "plant")
    assert done.returncode == 1
    assert done.stderr.startswith(f"driftwatt: {tmp_path / 'file' / 'plant'}")
    assert done.stderr.endswith(": not a directory\n")
    assert done.stderr.count("\n") == 1
