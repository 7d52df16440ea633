"""Child processes end with their parent, and the demo says clearly what is wrong before it starts anything."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from driftwatt.errors import ConfigError, Unavailable
from driftwatt.herd import Child
from driftwatt.stage import chosen_port, own_folder

_PATIENCE_S = 30.0


def _broker(folder: Path) -> Child:
    return Child("broker", ["broker", "--listen", "127.0.0.1:0"], folder)


def test_a_child_says_its_line_and_ends_when_told(tmp_path: Path) -> None:
    child = _broker(tmp_path)
    try:
        assert child.line("broker listening on ", within_s=_PATIENCE_S).startswith("broker listening on mqtt://127.0.0.1:")
        assert child.resident_mb() > 5
        assert child.cpu_s() > 0
    finally:
        assert child.stop() == 0
    assert child.code == 0


def test_a_child_that_fails_is_quoted(tmp_path: Path) -> None:
    child = Child("broker", ["broker", "--listen", "nowhere"], tmp_path)
    with pytest.raises(Unavailable, match="broker ended: driftwatt: --listen is not understood"):
        child.line("broker listening on ", within_s=_PATIENCE_S)


def test_what_a_short_command_prints_is_returned(tmp_path: Path) -> None:
    assert Child("version", ["--version"], tmp_path).output(within_s=_PATIENCE_S).startswith("driftwatt ")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from driftwatt.herd import Child\n"
        "child = Child('broker', ['broker', '--listen', '127.0.0.1:0'], Path(sys.argv[1]))\n"
        "child.line('broker listening', within_s=30); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE_S
    while _runs(child):
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)


def test_a_taken_port_is_avoided_unless_it_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="the port of the page is in use"):
            chosen_port(port)
    assert chosen_port(None) > 0
    assert chosen_port(port) == port


def test_a_folder_to_keep_must_be_empty(tmp_path: Path) -> None:
    assert own_folder(str(tmp_path / "new")).is_dir()
    (tmp_path / "new" / "file").touch()
    with pytest.raises(ConfigError, match="empty folder"):
        own_folder(str(tmp_path / "new"))


@pytest.mark.parametrize(
    ("words", "said"), [(("--for", "soon"), "--for is not understood"), (("--port", "99999"), "--port is out of range")]
)
def test_a_wrong_order_is_one_clear_line(words: tuple[str, ...], said: str) -> None:
    done = subprocess.run([sys.executable, "-m", "driftwatt", "demo", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_demo_that_is_interrupted_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "driftwatt", "demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}) as demo:
        assert demo.stdout is not None
        assert "starting a small factory" in demo.stdout.readline()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(_PATIENCE_S) == 130
    assert list(tmp_path.iterdir()) == []


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
