"""History files: rows of the wire, one JSON object a line, replayed through the same path as live readings.

Where a file was left is committed with its rows, so that an interrupted import goes on, and a finished one is
not repeated. Imported readings are counted as `imported`, outside the books' equation.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from driftwatt.errors import ConfigError, WireError
from driftwatt.readings import Reading
from driftwatt.wire import read_row
from processors.pipeline import Pipeline
from processors.pure.board import Progress
from processors.pure.commit import NOBODY, SetAside, verdict
from processors.pure.intake import FUTURE_MS, Taken

CHUNK_ROWS = 4000
MAX_LINE_BYTES = 64 * 1024


async def import_history(pipeline: Pipeline, path: Path, *, bar: bool = False) -> int:
    """Import a file and return how many readings it brought. Raises ConfigError when it cannot be read."""
    content = await asyncio.to_thread(_content, path)
    key = f"history:{hashlib.sha256(content).hexdigest()}"
    total = content.count(b"\n") + (not content.endswith(b"\n"))
    lines = content.splitlines()
    start = await pipeline.noted(key)
    imported = 0
    for done, chunk in _chunks(lines, start):
        if pipeline.stopping:
            break
        taken = _taken(pipeline, chunk, first_line=done)
        end = done + len(chunk)
        taken.commit.notes[key] = str(end)
        imported += len(taken.readings)
        await pipeline.apply(taken, "imported")
        at_ms = taken.readings[-1].t_ms if taken.readings else None
        pipeline.board.on_history(Progress("history", end, total, to_ms=at_ms))
        if bar:
            _draw(end, total)
    pipeline.board.on_history(None)
    return imported


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError("history cannot be read", file=str(path), found=error.strerror or str(error)) from error


def _chunks(lines: list[bytes], start: int) -> Iterator[tuple[int, list[bytes]]]:
    for at in range(start, len(lines), CHUNK_ROWS):
        yield at, lines[at : at + CHUNK_ROWS]


def _taken(pipeline: Pipeline, lines: list[bytes], *, first_line: int) -> Taken:
    taken, now_ms = Taken(), pipeline.clock.now_ms()
    owners = dict.fromkeys(pipeline.intake.owners)
    for number, line in enumerate(lines, first_line + 1):
        if not line.strip():
            continue
        raw = line[:MAX_LINE_BYTES].decode(errors="replace")
        try:
            row = read_row(line[:MAX_LINE_BYTES])
        except WireError as error:
            _set_aside(taken, now_ms, "row", f"line {number}: {error.detail}", raw)
            continue
        if not isinstance(row, Reading):
            continue
        why = verdict(row, "", owners=owners, latest_ms=now_ms + FUTURE_MS)
        if why:
            _set_aside(taken, now_ms, why, f"line {number}: {row.meter}", raw)
        else:
            taken.readings.append(row)
    return taken


def _set_aside(taken: Taken, now_ms: int, reason: str, detail: str, raw: str) -> None:
    taken.commit.set_aside.append(SetAside(now_ms, reason, detail, raw, "history"))
    taken.commit.books[NOBODY, "history", "import_refused"] += 1


def _draw(done: int, total: int) -> None:
    width = 30
    filled = width * done // max(total, 1)
    end = "\n" if done >= total else ""
    print(f"\rhistory [{'#' * filled}{'.' * (width - filled)}] {done} of {total}", end=end, file=sys.stderr, flush=True)
