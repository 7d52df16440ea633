"""A machine that is made unwell under one daemon: its time of day is wrong, its disk refuses (`unwell.c` does it)."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
from pathlib import Path

from tests.chaos.disk import compiler

SOURCE = Path(__file__).with_name("unwell.c")
_AHEAD, _UNSYNCED, _ERRORS, _STRUCK = struct.Struct("<q"), struct.Struct("<i"), struct.Struct("<3i"), struct.Struct("<4Q")
_SIZE = _AHEAD.size + _UNSYNCED.size + _ERRORS.size + _STRUCK.size


class Unwell:
    """What is wrong with the machine of daemon `name`, whose files lie below `folder`. Survives the daemon."""

    def __init__(self, folder: Path, name: str) -> None:
        self._library, self._memory = folder / "unwell.so", folder / f"{name}.unwell"
        self._files = folder / "data"
        if not self._library.exists():
            subprocess.run([compiler() or "cc", "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-ldl"], check=True)
        self._memory.write_bytes(bytes(_SIZE))
        with self._memory.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)

    def environment(self) -> dict[str, str]:
        """Return the environment in which the daemon has to be started."""
        mine = {"DRIFTWATT_UNWELL": str(self._memory), "DRIFTWATT_UNWELL_FOLDER": str(self._files)}
        return {**os.environ, "LD_PRELOAD": str(self._library), **mine}

    def clock(self, ahead_s: float, *, synced: bool = True) -> None:
        """Put the time of day so far ahead of the true one, and let the kernel say whether it is synchronised."""
        _AHEAD.pack_into(self._map, 0, round(ahead_s * 1e9))
        _UNSYNCED.pack_into(self._map, _AHEAD.size, not synced)

    def disk(self, *, syncs: int = 0, writes: int = 0, openings: int = 0) -> None:
        """Let syncs, writes and openings for writing fail with these error numbers; 0 lets them be."""
        _ERRORS.pack_into(self._map, _AHEAD.size + _UNSYNCED.size, syncs, writes, openings)

    def struck(self) -> dict[str, int]:
        """Return how often each thing happened so far."""
        found = _STRUCK.unpack_from(self._map, _SIZE - _STRUCK.size)
        return dict(zip(("wrong times told", "syncs failed", "writes failed", "openings failed"), found, strict=True))
