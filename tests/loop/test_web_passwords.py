"""`driftwatt hash-password` as people run it."""

from __future__ import annotations

import subprocess
import sys

from processors.web.sessions import verify_password


def run(password: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "driftwatt", "hash-password", "--stdin"]
    return subprocess.run(command, input=password + "\n", capture_output=True, text=True, timeout=30, check=False)


def test_the_printed_hash_belongs_to_the_password() -> None:
    done = run("một mật khẩu dài")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert verify_password("một mật khẩu dài", done.stdout)


def test_without_a_terminal_it_says_how_to_go_on() -> None:
    command = [sys.executable, "-m", "driftwatt", "hash-password"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--stdin" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_short_password_is_refused_in_one_line() -> None:
    done = run("kurz")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "at least 10" in done.stderr
    assert len(done.stderr.splitlines()) == 1
