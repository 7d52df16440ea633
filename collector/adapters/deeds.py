"""What happened to an edge that somebody may ask about later: its audit log, append-only and bounded."""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from collector.pure.grouping import Grouping
from driftwatt.clock import Clock
from driftwatt.wire import EdgeDeed

log = logging.getLogger(__name__)

FILE = "audit.jsonl"
KEPT = 1000
"""Lines that stay when twice as many have gathered."""
TOLD = 10
"""Newest lines that the edge tells its plant of."""


def read_deeds(folder: Path) -> list[EdgeDeed]:
    """Return what is on record in a data folder, oldest first. A line that a power cut tore is left out."""
    try:
        return list(_deeds((folder / FILE).read_text(encoding="utf-8", errors="replace").splitlines()))
    except OSError:
        return []


class Deeds:
    """`audit.jsonl`, and the newest of it for the plant. What comes by the thousand is written once a minute."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._file, self._clock = folder / FILE, clock
        self._grouping = Grouping()
        known = read_deeds(folder)
        self._newest = deque(known, TOLD)
        self._lines = len(known)
        if known:
            self._shorten()

    def note(self, what: str, detail: str) -> None:
        """Put something on record. A disk that refuses is no reason to stop: then only the log and the plant are told."""
        if self._grouping.is_first(what, detail, self._clock.monotonic_s()):
            self._write(what, detail)

    def newest(self) -> tuple[EdgeDeed, ...]:
        """Return what the plant is to be told of, oldest first."""
        for what, detail in self._grouping.due(self._clock.monotonic_s()):
            self._write(what, detail)
        return tuple(self._newest)

    def _write(self, what: str, detail: str) -> None:
        deed = EdgeDeed(max(0, self._clock.now_ms()), what, detail[:500])
        log.warning("%s: %s", what, deed.detail)
        self._newest.append(deed)
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(_line(deed))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log.warning("not in the audit log: %s: %s", self._file, error.strerror)
        self._lines += 1
        if self._lines >= 2 * KEPT:
            self._shorten()

    def _shorten(self) -> None:
        """Write the file anew with the newest lines, whole ones only."""
        deeds = read_deeds(self._file.parent)[-KEPT:]
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_text("".join(map(_line, deeds)), encoding="utf-8")
            fresh.replace(self._file)
        except OSError as error:
            log.warning("%s: %s", self._file, error.strerror)
        self._lines = len(deeds)


def _line(deed: EdgeDeed) -> str:
    return json.dumps({"at_ms": deed.at_ms, "what": deed.what, "detail": deed.detail}, ensure_ascii=False) + "\n"


def _deeds(lines: list[str]) -> Iterator[EdgeDeed]:
    for line in lines:
        try:
            said = json.loads(line)
            yield EdgeDeed(int(said["at_ms"]), str(said["what"]), str(said["detail"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
