"""The files of `driftwatt analyse`: read line by line in bounded memory, written whole or not at all; its progress."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from processors.pure.csv_rows import MOST_LINE, RowError


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Iterator[str]]:
    """Give the lines of a file. Raises OSError; the lines raise RowError for one that is longer than any row can be."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        yield _bounded(lines)


def _bounded(lines: IO[str]) -> Iterator[str]:
    number = 0
    while line := lines.readline(MOST_LINE):
        number += 1
        if len(line) >= MOST_LINE:
            raise RowError(number, f"is longer than {MOST_LINE} characters; this is no table of rows")
        yield line


@contextlib.contextmanager
def writing(target: str) -> Iterator[IO[str]]:
    """Give a file that takes its name when it is whole; what fails leaves nothing under that name."""
    if target == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    path = Path(target)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            yield out
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Bar:
    """A progress bar on a terminal; what is wrong with a file is said in any case."""

    WIDTH = 30

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._shown = sys.stderr.isatty() and total > 1

    def step(self, wrong: str) -> None:
        """Count one file as done."""
        self._done += 1
        if wrong:
            print(("\r\x1b[K" if self._shown else "") + f"driftwatt: {wrong}", file=sys.stderr)
        if self._shown:
            filled = self.WIDTH * self._done // self._total
            end = "\n" if self._done == self._total else ""
            bar = "#" * filled + "." * (self.WIDTH - filled)
            print(f"\ranalyse [{bar}] {self._done} of {self._total}", end=end, file=sys.stderr, flush=True)
