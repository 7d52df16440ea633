"""The embedded broker with a real paho client, as a process and in this one."""

from __future__ import annotations

import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from driftwatt.adapters.broker import MAX_PACKET_BYTES, EmbeddedBroker, User
from driftwatt.adapters.mqtt import BrokerAddress, MqttLink, Will
from driftwatt.errors import ConfigError

_PATIENCE_S = 15.0


def _password_file(folder: Path, text: str = "hall-a:s3cret\n", mode: int = 0o600) -> Path:
    path = folder / "broker.password"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@contextmanager
def _broker(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "driftwatt", "broker", "--listen", "127.0.0.1:0", *arguments]
    log = Path(arguments[-1]).with_name("broker.log") if arguments else Path(os.devnull)
    with log.open("w") as said, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("broker listening on mqtt://127.0.0.1:"), log.read_text(encoding="utf-8")
            yield process, int(line.rsplit(":", 1)[1])
        finally:
            process.kill()


class _Client:
    """A link with its messages in a queue."""

    def __init__(
        self, port: int, name: str, *, password: str | None = "s3cret", topics: tuple[str, ...] = (), will: Will | None = None
    ) -> None:
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.up = threading.Event()
        self.link = MqttLink(
            BrokerAddress("127.0.0.1", port, username="hall-a", password=password),
            client_id=name,
            subscriptions=tuple((topic, 1) for topic in topics),
            on_message=lambda topic, payload: self.messages.put((topic, payload)),
            on_change=lambda up: self.up.set() if up else self.up.clear(),
            will=will,
        )
        self.link.start()

    def get(self) -> tuple[str, bytes]:
        return self.messages.get(timeout=_PATIENCE_S)


@contextmanager
def _clients(*makers: Callable[[], _Client]) -> Iterator[list[_Client]]:
    clients: list[_Client] = []
    try:
        for make in makers:
            clients.append(make())
            assert clients[-1].up.wait(_PATIENCE_S)
        yield clients
    finally:
        for client in clients:
            client.link.stop()


def test_a_message_goes_from_one_client_to_another(tmp_path: Path) -> None:
    with (
        _broker("--password-file", str(_password_file(tmp_path))) as (_, port),
        _clients(lambda: _Client(port, "plant", topics=("dw/1/+/d",)), lambda: _Client(port, "hall-a")) as (plant, edge),
    ):
        edge.link.publish("dw/1/hall-a/d", b"x" * 60_000)
        assert plant.get() == ("dw/1/hall-a/d", b"x" * 60_000)


def test_a_retained_message_waits_for_whoever_comes_later(tmp_path: Path) -> None:
    with _broker("--password-file", str(_password_file(tmp_path))) as (_, port), _clients(lambda: _Client(port, "hall-a")) as (edge,):
        edge.link.publish("dw/1/hall-a/hello", b"hello", retain=True)
        with _clients(lambda: _Client(port, "plant", topics=("dw/1/+/hello",))) as (plant,):
            assert plant.get() == ("dw/1/hall-a/hello", b"hello")


def test_the_will_of_a_client_that_vanishes_is_published(tmp_path: Path) -> None:
    with (
        _broker("--password-file", str(_password_file(tmp_path))) as (_, port),
        _clients(lambda: _Client(port, "plant", topics=("dw/1/+/state",))) as (plant,),
        socket.create_connection(("127.0.0.1", port)) as line,
    ):
        line.sendall(_connect("gone", will=("dw/1/gone/state", b"offline")))
        assert line.recv(4) == b"\x20\x02\x00\x00"
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()
        assert plant.get() == ("dw/1/gone/state", b"offline")


def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    with _broker("--password-file", str(_password_file(tmp_path))) as (_, port), socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(_connect("hall-a", password="guess"))
        assert line.recv(4)[3] != 0


