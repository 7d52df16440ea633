"""Real servers for live tests: found on this machine, started on loopback with throw-away data."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.daemons import free_port

TRIES = 300

INFLUX = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
"""
MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
"""


def found(name: str, *places: str | Path | None) -> str:
    """Return where a server program is. Skips the test when it is nowhere, or fails it where live tests are required."""
    for place in (*places, shutil.which(name)):
        if place and Path(place).exists():
            return str(place)
    if os.environ.get("DRIFTWATT_REQUIRE_LIVE") == "1":
        pytest.fail(f"{name} is required here and was not found")
    pytest.skip(f"{name} is not installed on this machine")


class InfluxServer:
    """InfluxDB 1.8 on `port`; `start` and `kill` may be called again and again on the same data."""

    def __init__(self, folder: Path) -> None:
        self._program = found("influxd", os.environ.get("DRIFTWATT_INFLUXD"), Path.home() / "go/bin/influxd")
        self._folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "influxdb.conf").write_text(INFLUX.format(folder=folder, port=self.port), encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [self._program, "run", "-config", str(self._folder / "influxdb.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def create(self, database: str) -> None:
        """Create a database."""
        body = urllib.parse.urlencode({"q": f"CREATE DATABASE {database}"}).encode()
        urllib.request.urlopen(f"{self.url}/query", body).read()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait()


@contextmanager
def mosquitto(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run mosquitto until the block ends and give its url."""
    program = found("mosquitto", "/usr/sbin/mosquitto")
    port = port or free_port()
    (folder / "mosquitto.conf").write_text(MOSQUITTO.format(port=port), encoding="utf-8")
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_for(port: int) -> None:
    """Wait until something listens on a loopback port."""
    pause = threading.Event()
    for _ in range(TRIES):
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.1)
    raise AssertionError(f"nothing listens on {port}")
