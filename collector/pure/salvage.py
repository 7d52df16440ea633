"""What a damaged outbox still says: epochs, meters, books, and rows that prove themselves.

A row is believed when its own checksum holds. Numbers without one are believed as far as they can be. What the books
say is waiting and no row is there for is lost, and booked as such.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from collector.pure.books import DAY_MS, FAILED, OK, adds_up, twin, worked_out
from collector.pure.pages import Record, Value
from collector.pure.sending import Held

SEQ = (1 << 40) - 1
LOST = "dropped:corrupt"
_EPOCH = re.compile(r"[0-9a-f]{16}")
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}|-")
_WHAT = re.compile(r"[a-z]+(:[a-z][a-z0-9_]{0,39})?")
_MOST = 1 << 40

Row = tuple[int, int, int, int, int, bytes]
"""As the table keeps it: key, meter, t_ms, kind, checksum, JSON."""
Seal = Callable[[int, int, int, int, bytes], int]


@dataclass(slots=True)
class Found:
    """What was found beside rows. `epochs` are by number, `meters` map numbers to ids.

    `kept` counts the rows taken over, `lost` those that the books know and that are not there, `nameless` those of an epoch
    whose name nobody knows: they cannot be told from what the plant has.
    """

    epochs: dict[int, Held] = field(default_factory=dict)
    meters: dict[int, str] = field(default_factory=dict)
    books: dict[tuple[int, int, str], int] = field(default_factory=dict)
    kept: int = 0
    lost: int = 0
    nameless: int = 0
    _waiting: Counter[tuple[int, int]] = field(default_factory=Counter)

    def take(self, row: Row) -> bool:
        """Tell whether a row can be taken over, and count it."""
        key, meter, t_ms, kind, _, body = row
        no, seq = key >> 40, key & SEQ
        held = self.epochs.get(no)
        if held is None:
            self.nameless += 1
            return False
        if meter not in self.meters and not self._name(meter, body):
            return False
        if seq > held.top or seq < held.base:
            self.epochs[no] = replace(held, base=min(seq, held.base), top=max(seq, held.top))
        if kind == OK and seq > held.acked:
            self._waiting[t_ms // DAY_MS, meter] += 1
        self.kept += 1
        return True

    def _name(self, meter: int, body: bytes) -> bool:
        try:
            name = json.loads(body)["m"]
        except (ValueError, KeyError, TypeError):
            return False
        if not isinstance(name, str) or name in self.meters.values():
            return False
        self.meters[meter] = name
        return True

    def balance(self) -> None:
        """Let the books say what is there, once all rows are taken: those that wait, and those that should and are not."""
        for day, meter in {(day, meter) for day, meter, _ in self.books} | self._waiting.keys():
            said = self.books.get((day, meter, "waiting"), 0)
            more = self._waiting[day, meter] - said
            if not more:
                continue
            self.books[day, meter, "waiting"] = said + more
            if more < 0:
                self._add(day, meter, LOST, -more)
                self.lost -= more
                continue
            # Taken for acknowledged before, or not counted at all because the page with its books is gone.
            back = min(more, self.books.get((day, meter, "stored"), 0))
            if back:
                self._add(day, meter, "stored", -back)
            for what in ("polled", "committed"):
                self._add(day, meter, what, more - back)
        self.epochs = {no: replace(held, sent=held.top) for no, held in self.epochs.items()}
        lines: dict[tuple[int, int], dict[str, int]] = {}
        for (day, meter, what), n in self.books.items():
            lines.setdefault((day, meter), {})[what] = n
        for (day, meter), line in lines.items():
            if not adds_up(line):
                self.books |= {(day, meter, what): n for what, n in worked_out(line, line.get("waiting", 0)).items()}

    def _add(self, day: int, meter: int, what: str, n: int) -> None:
        self.books[day, meter, what] = self.books.get((day, meter, what), 0) + n


def look(records: Iterable[Record], names: Mapping[int, str]) -> Found:
    """Sort out what is no row. `names` are the epochs by number as they were noted elsewhere."""
    found = Found()
    for record in records:
        values = record.values
        if record.rowid is None:
            _book(found, values)
        elif len(values) in (7, 8):
            _epoch(found, record.rowid, values)
        elif len(values) == 2 and isinstance(values[1], str) and _ID.fullmatch(values[1]):
            found.meters[record.rowid] = values[1]
    for no, name in names.items():
        found.epochs.setdefault(no, Held(name, 1 << 40, 0))
    ids = Counter(found.meters.values())
    found.meters = {no: name for no, name in found.meters.items() if ids[name] == 1}
    return found


def rows(records: Iterable[Record], seal: Seal) -> Iterator[Row]:
    """Yield the rows whose checksum holds. `seal(key, meter, t_ms, kind, body)` makes it."""
    for record in records:
        if record.rowid is None or len(record.values) != 6:
            continue
        key, (_, meter, t_ms, kind, crc, body) = record.rowid, record.values
        if not (
            isinstance(meter, int) and isinstance(t_ms, int) and isinstance(kind, int) and isinstance(crc, int) and isinstance(body, bytes)
        ):
            continue
        if kind in (OK, FAILED) and key > SEQ and seal(key, meter, t_ms, kind, body) == crc:
            yield key, meter, t_ms, kind, crc, body


def epoch_twin(base: int, top: int, acked: int, sent: int) -> int:
    """Return what is kept beside the numbers of an epoch."""
    return base + 3 * top + 5 * acked + 7 * sent


def _epoch(found: Found, no: int, values: tuple[Value, ...]) -> None:
    """Take the numbers of an epoch when its twin holds, or its name alone: then everything of it is sent again."""
    _, name, base, top, acked, sent, by, *beside = values
    if not (isinstance(name, str) and _EPOCH.fullmatch(name) and isinstance(by, str) and 0 < no < 1 << 22):
        return
    if isinstance(base, int) and isinstance(top, int) and isinstance(acked, int) and isinstance(sent, int):
        sound = not beside or beside == [epoch_twin(base, top, acked, sent)]
        if sound and 0 <= acked <= top <= SEQ and 0 < base <= top + 1 and 0 <= sent <= SEQ:
            found.epochs[no] = Held(name, base, top, acked, sent, by)
            return
    found.epochs.setdefault(no, Held(name, 1 << 40, 0))


def _book(found: Found, values: tuple[Value, ...]) -> None:
    """Take a counter; one of a file of version 1 has no twin."""
    if len(values) not in (4, 5):
        return
    day, meter, what, n, *beside = values
    if isinstance(day, int) and isinstance(meter, int) and isinstance(what, str) and isinstance(n, int):
        sound = not beside or beside == [twin(day, meter, what, n)]
        if sound and _WHAT.fullmatch(what) and 0 <= n < _MOST and 0 <= day < 100_000:
            found.books[day, meter, what] = n
