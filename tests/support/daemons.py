"""Real daemons of a plant as child processes, for tests that talk to them over sockets."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

from driftwatt.adapters.mqtt import BrokerAddress, MqttLink

PLANT = """
[plant]
id = "bench"
name = "Bench"
timezone = "Asia/Ho_Chi_Minh"
data_dir = "data"
[broker]
url = "{broker}"
[store]
{store}
[web]
listen = "127.0.0.1:{web}"
[tariff]
use = "vn-2025-manufacturing-22-110kv"
schedule = "vn-963-2026"
[factors]
use = "vn-grid"
[calendar]
use = "two-shift"
[[meter]]
id = "m1"
edge = "hall-a"
name = "Compressor"
[[meter]]
id = "m2"
name = "Chiller"
"""


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def write_plant(folder: Path, broker: str, *, store: str = 'kind = "sqlite"', web: int | None = None) -> Path:
    """Write a plant file with meters m1 (of hall-a) and m2 and return where it is."""
    file = folder / "plant.toml"
    file.write_text(PLANT.format(broker=broker, store=store, web=web or free_port()), encoding="utf-8")
    return file


class Daemon:
    """A command of this program; `line` waits for what it prints."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "driftwatt", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lines: SimpleQueue[str] = SimpleQueue()
        self.errors: list[str] = []
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read_out, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self.process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def line(self, within_s: float = 30) -> str:
        """Return the next line of its output."""
        try:
            return self._lines.get(timeout=within_s)
        except Empty:
            raise AssertionError(f"nothing printed; errors: {self.errors}") from None

    def end(self, within_s: float = 15) -> int:
        """Ask it to end and return its exit code."""
        self.process.terminate()
        code = self.process.wait(within_s)
        for reader in self._readers:
            reader.join(5)
        return code

    def _read_out(self, stream: Iterator[str]) -> None:
        for line in stream:
            self._lines.put(line.strip())

    def _read_errors(self, stream: Iterator[str]) -> None:
        self.errors.extend(stream)


@contextmanager
def running(*words: str) -> Iterator[Daemon]:
    """Run a command until the block ends; it is killed if it did not end by then."""
    daemon = Daemon(*words)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
        daemon.process.wait()
        for stream in (daemon.process.stdout, daemon.process.stderr):
            assert stream is not None
            stream.close()


class Peer:
    """An edge played by the test: publishes, and hears what the plant says."""

    def __init__(self, broker: str, *subscriptions: str) -> None:
        self._heard: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        connected = threading.Event()
        self._link = MqttLink(
            BrokerAddress.parse(broker),
            client_id="test-edge",
            subscriptions=tuple((name, 1) for name in subscriptions),
            on_message=lambda topic, payload: self._heard.put((topic, payload)),
            on_change=lambda up: connected.set() if up else None,
        )
        self._link.start()
        assert connected.wait(15)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send with QoS 1."""
        assert self._link.publish(topic, payload, retain=retain)

    def heard(self, within_s: float = 20) -> tuple[str, bytes]:
        """Return the next message."""
        try:
            return self._heard.get(timeout=within_s)
        except Empty:
            raise AssertionError("the plant said nothing") from None

    def close(self) -> None:
        """Disconnect."""
        self._link.stop()
