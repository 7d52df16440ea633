"""From one message of an edge to what has to be stored, counted, set aside and acknowledged.

Nothing here does any of it. `Taken` collects what a handful of messages came to, so that the shell writes once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import cast

from driftwatt.clock import utc_day
from driftwatt.errors import UnknownMajor, WireError
from driftwatt.readings import Batch, FailedPoll, Reading, Removed
from driftwatt.topics import parse
from driftwatt.wire import EdgeLedger, Hello, from_bytes, read_header, read_message, row_bytes, to_bytes
from processors.pure import delivery
from processors.pure.commit import NOBODY, Commit, SetAside, verdict
from processors.pure.delivery import Acknowledge, Action, Apply, Damaged, Delivery, Duplicate, Gap, Held, IdentityAlarm
from processors.pure.quota import DAYS_AHEAD_MS, DAYS_BACK_MS, Quota

FUTURE_MS = 5 * 60_000
DAY_MS = 86_400_000
MAX_LEDGER_LINES = 20_000
MAX_EPOCHS = 64
"""Epochs remembered per edge beside those that it says it holds."""
_ONLY_READINGS = frozenset((Reading,))
_METER, _T_MS = attrgetter("meter"), attrgetter("t_ms")


@dataclass(slots=True)
class Taken:
    """What some messages came to. `readings` are to be stored and judged, `again` only to be stored.

    `alarms` are alarm codes with a text for people; `newest_ms` is the youngest row of each edge.
    """

    commit: Commit = field(default_factory=Commit)
    readings: list[Reading] = field(default_factory=list)
    again: list[Reading] = field(default_factory=list)
    rows: dict[str, list[Reading | FailedPoll]] = field(default_factory=dict)
    acks: dict[tuple[str, str], int] = field(default_factory=dict)
    hellos: list[Hello] = field(default_factory=list)
    alarms: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Intake:
    """Takes messages in order. `owners` maps the plant's meters to their edges, None for any edge."""

    owners: Mapping[str, str | None]
    delivery: Delivery
    quota: Quota = field(init=False)
    _days: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.quota = Quota.of(self.owners)

    def take(self, topic: str, payload: bytes, taken: Taken, *, now_ms: int) -> None:
        """Add what this message comes to. Never raises for anything an edge may send."""
        try:
            edge, kind = parse(topic)
            if not self.quota.admits(edge, self.delivery.edges):
                taken.alarms["too_many_edges"] = f"{edge} is not taken: the plant file names no meter of it, and too many others are there"
                taken.commit.books[NOBODY, self.day(now_ms), "not_admitted"] += 1
            elif kind == "d":
                self._data(edge, payload, taken, now_ms)
            elif kind == "hello":
                self._hello(edge, payload, taken, now_ms)
            elif kind == "ledger":
                self._ledger(edge, payload, taken, now_ms)
        except UnknownMajor as error:
            taken.alarms["unknown_major"] = f"{topic}: {error.detail}"
        except WireError as error:
            self._set_aside_message(_edge_of(topic), payload, error, taken, now_ms)

    def day(self, t_ms: int) -> str:
        """Return the UTC day of an instant."""
        number = t_ms // DAY_MS
        if number not in self._days:
            if len(self._days) > 1000:
                self._days.clear()
            self._days[number] = utc_day(t_ms)
        return self._days[number]

    def _data(self, edge: str, payload: bytes, taken: Taken, now_ms: int) -> None:
        try:
            batch = read_message(payload)
            _same_edge(edge, batch.edge)
            if not self._admits_epoch(batch, taken, now_ms):
                return
            self.delivery, actions = delivery.receive(self.delivery, batch, size=len(payload), now_ms=now_ms)
        except UnknownMajor:
            raise
        except WireError as error:
            header = read_header(payload)
            _same_edge(edge, header.edge)
            if not self._admits_epoch(header, taken, now_ms):
                return
            raw = payload.decode(errors="replace")[:4096]
            self.delivery, actions = delivery.unreadable(self.delivery, header, error.reason, raw, now_ms=now_ms)
            if not actions:
                raise
        for action in actions:
            self._act(action, taken, now_ms)
        taken.commit.checkpoints = [point for point in taken.commit.checkpoints if point.edge != edge]
        taken.commit.checkpoints += delivery.checkpoints(self.delivery, edge)

    def _admits_epoch(self, batch: Batch, taken: Taken, now_ms: int) -> bool:
        known = self.delivery.edges.get(batch.edge)
        if batch.replay or known is None or self.quota.admits_epoch(batch.epoch, known.epochs):
            return True
        taken.alarms["too_many_edges"] = f"edge {batch.edge} invents epochs: {batch.epoch} is not taken"
        taken.commit.books[NOBODY, self.day(now_ms), "not_admitted"] += 1
        return False

    def _act(self, action: Action, taken: Taken, now_ms: int) -> None:
        books, today = taken.commit.books, self.day(now_ms)
        if isinstance(action, Apply):
            self._apply(action, taken, now_ms)
        elif isinstance(action, Acknowledge):
            taken.acks[action.edge, action.epoch] = action.upto
        elif isinstance(action, Gap):
            taken.commit.gaps.append(action)
            books[NOBODY, today, "gaps"] += action.last - action.first + 1
        elif isinstance(action, Duplicate):
            for _, row in action.rows:
                if isinstance(row, Reading):
                    books[row.meter if row.meter in self.owners else NOBODY, self.day(row.t_ms), "duplicates"] += 1
        elif isinstance(action, Damaged):
            books[NOBODY, today, "damaged"] += 1
        elif isinstance(action, IdentityAlarm):
            taken.alarms["identity_used_twice"] = f"edge {action.edge}: epochs {action.older} and {action.younger} come from two boxes"
        elif isinstance(action, Held) and action.why == "order" and not action.kept:
            books[NOBODY, today, "let_go"] += 1

    def _apply(self, action: Apply, taken: Taken, now_ms: int) -> None:
        books = taken.commit.books
        readings = taken.again if action.replay else taken.readings
        rows = taken.rows.setdefault(action.edge, [])
        usual = self._usual(action, now_ms + FUTURE_MS)
        readings += usual
        rows += usual
        for _, row in () if usual else action.rows:
            if isinstance(row, Removed):
                if not action.replay:
                    books[NOBODY, self.day(now_ms), row.why] += row.count
                continue
            why = verdict(row, action.edge, owners=self.owners, latest_ms=now_ms + FUTURE_MS)
            if why not in ("future", "wrong_edge"):
                rows.append(row)
            if isinstance(row, FailedPoll):
                if not action.replay:
                    books[NOBODY if why else row.meter, self.day(row.t_ms), f"failed:{self.quota.reason(row.reason)}"] += 1
            elif why:
                self._set_aside_row(row, action, why, taken, now_ms)
            else:
                readings.append(row)
        for _, reason, raw in action.bad:
            taken.commit.set_aside.append(SetAside(now_ms, "row", reason, raw, action.edge, counted=not action.replay))
        if not action.replay and action.unreadable:
            books[NOBODY, self.day(now_ms), "quarantined"] += action.unreadable
            books[NOBODY, self.day(now_ms), "unreadable"] += action.unreadable

    def _usual(self, action: Apply, latest_ms: int) -> list[Reading]:
        """Return the rows where nothing is to be said of any of them, as is usual: all are readings to be stored. Else none."""
        if not _ONLY_READINGS.issuperset(type(row) for _, row in action.rows):
            return []
        rows = cast("list[Reading]", [row for _, row in action.rows])
        ours = all(self.owners.get(meter, NOBODY) in (None, action.edge) for meter in set(map(_METER, rows)))
        return rows if ours and max(map(_T_MS, rows), default=0) <= latest_ms else []

    def _set_aside_row(self, row: Reading, action: Apply, why: str, taken: Taken, now_ms: int) -> None:
        meter = row.meter if why == "future" else NOBODY
        raw = row_bytes(row).decode()
        taken.commit.set_aside.append(SetAside(now_ms, why, row.meter, raw, action.edge, row.meter, row.t_ms, counted=not action.replay))
        if not action.replay:
            taken.commit.books[meter, self.day(row.t_ms), "quarantined"] += 1
            if meter == NOBODY:
                taken.commit.books[NOBODY, self.day(row.t_ms), "unlisted"] += 1

    def _hello(self, edge: str, payload: bytes, taken: Taken, now_ms: int) -> None:
        hello = from_bytes(Hello, payload)
        _same_edge(edge, hello.edge)
        self.delivery, actions = delivery.on_hello(self.delivery, edge, hello.epochs)
        held = {span.epoch for span in hello.epochs}
        known = [point.epoch for point in delivery.checkpoints(self.delivery, edge)]
        gone = [epoch for epoch in known if epoch not in held][: max(0, len(known) - MAX_EPOCHS)]
        self.delivery = delivery.forget(self.delivery, edge, gone)
        taken.commit.forgotten += [(edge, epoch) for epoch in gone]
        taken.commit.checkpoints = [point for point in taken.commit.checkpoints if point.edge != edge]
        taken.commit.checkpoints += delivery.checkpoints(self.delivery, edge)
        if kept := self.quota.hello(hello):
            taken.commit.notes[f"hello:{edge}:{kept.part}"] = to_bytes(kept).decode()
            taken.hellos.append(kept)
        for action in actions:
            self._act(action, taken, now_ms)

    def _ledger(self, edge: str, payload: bytes, taken: Taken, now_ms: int) -> None:
        ledger = from_bytes(EdgeLedger, payload)
        _same_edge(edge, ledger.edge)
        days = {self.day(t_ms) for t_ms in range(now_ms - DAYS_BACK_MS, now_ms + DAYS_AHEAD_MS + 1, DAY_MS)}
        kept = (line for line in ledger.lines[:MAX_LEDGER_LINES] if self.quota.books(line, days=days))
        taken.commit.edge_lines |= {(edge, line.meter, line.day): line for line in kept}

    def _set_aside_message(self, edge: str, payload: bytes, error: WireError, taken: Taken, now_ms: int) -> None:
        taken.commit.set_aside.append(SetAside(now_ms, error.reason, error.detail, payload[:4096].decode(errors="replace"), edge))
        taken.commit.books[NOBODY, self.day(now_ms), "quarantined"] += 1


def _edge_of(topic: str) -> str:
    try:
        return parse(topic)[0]
    except WireError:
        return topic[:80]


def _same_edge(topic_says: str, payload_says: str) -> None:
    if topic_says != payload_says:
        raise WireError("edge", f"topic of {topic_says}, payload of {payload_says}")
