"""The edge's books: counters of polls by UTC day and meter, their words, and what a counter with wrong bits must have been.

polled = committed + failed; committed = stored + waiting + dropped + thinned. Beside each counter its *twin* is kept,
which grows with it: the difference of the two says which counter it is, so that a bit that flips in either shows.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from driftwatt.clock import utc_day
from driftwatt.wire import LedgerLine

DAY_MS = 86_400_000
OK, FAILED, CORRUPT = 0, 1, 2
NOBODY = "-"
UNKNOWN = "books_damaged"
"""Why polls failed or were dropped of which only the number is known."""

Book = tuple[int, int, str]
"""One counter: UTC day since 1970, meter number, what is counted (`failed:timeout`, `waiting`, …)."""
Moved = Sequence[tuple[int, int, int, int]]
"""Rows counted by (meter number, day, kind): (meter, day, kind, count)."""


def twin(day: int, meter: int, what: str, n: int) -> int:
    """Return what is kept beside a counter that stands at `n`."""
    return n + day * 1_000_003 + meter * 8_191 + _word(what)


@lru_cache(maxsize=1024)
def _word(what: str) -> int:
    return zlib.crc32(what.encode())


def count_poll(counts: Counter[Book], meter: int, day: int, failed: str | None) -> None:
    """Count one poll in its one class."""
    for what in ("polled", f"failed:{failed}") if failed else ("polled", "committed", "waiting"):
        counts[day, meter, what] += 1


def change(moved: Moved, by: dict[str, int]) -> Counter[Book]:
    """Return the changes of the books when good rows move from one class to another."""
    counts: Counter[Book] = Counter()
    for meter, day, kind, count in moved:
        if kind == OK:
            for what, sign in by.items():
                counts[day, meter, what] += sign * count
    return counts


def adds_up(line: Mapping[str, int]) -> bool:
    """Tell whether the counters of one meter and day agree with each other."""
    polled, committed = line.get("polled", 0), line.get("committed", 0)
    return polled == committed + _sum(line, "failed:") and committed == line.get("stored", 0) + line.get("waiting", 0) + _gone(line)


def worked_out(known: Mapping[str, int], waiting: int) -> dict[str, int]:
    """Return the counters of one meter and day of which only those in `known` are what was written.

    `waiting` was counted from the rows. What one wrong counter was follows from the others; of more than one only the sums do.
    """
    line = {**known, "waiting": waiting}
    gone = _gone(line)
    committed = line.setdefault("committed", line.get("stored", 0) + waiting + gone)
    missing = committed - line.get("stored", 0) - waiting - gone
    if missing > 0 and "stored" in known:
        line[f"dropped:{UNKNOWN}"] = line.get(f"dropped:{UNKNOWN}", 0) + missing
    else:
        line["stored"] = max(0, line.get("stored", 0) + missing)
    line["committed"] = line["stored"] + waiting + _gone(line)
    failed = _sum(line, "failed:")
    more = line.get("polled", line["committed"] + failed) - line["committed"] - failed
    if more > 0:
        line[f"failed:{UNKNOWN}"] = line.get(f"failed:{UNKNOWN}", 0) + more
    line["polled"] = line["committed"] + _sum(line, "failed:")
    return line


def _gone(line: Mapping[str, int]) -> int:
    return line.get("thinned", 0) + _sum(line, "dropped:")


def _sum(line: Mapping[str, int], head: str) -> int:
    return sum(n for what, n in line.items() if what.startswith(head))


def ledger_line(meter: str, day: int, books: Mapping[str, int]) -> LedgerLine:
    """Return the books of one meter and day as the wire has them."""
    parts: dict[str, dict[str, int]] = {"failed": {}, "dropped": {}}
    for what, n in books.items():
        head, _, reason = what.partition(":")
        if reason and n:
            parts[head][reason] = n
    plain = {name: books.get(name, 0) for name in ("polled", "committed", "stored", "waiting", "thinned")}
    return LedgerLine(meter, utc_day(day * DAY_MS), failed=parts["failed"], dropped=parts["dropped"], **plain)
