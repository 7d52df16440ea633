"""Child processes that never outlive their parent, for commands that run other commands of this program."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from driftwatt.errors import Unavailable

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.05
KILL_AFTER_S = 10.0


class Child:
    """One running command, `driftwatt <words>`; what it prints goes to `<folder>/<name>.log`."""

    def __init__(self, name: str, words: list[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - this very program, with words of our own
                [sys.executable, "-m", "driftwatt", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # ctrl-C is for the parent alone, which ends its children in order
                preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509 - the parent has one thread
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    def line(self, start: str, *, within_s: float) -> str:
        """Return the first line it printed that begins with `start`. Raises Unavailable when none comes."""
        deadline = time.monotonic() + within_s
        while True:
            ended = self.code is not None
            for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
                if line.startswith(start) and line.endswith("\n"):
                    return line.rstrip("\n")
            if ended or time.monotonic() > deadline:
                raise Unavailable(f"{self.name} {'ended' if ended else 'is not ready'}: {self.last_words()}")
            time.sleep(_POLL_S)

    def output(self, *, within_s: float) -> str:
        """Wait until it ends by itself and return what it printed. Raises Unavailable when it does not end."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.stop()
            raise Unavailable(f"{self.name} did not end") from None
        return self.log.read_text(encoding="utf-8", errors="replace")

    def last_words(self) -> str:
        """Return the last line that it printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")

    def stop(self, *, within_s: float = KILL_AFTER_S) -> int:
        """Ask it to end, wait, and end it for good when it does not. Returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def resident_mb(self) -> float:
        """Return its resident memory in MB (10⁶ bytes), 0 where the system does not say or it has ended."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return 0.0
        kilobytes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")]
        return kilobytes[0] * 1024 / 1e6 if kilobytes else 0.0

    def cpu_s(self) -> float:
        """Return the processor seconds it has used, 0 where the system does not say or it has ended."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _dying_with(parent: int) -> Callable[[], None] | None:
    """Return what makes a child on Linux end when its parent is killed; elsewhere only an orderly end stops it."""
    if sys.platform != "linux":
        return None
    set_option = ctypes.CDLL(None, use_errno=True).prctl

    def prepare() -> None:
        set_option(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the wish was heard
            os._exit(1)

    return prepare
