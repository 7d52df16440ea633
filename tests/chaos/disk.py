"""Images of a disk after a power cut, built from what a process wrote and synced (`writes.c` notes it).

What was synced before the cut is there. What was not may be there, or not, or in part, in any order: each image draws
from that, by seed, with sectors of 512 or 4096 bytes as what a disk writes whole.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = struct.Struct("<cBQI")
SOURCE = Path(__file__).with_name("writes.c")
WAYS = ("all", "none", "cut off", "some", "shuffled", "torn", "torn pages", "zeroes", "no wal tail")


@dataclass(frozen=True, slots=True)
class Operation:
    """One record of the log: O opened to create, W written, C cut to a size, S synced, U removed, T told."""

    what: str
    name: str
    at: int
    data: bytes


def compiler() -> str | None:
    """Return a C compiler, None when there is none."""
    return shutil.which("cc") or shutil.which("gcc")


def recorded(words: list[str], folder: Path, log: Path) -> None:
    """Run a command with its writes noted in `log`. Raises CalledProcessError."""
    library = folder / "writes.so"
    if not library.exists():
        subprocess.run([compiler() or "cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    subprocess.run(words, check=True, env={**os.environ, "LD_PRELOAD": str(library), "DRIFTWATT_WRITES": str(log)})


def operations(log: Path) -> list[Operation]:
    """Return the records of a log; a last one that is cut off is left out."""
    raw, at, found = log.read_bytes(), 0, []
    while at + _HEAD.size <= len(raw):
        what, name_size, offset, size = _HEAD.unpack_from(raw, at)
        kind, at = what.decode(), at + _HEAD.size
        data_size = size if kind in "WT" else 0
        name, data = raw[at : at + name_size].decode(), raw[at + name_size : at + name_size + data_size]
        at += name_size + data_size
        found.append(Operation(kind, name, offset, data))
    return found


@dataclass(slots=True)
class _File:
    """A file: what is surely on the disk (None: not even its name), and what was done since."""

    synced: bytes | None = None
    pending: list[Operation] = field(default_factory=list)
    now: bytearray = field(default_factory=bytearray)
    there: bool = False

    def do(self, operation: Operation) -> None:
        self.pending.append(operation)
        self.there = operation.what != "U"
        _apply(self.now, operation)
        if operation.what == "S":
            self.synced, self.pending = bytes(self.now), []

    def forget(self) -> None:
        """Let a removal be for good: the journal of a file system has it at the latest when any later sync returns."""
        last = max((at for at, each in enumerate(self.pending) if each.what == "U"), default=None)
        if last is not None:
            self.synced, self.pending = None, self.pending[last + 1 :]


class Disk:
    """The files of one process as they are after the operations shown to it."""

    def __init__(self) -> None:
        self.files: dict[str, _File] = {}
        self.told: list[str] = []

    def do(self, operation: Operation) -> None:
        """Show the next operation."""
        if operation.what == "T":
            self.told.append(operation.data.decode())
            return
        self.files.setdefault(operation.name, _File()).do(operation)
        if operation.what == "S":
            for file in self.files.values():
                file.forget()

    @property
    def unsynced(self) -> int:
        """How many writes may or may not be there."""
        return sum(each.what == "W" for file in self.files.values() for each in file.pending)

    def image(self, folder: Path, dice: random.Random, way: str) -> None:
        """Write one of the disks that a power cut may leave now into an empty folder."""
        for name, file in self.files.items():
            content = _drawn(file, dice, way)
            if content is None:
                continue
            if way == "no wal tail" and name.endswith("-wal") and len(content) > len(file.synced or b""):
                content = content[: max(len(file.synced or b""), len(content) - dice.randrange(1, 4200))]
            (folder / name).write_bytes(content)


def _drawn(file: _File, dice: random.Random, way: str) -> bytes | None:
    if way in ("all", "no wal tail"):
        return bytes(file.now) if file.there else None
    if file.synced is None and (way == "none" or (not file.there and dice.random() < 0.5)):
        return None
    content, pending = bytearray(file.synced or b""), list(file.pending)
    if way == "none":
        return bytes(content)
    if way == "cut off":
        pending = pending[: dice.randrange(len(pending) + 1)]
        if pending and pending[-1].what == "W":
            pending[-1] = _shorter(pending[-1], dice)
    elif way in ("some", "shuffled"):
        pending = [each for each in pending if each.what != "W" or dice.random() < 0.5]
        if way == "shuffled":
            dice.shuffle(pending)
    removed = False
    for each in pending:
        if each.what == "U":
            removed = True
            content.clear()
        elif each.what == "O":
            removed = False
        for part in _pieces(each, dice, way):
            _apply(content, part)
    if removed and dice.random() < 0.5:
        return None
    return bytes(content)


def _pieces(each: Operation, dice: random.Random, way: str) -> Iterator[Operation]:
    """Yield what of one unsynced operation reaches the disk."""
    if each.what != "W" or way not in ("torn", "torn pages", "zeroes"):
        yield each
        return
    if way == "zeroes":  # the size of the file grew, what stands there did not arrive
        yield each if dice.random() < 0.6 else Operation("W", each.name, each.at, bytes(len(each.data)))
        return
    sector = 512 if way == "torn" else 4096
    start = each.at
    while start < each.at + len(each.data):
        end = min(each.at + len(each.data), (start // sector + 1) * sector)
        if dice.random() < 0.6:
            yield Operation("W", each.name, start, each.data[start - each.at : end - each.at])
        start = end


def _shorter(each: Operation, dice: random.Random) -> Operation:
    return Operation("W", each.name, each.at, each.data[: dice.randrange(len(each.data) + 1)])


def _apply(content: bytearray, operation: Operation) -> None:
    if operation.what == "W":
        if len(content) < operation.at:
            content.extend(bytes(operation.at - len(content)))
        content[operation.at : operation.at + len(operation.data)] = operation.data
    elif operation.what == "C":
        del content[operation.at :]
        content.extend(bytes(operation.at - len(content)))
    elif operation.what == "U" or (operation.what == "O" and operation.at):
        content.clear()


def images(log: list[Operation], count: int, seed: int, *, happened: Counter[str]) -> Iterator[tuple[Disk, random.Random, str]]:
    """Yield `count` times a disk at a random instant, dice, and the way in which its unsynced writes arrive."""
    dice = random.Random(seed)
    cuts = sorted(dice.randrange(1, len(log) + 1) for _ in range(count))
    disk, done = Disk(), 0
    for number, cut in enumerate(cuts):
        for operation in log[done:cut]:
            disk.do(operation)
        done = cut
        way = WAYS[number % len(WAYS)]
        happened[way] += 1
        happened["with unsynced writes"] += disk.unsynced > 0
        yield disk, random.Random(seed * 1_000_003 + number), way
