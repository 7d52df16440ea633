"""A damaged outbox file is set aside, and what it still says goes on in a new one. Called in the outbox's own thread.

The new file is written beside the damaged one and takes its name when it is whole: a kill on the way begins again.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from collector.adapters import outbox_books
from collector.adapters.outbox_schema import create
from collector.adapters.outbox_tables import Tables
from collector.pure.books import NOBODY
from collector.pure.pages import Bytes, Pages
from collector.pure.salvage import LOST, Found, epoch_twin, look, rows
from collector.pure.sealed import seal
from collector.pure.sending import Held
from driftwatt.clock import SystemClock

log = logging.getLogger(__name__)

EPOCHS = "epochs"
"""A second record of the epochs by number: the one page that holds the first may be the damaged one."""
UNDER_WAY, WHOLE = ".salvage", ".salvaged"
KEPT_ASIDE = 6
"""Damaged files that stay for people: a disk that dies must not fill up with them."""
_KEPT_NAMES = 2000
_CHUNK_ROWS = 2000
DAMAGED = "failed:outbox_damaged"


def note_epoch(folder: Path, no: int, epoch: str) -> None:
    """Note an epoch by its number in a file of its own; a disk that refuses costs only that."""
    with contextlib.suppress(OSError):
        known = noted_epochs(folder)
        if len(known) > 2 * _KEPT_NAMES or known.get(no, epoch) != epoch:
            lines = [f"{number} {name}\n" for number, name in [*known.items()][-_KEPT_NAMES:] if number != no]
            (folder / EPOCHS).write_text("".join(lines))
        with (folder / EPOCHS).open("a") as file:
            file.write(f"{no} {epoch}\n")
            file.flush()
            os.fsync(file.fileno())


def noted_epochs(folder: Path) -> dict[int, str]:
    """Return the epochs that were noted, by number; lines that cannot be read are passed over."""
    out = {}
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in (folder / EPOCHS).read_text(errors="replace").splitlines():
            no, _, name = line.partition(" ")
            if no.isdecimal() and len(no) < 8 and len(name) == 16 and not set(name) - set("0123456789abcdef"):
                out[int(no)] = name
    return out


def finish(path: Path) -> None:
    """Complete or forget what a process left that was killed while it mended a file."""
    whole = path.with_name(path.name + WHOLE)
    if whole.exists() and not path.exists():
        whole.rename(path)
    for rest in (WHOLE, UNDER_WAY, UNDER_WAY + "-journal"):
        path.with_name(path.name + rest).unlink(missing_ok=True)


def set_aside(path: Path, epoch: str) -> tuple[str, Found | None]:
    """Put a damaged file aside and begin a new one with what it still says. Returns the name of the old one and what was found.

    None: nothing could be read, the new file is still to be made. Raises OSError when files cannot be renamed.
    """
    whole = path.with_name(path.name + WHOLE)
    try:
        found = _mended(path, path.with_name(path.name + UNDER_WAY))
        path.with_name(path.name + UNDER_WAY).rename(whole)
    except (sqlite3.Error, OSError, ValueError, LookupError, OverflowError) as error:
        log.warning("nothing of the damaged outbox can be read: %s", error)
        found = None
    aside = f"{path.name}.damaged-{epoch}"
    for rest in ("-wal", "-shm", ""):  # a log must never be left beside a file that is not its own
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + rest).rename(path.with_name(aside + rest))
    if found:
        whole.rename(path)
    _forget_old(path)
    return aside, found


def book_damage(tables: Tables) -> None:
    """Leave a line in the books that the outbox was damaged: one failed poll of nobody's."""
    with tables.transaction():
        day = SystemClock().now_ms() // 86_400_000
        nobody = tables.meter(NOBODY)
        outbox_books.add(tables.sql, Counter({(day, nobody, "polled"): 1, (day, nobody, DAMAGED): 1}))


def book_vanished(tables: Tables) -> int:
    """Book as corrupt what the books have waiting although every row is acknowledged: rows that a flipped bit hid. Returns how many.

    A wrong pointer in a page hides a row from every reader, or shows another one twice, and nothing else tells of it.
    """
    if not all(held.done for held in tables.held()):
        return 0
    hidden = tables.sql.execute("SELECT day, meter, n FROM books WHERE what = 'waiting' AND n <> 0").fetchall()
    if hidden:
        with tables.transaction():
            outbox_books.add(tables.sql, Counter({(day, meter, LOST if n > 0 else "stored"): n for day, meter, n in hidden}))
            outbox_books.add(tables.sql, Counter({(day, meter, "waiting"): -n for day, meter, n in hidden}))
    return sum(max(0, n) for *_, n in hidden)


def _forget_old(path: Path) -> None:
    kept = sorted(path.parent.glob(f"{path.name}.damaged-*"), key=lambda aside: aside.stat().st_mtime)
    names = [aside for aside in kept if not aside.name.endswith(("-wal", "-shm"))]
    for oldest in names[:-KEPT_ASIDE]:
        for rest in ("", "-wal", "-shm"):
            oldest.with_name(oldest.name + rest).unlink(missing_ok=True)


def _mended(path: Path, into: Path) -> Found:
    into.unlink(missing_ok=True)
    with _mapped(path) as file, _mapped(path.with_name(path.name + "-wal")) as wal:
        pages = Pages(file, wal)
        found = look(pages.records(), noted_epochs(path.parent))
        with contextlib.closing(sqlite3.connect(into, isolation_level=None)) as sql:
            sql.execute("PRAGMA synchronous = FULL")
            create(sql)
            good = (row for row in rows(pages.records(), seal) if found.take(row))
            with contextlib.suppress(sqlite3.OperationalError):  # no room for all of them: what is not there is booked as lost
                while chunk := list(islice(good, _CHUNK_ROWS)):
                    sql.execute("BEGIN")
                    sql.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?, ?, ?)", chunk)
                    sql.execute("COMMIT")
            found.balance()
            _write(sql, found)
    return found


def _write(sql: sqlite3.Connection, found: Found) -> None:
    sql.execute("BEGIN")
    sql.executemany("INSERT INTO meters VALUES (?, ?)", found.meters.items())
    sql.executemany(
        "INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(no, *_fields(held)) for no, held in found.epochs.items() if held.top]
    )
    known = found.meters.keys()
    outbox_books.add(sql, Counter({key: n for key, n in found.books.items() if key[1] in known}))
    sql.execute("COMMIT")


def _fields(held: Held) -> tuple[str, int, int, int, int, str, int]:
    return held.epoch, held.base, held.top, held.acked, held.sent, held.by, epoch_twin(held.base, held.top, held.acked, held.sent)


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[Bytes]:
    if not path.exists() or not path.stat().st_size:
        yield b""
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        yield mapped
