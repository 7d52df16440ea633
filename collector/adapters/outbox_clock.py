"""The time of rows that were taken before the clock was synchronised, put right in the outbox. Called in its own thread.

Which boot of the machine an epoch belongs to, and how its clock stood, is kept beside the rows, because the process may be
started again before the clock is synchronised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from collector.adapters import outbox_books
from collector.adapters.outbox_tables import Tables
from collector.pure.books import DAY_MS, OK, Book
from collector.pure.restamp import Segment, restamped
from collector.pure.sealed import seal
from driftwatt.readings import FailedPoll, Reading
from driftwatt.wire import read_row, row_bytes

CHUNK_ROWS = 1000
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS clocks (no INTEGER, first_ms INTEGER, offset_ms REAL, boot TEXT, PRIMARY KEY (no, first_ms)) WITHOUT ROWID"
)
_UNSYNCED = b'"c":"unsynced"'


def boot_id() -> str:
    """Return a name of this life of the machine, empty where the kernel tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def note(tables: Tables, segments: Sequence[Segment], boot: str) -> None:
    """Keep how the clock of this process stood while it was not synchronised."""
    tables.sql.execute(_SCHEMA)
    with tables.transaction():
        tables.sql.executemany(
            "INSERT OR REPLACE INTO clocks VALUES (?, ?, ?, ?)", [(tables.own, one.first_ms, one.offset_ms, boot) for one in segments]
        )


def put_right(tables: Tables, boot: str, offset_ms: float, shown: dict[str, int]) -> int:
    """Move the unsynced rows of this boot to their true time now that it is known. Returns how many.

    `shown` is the highest seq of each epoch that was read to be sent: such rows stay as they are.
    """
    moved = 0
    for no, segments in _segments(tables, boot, same=True).items():
        moved += _changed(tables, no, shown, lambda row, known=segments: restamped(row, known, offset_ms))  # type: ignore[misc]
    return moved


def give_up(tables: Tables, boot: str) -> int:
    """Mark the unsynced rows of earlier boots as uncertain: their time will never be known. Returns how many."""
    moved = 0
    for no in _segments(tables, boot, same=False):
        moved += _changed(tables, no, {}, lambda row: restamped(row, (), 0.0))
        with tables.transaction():
            tables.sql.execute("DELETE FROM clocks WHERE no = ?", (no,))
    return moved


def forget(tables: Tables, boot: str) -> None:
    """Forget how the clock stood, once all rows of this boot are right."""
    tables.sql.execute(_SCHEMA)
    with tables.transaction():
        tables.sql.execute("DELETE FROM clocks WHERE boot = ?", (boot,))


def _segments(tables: Tables, boot: str, *, same: bool) -> dict[int, list[Segment]]:
    tables.sql.execute(_SCHEMA)
    word = "=" if same else "<>"
    out: dict[int, list[Segment]] = {}
    for no, first_ms, offset_ms in tables.sql.execute(f"SELECT no, first_ms, offset_ms FROM clocks WHERE boot {word} ?", (boot,)):  # noqa: S608
        out.setdefault(no, []).append(Segment(first_ms, offset_ms))
    return out


def _changed(tables: Tables, no: int, shown: dict[str, int], change: Callable[[Reading | FailedPoll], Reading | FailedPoll]) -> int:
    held = tables.sql.execute("SELECT epoch, acked, sent, top FROM epochs WHERE no = ?", (no,)).fetchone()
    if held is None:
        return 0
    epoch, acked, sent, top = held
    after, last, count = no << 40 | max(acked, sent, shown.get(epoch, 0)), no << 40 | top, 0
    while True:
        query = "SELECT key, meter, t, kind, crc, CAST(body AS BLOB) FROM rows WHERE key > ? AND key <= ? ORDER BY key LIMIT ?"
        found = tables.sql.execute(query, (after, last, CHUNK_ROWS)).fetchall()
        if not found:
            return count
        after = found[-1][0]
        unsynced = [each for each in found if _UNSYNCED in each[5] and seal(each[0], each[1], each[2], each[3], each[5]) == each[4]]
        if unsynced:
            count += _write(tables, unsynced, change)


def _write(
    tables: Tables, found: Sequence[tuple[int, int, int, int, int, bytes]], change: Callable[[Reading | FailedPoll], Reading | FailedPoll]
) -> int:
    books: Counter[Book] = Counter()
    with tables.transaction():
        for key, meter, t_ms, kind, _, body in found:
            row = read_row(body)
            if not isinstance(row, Reading | FailedPoll):
                continue
            fresh = change(row)
            text = row_bytes(fresh)
            tables.sql.execute(
                "UPDATE rows SET t = ?, crc = ?, body = ? WHERE key = ?", (fresh.t_ms, seal(key, meter, fresh.t_ms, kind, text), text, key)
            )
            if fresh.t_ms // DAY_MS != t_ms // DAY_MS:
                words = ("polled", "committed", "waiting") if kind == OK else ("polled", f"failed:{getattr(row, 'reason', '')}")
                for word in words:
                    books[t_ms // DAY_MS, meter, word] -= 1
                    books[fresh.t_ms // DAY_MS, meter, word] += 1
        outbox_books.add(tables.sql, books)
    return len(found)
