"""The chunks of a store file, written: points put in, small ones put together, old ones dropped."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable

from processors.adapters.database import transaction
from processors.adapters.packed import HABITS
from processors.adapters.shelves import Shelf
from processors.pure.columns import Block, DamagedError, packed, unpacked
from processors.pure.runs import by_span, merged, pieces, point

log = logging.getLogger(__name__)


class Chunks:
    """On the store's one writing connection. A chunk that is damaged stays as it is: nothing is added to it, nothing overwrites it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._damaged: set[int] = set()

    def put(self, shelf: Shelf, fresh: Block) -> None:
        """Put points of a series into chunks, in the transaction that is open."""
        for part in by_span(fresh, shelf.habit.span_ms):
            self._replace(shelf, part)

    def said(self, shelf: Shelf, t_ms: int, blocks: dict[int, Block]) -> dict[int, float] | None:
        """Return what a chunk holds at an instant, None where none does. `blocks` remembers the chunks of a write."""
        sql = "SELECT id FROM chunk WHERE series = ? AND first <= ? AND last >= ?"
        for (number,) in self._db.execute(sql, (shelf.number, t_ms, t_ms)).fetchall():
            if number not in blocks:
                ((body,),) = self._db.execute("SELECT body FROM chunk WHERE id = ?", (number,))
                blocks[number] = self._unpacked(number, body) or merged(())
            if (found := point(blocks[number], t_ms)) is not None:
                return found
        return None

    def tidy(self, shelves: Iterable[Shelf], before_ms: int) -> int:
        """Write the small chunks of one past day of one series anew as few; return how many points that were, 0 when none is left."""
        for shelf in shelves:
            span, rows = shelf.habit.span_ms, shelf.habit.rows
            sql = "SELECT first / ?1 AS day FROM chunk WHERE series = ?2 AND first < ?3 GROUP BY day"
            sql += " HAVING count(*) > 1 + (sum(rows) - 1) / ?4 AND sum(rows) < count(*) * ?4 / 4 LIMIT 1"
            found = self._db.execute(sql, (span, shelf.number, before_ms // span * span, rows)).fetchone()
            if not found or shelf.number in self._damaged:
                continue
            with transaction(self._db) as db:
                sql = "SELECT id, body FROM chunk WHERE series = ? AND first >= ? AND first < ? ORDER BY first"
                chunks = db.execute(sql, (shelf.number, found[0] * span, (found[0] + 1) * span)).fetchall()
                blocks = [block for number, body in chunks if (block := self._unpacked(number, body))]
                if len(blocks) < len(chunks):
                    self._damaged.add(shelf.number)
                    continue
                self._exchange(shelf, [number for number, _ in chunks], merged(blocks))
            return sum(len(times) for times, _ in blocks)
        return 0

    def drop(self, shelves: Iterable[Shelf], before_ms: int, chunks: int) -> int:
        """Remove some chunks of some series whose last point is older than an instant; return how many points, 0 when none is left."""
        sql = "SELECT id, rows FROM chunk WHERE series = ? AND first < ? AND last < ? ORDER BY first LIMIT ?"
        with transaction(self._db) as db:
            for shelf in shelves:
                gone = db.execute(sql, (shelf.number, before_ms, before_ms, chunks)).fetchall()
                if gone:
                    db.executemany("DELETE FROM chunk WHERE id = ?", [(number,) for number, _ in gone])
                    return sum(rows for _, rows in gone)
        return 0

    def _replace(self, shelf: Shelf, fresh: Block) -> None:
        """Put points of one span into chunks: those they lie in, and a small one before them, are written anew with them."""
        first, last = int(fresh[0][0]), int(fresh[0][-1])
        begin = first // shelf.habit.span_ms * shelf.habit.span_ms
        small = shelf.habit.rows - len(fresh[0]) if shelf.habit.span_ms > HABITS["readings"].span_ms else shelf.habit.wait
        found = self._db.execute(
            "SELECT id, body FROM chunk WHERE series = ?1 AND first >= ?2 AND first < ?3 AND ((first <= ?5 AND last >= ?4) OR"
            " (rows <= ?6 AND first = (SELECT max(first) FROM chunk WHERE series = ?1 AND first >= ?2 AND first < ?4)))",
            (shelf.number, begin, begin + shelf.habit.span_ms, first, last, small),
        ).fetchall()
        blocks = [(number, block) for number, body in found if (block := self._unpacked(number, body))]
        self._exchange(shelf, [number for number, _ in blocks], merged([*(block for _, block in blocks), fresh]))

    def _exchange(self, shelf: Shelf, old: list[int], whole: Block) -> None:
        self._db.executemany("DELETE FROM chunk WHERE id = ?", [(number,) for number in old])
        for piece in pieces(whole, shelf.habit.rows):
            times = piece[0]
            row = (shelf.number, int(times[0]), int(times[-1]), len(times), packed(piece))
            self._db.execute("INSERT INTO chunk (series, first, last, rows, body) VALUES (?, ?, ?, ?, ?)", row)

    def _unpacked(self, number: int, body: bytes) -> Block | None:
        """Return a chunk's points; a damaged one stays where it is, is told, and nothing is added to it."""
        try:
            return unpacked(body)
        except DamagedError as error:
            log.error("chunk %d of the store is damaged: %s", number, error)  # noqa: TRY400 - the message says it all
            return None
