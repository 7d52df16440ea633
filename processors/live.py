"""The live board: the newest that is known of every meter and edge, and who wants to hear of changes.

Lives in the event loop alone. Values come by two roads, the live lane and what was stored; the newer one wins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from driftwatt.clock import Clock
from driftwatt.readings import FailedPoll, Reading
from driftwatt.wire import EdgeState, Hello
from processors.pure.board import EdgeNow, MeterNow, Progress, Snapshot
from processors.pure.intake import FUTURE_MS
from processors.pure.outputs import Advice, Readiness

MIN_PAUSE_S = 0.25
MAX_EDGES = 512
MAX_UNLISTED = 50
MAX_ADVICE = 50
CATCHING_UP_MS = 3 * 60_000
"""Rows older than this when they are stored are the past being filled in."""


@dataclass(slots=True)
class Store:
    """How the store does, as the page and `status` show it."""

    ok: bool = True
    lag_s: float = 0.0


@dataclass(slots=True)
class _CatchUp:
    from_ms: int
    at_ms: int


@dataclass(slots=True)
class Board:
    """See processors.view.LiveBoard. `listed` are the meters of the plant file."""

    clock: Clock
    listed: frozenset[str]
    broker: str = ""
    broker_connected: bool = False
    broker_since_ms: int = 0
    store: Store = field(default_factory=Store)
    heard_ms: dict[str, int] = field(default_factory=dict)
    started_ms: int = 0
    edges: dict[str, EdgeNow] = field(default_factory=dict)
    _meters: dict[str, MeterNow] = field(default_factory=dict)
    _unlisted: dict[str, Reading] = field(default_factory=dict)
    _readiness: dict[str, Readiness] = field(default_factory=dict)
    _advice: list[Advice] = field(default_factory=list)
    _history: Progress | None = None
    _catching_up: dict[str, _CatchUp] = field(default_factory=dict)
    _readers: set[asyncio.Queue[str]] = field(default_factory=set)
    _changed: set[str] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _told_s: float = 0.0

    def __post_init__(self) -> None:
        self.started_ms = self.broker_since_ms = self.clock.now_ms()
        self._meters = {meter: MeterNow(meter) for meter in sorted(self.listed)}

    def snapshot(self) -> Snapshot:
        """Return what is known now. Cheap; the result never changes afterwards."""
        return Snapshot(
            meters=dict(self._meters),
            edges=dict(self.edges),
            progress=self._history or self._catch_up(),
            readiness=dict(self._readiness),
            advice=tuple(self._advice),
            unlisted=tuple(self._unlisted.values()),
            broker=self.broker,
            broker_connected=self.broker_connected,
            store_ok=self.store.ok,
            store_lag_s=self.store.lag_s,
            started_ms=self.started_ms,
        )

    def follow(self, listed: frozenset[str]) -> None:
        """Follow a changed plant file: new meters are empty until they are heard, gone ones leave."""
        self.listed = listed
        self._meters = {meter: self._meters.get(meter, MeterNow(meter)) for meter in sorted(listed)}
        self._unlisted = {meter: reading for meter, reading in self._unlisted.items() if meter not in listed}
        self.heard_ms = {meter: at_ms for meter, at_ms in self.heard_ms.items() if meter in listed}

    def subscribe(self) -> asyncio.Queue[str]:
        """Return a bounded queue that receives a word whenever something changed, at most 4 times a second."""
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=16)
        self._readers.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[str]) -> None:
        """Take a queue back; unknown queues are ignored."""
        self._readers.discard(queue)

    def on_rows(self, edge: str, rows: Iterable[Reading | FailedPoll]) -> None:
        """Take rows of one edge, from either road. One of the future would stand for ever as the newest: it is left out."""
        now_ms = self.clock.now_ms()
        latest_ms = now_ms + FUTURE_MS
        newest: dict[str, Reading] = {}
        for row in rows:
            if row.t_ms > latest_ms:
                continue
            if isinstance(row, FailedPoll):
                self._on_reading(newest.pop(row.meter, None), now_ms)
                self._on_failed(row)
            elif row.meter not in newest or row.t_ms > newest[row.meter].t_ms:
                newest[row.meter] = row
        for reading in newest.values():
            self._on_reading(reading, now_ms)
        if edge in self.edges:
            self.edges[edge] = replace(self.edges[edge], last_ms=now_ms)
        self.changed("meters")

    def _on_reading(self, reading: Reading | None, now_ms: int) -> None:
        if reading is None:
            return
        known = self._meters.get(reading.meter)
        if known is None:
            if reading.meter in self._unlisted or len(self._unlisted) < MAX_UNLISTED:
                self._unlisted[reading.meter] = reading
            return
        self.heard_ms[reading.meter] = now_ms
        if known.reading is None or reading.t_ms > known.reading.t_ms:
            self._meters[reading.meter] = _heard(known, reading)

    def _on_failed(self, poll: FailedPoll) -> None:
        known = self._meters.get(poll.meter)
        if known and known.failing_since_ms is None and (known.reading is None or poll.t_ms > known.reading.t_ms):
            self._meters[poll.meter] = replace(known, failing_since_ms=poll.t_ms, fail_reason=poll.reason)

    def on_stored(self, edge: str, newest_ms: int) -> None:
        """Note that rows of `edge` up to `newest_ms` are stored."""
        now_ms = self.clock.now_ms()
        self.store.lag_s = max(0.0, (now_ms - newest_ms) / 1000)
        if now_ms - newest_ms > CATCHING_UP_MS:
            known = self._catching_up.setdefault(edge, _CatchUp(newest_ms, newest_ms))
            known.at_ms = max(known.at_ms, newest_ms)
            self.changed("progress")
        elif self._catching_up.pop(edge, None):
            self.changed("progress")

    def on_history(self, progress: Progress | None) -> None:
        """Note how far the import of history is; None when it is done."""
        self._history = progress
        self.changed("progress")

    def on_state(self, state: EdgeState) -> None:
        """Note how an edge is, as it says or its last will does."""
        now_ms = self.clock.now_ms()
        known = self.edges.get(state.edge)
        if known is None and len(self.edges) >= MAX_EDGES:
            return
        since_ms = known.since_ms if known and known.online == state.online else now_ms
        clock = "unsynced" if any(alarm.code == "clock_unsynced" for alarm in state.alarms) else "ok"
        alarms = tuple(alarm.code for alarm in state.alarms)
        if not state.online and state.edge in self._catching_up:
            del self._catching_up[state.edge]
            self.changed("progress")
        self.edges[state.edge] = EdgeNow(state.edge, state.online, since_ms, now_ms, state.hours_left, clock, alarms)
        self.changed("edges")

    def on_hello(self, hello: Hello) -> None:
        """Note what an edge measures."""
        now_ms = self.clock.now_ms()
        if hello.edge not in self.edges and len(self.edges) >= MAX_EDGES:
            return
        self.edges.setdefault(hello.edge, EdgeNow(hello.edge, online=True, since_ms=now_ms, last_ms=now_ms))
        for said in hello.meters:
            if said.id in self._meters:
                known = self._meters[said.id]
                self._meters[said.id] = replace(known, every_ms=said.every_ms, bus=said.bus, profile=said.profile)
        self.changed("edges")

    def on_readiness(self, readiness: Readiness) -> None:
        """Note how far a baseline is."""
        self._readiness[readiness.meter] = readiness

    def on_advice(self, advice: Advice) -> None:
        """Note what is worth a look."""
        self._advice = [*self._advice[-MAX_ADVICE + 1 :], advice]

    def on_broker(self, *, connected: bool) -> None:
        """Note that the connection to the broker came or went."""
        self.broker_connected = connected
        self.broker_since_ms = self.clock.now_ms()
        self.changed("edges")

    def changed(self, word: str) -> None:
        """Tell every reader, now or when the pause between two words is over."""
        self._changed.add(word)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._told_s + MIN_PAUSE_S), self._tell)

    def _tell(self) -> None:
        self._timer = None
        self._told_s = asyncio.get_running_loop().time()
        for queue in self._readers:
            for word in sorted(self._changed):
                if not queue.full():
                    queue.put_nowait(word)
        self._changed.clear()

    def _catch_up(self) -> Progress | None:
        if not self._catching_up:
            return None
        now_ms = self.clock.now_ms()
        slowest = min(self._catching_up.values(), key=lambda one: one.at_ms)
        return Progress("catch_up", slowest.at_ms - slowest.from_ms, now_ms - slowest.from_ms, slowest.from_ms, slowest.at_ms)


def _heard(known: MeterNow, row: Reading) -> MeterNow:
    """Return what is known after a newer reading. Written out: `replace` takes many times as long, and this is done for every row."""
    failing = known.failing_since_ms if (known.failing_since_ms or 0) > row.t_ms else None
    reason = known.fail_reason if failing else ""
    return MeterNow(known.meter, row, known.every_ms, failing, reason, known.bus, known.profile)
