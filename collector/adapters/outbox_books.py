"""The table of the outbox's books: counted in the transaction that changes the rows, shown, and put right when a bit flipped."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from collector.pure.books import NOBODY, OK, Book, adds_up, ledger_line, twin, worked_out
from driftwatt.wire import LedgerLine

log = logging.getLogger(__name__)

KEEP_DAYS = 62
SCHEMA = """
CREATE TABLE books (day INTEGER NOT NULL, meter INTEGER NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL, twin INTEGER NOT NULL,
  PRIMARY KEY (day, meter, what)) WITHOUT ROWID;
"""
_NEWEST = """WITH RECURSIVE newest(day) AS (SELECT max(day) FROM books
  UNION ALL SELECT (SELECT max(day) FROM books WHERE day < newest.day) FROM newest WHERE day IS NOT NULL)
SELECT min(day) FROM (SELECT day FROM newest WHERE day IS NOT NULL LIMIT ?)"""
_Lines = dict[tuple[int, int], dict[str, int]]


class Sql(Protocol):
    """What is used of a SQLite connection in autocommit mode."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each of the parameters."""

    def executescript(self, script: str, /) -> Any:
        """Run several statements."""

    def rollback(self) -> None:
        """Take back the open transaction, if there is one."""


def add(sql: Sql, counts: Counter[Book]) -> None:
    """Add to the books inside the open transaction."""
    sql.executemany(
        "INSERT INTO books VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (day, meter, what) DO UPDATE SET n = n + ?4, twin = twin + ?4",
        [(*book, n, twin(*book, n)) for book, n in counts.items() if n],
    )


def lines(sql: Sql, days: int) -> tuple[LedgerLine, ...]:
    """Return the books of the newest `days` days that have any. Only reads. A counter with wrong bits is left out, and the log says so."""
    known, wrong = _read(sql, days)
    if wrong:
        log.error("%d counters of the books are not what was written; the collector works them out at its next start", len(wrong))
    names = {number: name for name, number in sql.execute("SELECT id, no FROM meters")}
    return tuple(ledger_line(names.get(meter, NOBODY), day, found) for (day, meter), found in known.items())


def mend(sql: Sql) -> int:
    """Work out counters with wrong bits from those beside them and from the rows, inside the open transaction. Returns how many."""
    known, wrong = _read(sql, 1 << 30)
    if not wrong:
        return 0
    sql.executemany("DELETE FROM books WHERE day = ? AND meter = ? AND what = ?", wrong)
    touched = {(day, meter) for day, meter, _ in wrong} | {key for key, line in known.items() if not adds_up(line)}
    for day, meter in touched & known.keys():
        fresh = worked_out(known[day, meter], _waiting(sql, day, meter))
        sql.execute("DELETE FROM books WHERE day = ? AND meter = ?", (day, meter))
        add(sql, Counter({(day, meter, what): n for what, n in fresh.items()}))
    return len(wrong)


def forget(sql: Sql) -> None:
    """Forget the books of all but the newest days, inside the open transaction: of what waits they stay.

    Days are counted as they come in the books: one that a wrong clock made up pushes out one day, not all.
    """
    oldest = sql.execute(_NEWEST, (KEEP_DAYS,)).fetchone()[0] or 0
    sql.execute(
        "DELETE FROM books WHERE day < ? AND NOT EXISTS (SELECT 1 FROM books AS b WHERE b.day = books.day "
        "AND b.meter = books.meter AND b.what = 'waiting' AND b.n > 0)",
        (oldest,),
    )


def _read(sql: Sql, days: int) -> tuple[_Lines, list[Book]]:
    """Return the counters of the newest days by day and meter, and those that are not what was written."""
    oldest = sql.execute(_NEWEST, (days,)).fetchone()[0] or 0
    known: _Lines = {}
    wrong: list[Book] = []
    for day, meter, what, n, beside in sql.execute(
        "SELECT day, meter, what, n, twin FROM books WHERE day >= ? ORDER BY day, meter", (oldest,)
    ):
        try:
            sound = twin(day, meter, what, n) == beside
        except (TypeError, AttributeError):  # a flipped bit can make a number a text
            sound = False
        if sound:
            known.setdefault((day, meter), {})[what] = n
        else:
            wrong.append((day, meter, what))
    return known, wrong


def _waiting(sql: Sql, day: int, meter: int) -> int:
    count = "SELECT count(*) FROM rows WHERE key > ? AND key <= ? AND kind = ? AND meter = ? AND t >= ? AND t < ?"
    held = sql.execute("SELECT no, acked, top FROM epochs").fetchall()
    spans = ((no << 40 | acked, no << 40 | top) for no, acked, top in held)
    return sum(sql.execute(count, (*span, OK, meter, day * 86_400_000, (day + 1) * 86_400_000)).fetchone()[0] for span in spans)
