"""What the outbox does to its folder beside the database: the lock and the ballast."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import IO

from driftwatt.errors import ConfigError

LOCK = "lock"
LOOKS, LOOK_S = 3, 0.05
"""Whoever only looks whether the folder is taken holds it for less than this."""


class Ballast:
    """A file that only takes room, to be given up when the disk is full: at zero bytes free not even a delete works."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self.size = size

    def fill(self) -> bool:
        """Take the room, if it is not taken and there is twice as much. Returns whether it is taken; a full disk is no error."""
        if self._path.exists() and self._path.stat().st_size >= self.size:
            return True
        free = os.statvfs(self._path.parent)
        if free.f_bavail * free.f_frsize < 2 * self.size:
            return False
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.size)
        except OSError:
            self.drop()
            return False
        return True

    def drop(self) -> bool:
        """Give the room up. Returns whether there was any."""
        had = self._path.exists() and self._path.stat().st_size > 0
        with contextlib.suppress(OSError):
            os.truncate(self._path, 0)
        return had


def lock(path: Path) -> IO[str]:
    """Take the folder for this process. Raises ConfigError when another one has it."""
    file = path.open("a")
    for patience in range(LOOKS, -1, -1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not patience:
                file.close()
                raise ConfigError("another collector is using this folder", file=str(path.parent)) from None
            time.sleep(LOOK_S)
        else:
            break
    return file


def is_locked(path: Path) -> bool:
    """Tell whether a process holds the folder. Looking takes the lock for an instant, which `lock` waits out."""
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
