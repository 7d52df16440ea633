"""Series of points in a store file, read: chunks of packed points, and the log of those that wait to be packed.

A write appends one row to `open`. When enough points wait, they move series by series into `chunk`, each series in one
transaction that also notes in `moved` up to which row of the log this was; when all have moved the rows leave. So after
a kill at any moment a point is seen exactly once: rows of the log count for a series only beyond what `moved` says.
A chunk holds points of one series in one span (a day of readings, 32 days of quarter-hours).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from driftwatt.errors import Unavailable
from processors.pure.columns import Block, DamagedError, unpacked
from processors.pure.runs import between, logged, merged

DAY_MS = 86_400_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, name TEXT, tag TEXT, UNIQUE (name, tag));
CREATE TABLE IF NOT EXISTS field (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS open (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB);
CREATE TABLE IF NOT EXISTS moved (series INTEGER PRIMARY KEY, upto INT);
CREATE TABLE IF NOT EXISTS damaged (id INTEGER PRIMARY KEY, body BLOB);
CREATE TABLE IF NOT EXISTS chunk (id INTEGER PRIMARY KEY, series INT, first INT, last INT, rows INT, body BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS chunk_span ON chunk (series, first, last, rows);
"""


@dataclass(frozen=True, slots=True)
class Habit:
    """How a table is packed: chunks never cross a multiple of `span_ms` nor hold more than `rows`.

    Fewer than `wait` points of a series wait for more.
    """

    span_ms: int
    rows: int
    wait: int

    def begin(self, t_ms: int) -> int:
        """Return where the span of an instant begins."""
        return t_ms // self.span_ms * self.span_ms


HABITS = {
    "readings": Habit(DAY_MS, 2880, 64),
    "energy_15m": Habit(32 * DAY_MS, 4096, 192),
    "expected_15m": Habit(32 * DAY_MS, 4096, 192),
}
"""The packed tables."""


def fields(db: sqlite3.Connection) -> dict[str, int]:
    """Return the ids of the fields by name."""
    return dict(db.execute("SELECT name, id FROM field"))


def number_of(db: sqlite3.Connection, table: str, tag: str) -> int:
    """Return the number of a series, 0 when there is none."""
    found = db.execute("SELECT id FROM series WHERE name = ? AND tag = ?", (table, tag)).fetchone()
    return found[0] if found else 0


def packed_points(db: sqlite3.Connection, series: int, span: tuple[int, int], wanted: Collection[int] | None) -> list[Block]:
    """Return the chunks of a series that reach into `span`, with the fields `wanted`, None for all.

    Raises Unavailable for a chunk that is damaged: what it held is not passed over in silence.
    """
    return list(_chunks(db, series, span, wanted))


def first_points(db: sqlite3.Connection, series: int, span: tuple[int, int], limit: int) -> tuple[list[Block], int]:
    """Return the first chunks of a series that reach into `span`, `limit` points or what there is, and where what they tell ends."""
    found, rows = [], 0
    for block in _chunks(db, series, span, None):
        found.append(block)
        rows += len(between(block, *span)[0])
        if rows >= limit:
            return found, min(span[1], int(block[0][-1]) + 1)
    return found, span[1]


def _chunks(db: sqlite3.Connection, series: int, span: tuple[int, int], wanted: Collection[int] | None) -> Iterator[Block]:
    sql = "SELECT first, body FROM chunk WHERE series = ? AND first < ? AND last >= ? ORDER BY first"
    for first, body in db.execute(sql, (series, span[1], span[0])):
        try:
            yield unpacked(body, wanted)
        except DamagedError as error:
            raise Unavailable(f"store: the chunk of series {series} from {first} on is damaged: {error}") from error


def waiting_points(db: sqlite3.Connection, only: int | None = None) -> dict[int, list[Block]]:
    """Return what waits to be packed, by series, or of one. Call it in a snapshot. Raises Unavailable for a row that is damaged."""
    moved = dict(db.execute("SELECT series, upto FROM moved"))
    found: dict[int, list[Block]] = {}
    for number, body in db.execute("SELECT id, body FROM open ORDER BY id"):
        try:
            for series, run in logged(body, only):
                if number > moved.get(series, 0):
                    found.setdefault(series, []).append(run.block())
        except DamagedError as error:
            raise Unavailable(f"store: row {number} of the log is damaged: {error}") from error
    return found


class Outside:
    """One state of the file as another process sees it. Call it in a snapshot; what waits is read when it is first asked for."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @cached_property
    def _waiting(self) -> dict[int, Block]:
        return {series: merged(blocks) for series, blocks in waiting_points(self._db).items()}

    def tags(self, table: str) -> list[str]:
        """Return the meters that a table has points of, ascending."""
        sql = "SELECT id, tag, EXISTS (SELECT 1 FROM chunk WHERE series = series.id) FROM series WHERE name = ? ORDER BY tag"
        return [tag for series, tag, has_chunks in self._db.execute(sql, (table,)) if has_chunks or series in self._waiting]

    def count(self, table: str, tag: str, from_ms: int, to_ms: int) -> int:
        """Return how many points a series has in `[from_ms, to_ms)`; chunks that lie within are not unpacked."""
        series = number_of(self._db, table, tag)
        sql = "SELECT first, last, rows FROM chunk WHERE series = ? AND first < ? AND last >= ?"
        total = 0
        for first, last, rows in self._db.execute(sql, (series, to_ms, from_ms)).fetchall():
            if from_ms <= first and last < to_ms:
                total += rows
            else:
                total += sum(len(between(block, from_ms, to_ms)[0]) for block in packed_points(self._db, series, (first, first + 1), ()))
        waiting = self._waiting.get(series)
        return total + (len(between(waiting, from_ms, to_ms)[0]) if waiting else 0)

    def spans(self, table: str, tag: str, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Yield neighbouring spans, each of a chunk's size, that cover the points of a series in `span`."""
        sql = "SELECT last FROM chunk WHERE series = ? AND first < ? AND last >= ? ORDER BY first"
        at = span[0]
        for (last,) in self._db.execute(sql, (number_of(self._db, table, tag), span[1], span[0])).fetchall():
            if last >= at:
                yield at, min(last + 1, span[1])
            at = max(at, last + 1)
        if at < span[1]:
            yield at, span[1]

    def points(self, table: str, tag: str, span: tuple[int, int]) -> Block:
        """Return the points of a series in `span` with all their fields."""
        series = number_of(self._db, table, tag)
        waiting = waiting_points(self._db, series).get(series, [])
        return between(merged([*packed_points(self._db, series, span, None), *waiting]), *span)