def test_a_packet_above_the_cap_ends_its_connection_and_nobody_elses(tmp_path: Path) -> None:
    with (
        _broker("--password-file", str(_password_file(tmp_path))) as (_, port),
        _clients(lambda: _Client(port, "plant", topics=("dw/1/+/d",)), lambda: _Client(port, "hall-a")) as (plant, edge),
        socket.create_connection(("127.0.0.1", port)) as line,
    ):
        line.settimeout(_PATIENCE_S)
        line.sendall(_connect("big"))
        assert line.recv(4) == b"\x20\x02\x00\x00"
        line.sendall(b"\x30" + _varint(MAX_PACKET_BYTES * 4) + b"\x00\x01a" + b"x" * 1000)
        assert _is_closed(line)
        edge.link.publish("dw/1/hall-a/d", b"still here")
        assert plant.get()[1] == b"still here"


def test_a_reader_that_stops_reading_is_cut_off_and_the_others_go_on(tmp_path: Path) -> None:
    with (
        _broker("--password-file", str(_password_file(tmp_path))) as (process, port),
        _clients(lambda: _Client(port, "plant", topics=("dw/1/+/ack",)), lambda: _Client(port, "hall-a")) as (plant, edge),
        socket.create_connection(("127.0.0.1", port)) as line,
    ):
        line.settimeout(_PATIENCE_S)
        line.sendall(_connect("stuck") + b"\x82" + _varint(7 + len("dw/1/+/d") - 2) + b"\x00\x01" + _text("dw/1/+/d") + b"\x00")
        assert line.recv(4) == b"\x20\x02\x00\x00"
        deadline = time.monotonic() + 3 * _PATIENCE_S
        while "stopped reading and was cut off" not in (tmp_path / "broker.log").read_text(encoding="utf-8"):
            assert time.monotonic() < deadline
            edge.link.publish("dw/1/hall-a/d", b"x" * 60_000, qos=0)
            time.sleep(0.005)
        edge.link.publish("dw/1/hall-a/ack", b"still here")
        assert plant.get()[1] == b"still here"
        assert process.poll() is None


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "driftwatt", "broker", "--listen", f"127.0.0.1:{port}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"driftwatt: cannot listen on 127.0.0.1:{port}: address already in use"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_broker_ends_cleanly_with_clients_connected(tmp_path: Path, number: signal.Signals) -> None:
    with _broker("--password-file", str(_password_file(tmp_path))) as (process, port), _clients(lambda: _Client(port, "hall-a")):
        os.kill(process.pid, number)
        assert process.wait(_PATIENCE_S) == 0
        assert "Traceback" not in (tmp_path / "broker.log").read_text(encoding="utf-8")


def test_only_loopback_is_listened_on() -> None:
    with pytest.raises(ConfigError, match="loopback only"):
        EmbeddedBroker("0.0.0.0", 0, None)


@pytest.mark.parametrize("text", ["", "no-colon", ":x", "user:", "a:b\nc:d"])
def test_a_password_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="one line, user:password"):
        User.read(_password_file(tmp_path, text))


def test_a_password_file_open_to_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mode 0644"):
        User.read(_password_file(tmp_path, mode=0o644))


def test_a_password_is_never_printed(tmp_path: Path) -> None:
    assert "s3cret" not in repr(User.read(_password_file(tmp_path)))


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        out.append(number % 128 | (128 if number >= 128 else 0))
        number //= 128
        if not number:
            return bytes(out)


def _connect(name: str, *, password: str = "s3cret", will: tuple[str, bytes] | None = None) -> bytes:
    flags = 0xC2 | (0x0C if will else 0)
    body = _text("MQTT") + bytes([4, flags, 0, 60]) + _text(name)
    if will:
        body += _text(will[0]) + struct.pack(">H", len(will[1])) + will[1]
    body += _text("hall-a") + _text(password)
    return b"\x10" + _varint(len(body)) + body


def _is_closed(line: socket.socket) -> bool:
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True
