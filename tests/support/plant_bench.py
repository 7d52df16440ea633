"""A plant on a bench: the real pipeline over real SQLite files, with a recording link instead of a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from driftwatt.clock import SystemClock
from driftwatt.readings import Reading, Row
from driftwatt.topics import topic
from driftwatt.wire import Ack, from_bytes, message_bytes, row_bytes
from processors.adapters.sqlite import SqliteStore
from processors.adapters.state import SqliteState
from processors.live import Board
from processors.pipeline import Pipeline
from processors.ports import Message, SeriesStore, StateFile
from processors.pure import delivery
from processors.pure.alerts import AlertContext
from processors.pure.calendar import DayCalendar
from processors.pure.detector import Settings
from processors.pure.intake import Intake
from processors.pure.judge import Judge
from processors.pure.policy import MeterPolicy

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
EPOCH = "0123456789abcdef"
NOW_MS = 1_900_000_000_000


class BenchClock(SystemClock):
    """Wall time stands still so that tests know it."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.at_ms = now_ms

    def now_ms(self) -> int:
        return self.at_ms


@dataclass
class LinkLog:
    """Remembers what was published."""

    connected: bool = True
    sent: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        del qos
        self.sent.append((topic, payload, retain))
        return self.connected

    def acks(self) -> list[Ack]:
        return [from_bytes(Ack, payload) for where, payload, _ in self.sent if where.endswith("/ack")]


class Mailbox:
    """Messages put in by the test itself."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.counted_waiting = asyncio.Event()
        self.shown_waiting = asyncio.Event()

    def counted(self, max_bytes: int) -> list[Message]:
        del max_bytes
        taken, self.messages = self.messages, []
        self.counted_waiting.clear()
        return taken

    def shown(self) -> list[Message]:
        return []


def policy(meter: str) -> MeterPolicy:
    calendar = DayCalendar(ZONE)
    return MeterPolicy(meter, "plant", ZONE, calendar, Settings(meter, ZONE, calendar))


def bench(
    folder: Path,
    meters: Sequence[str] = ("m1", "m2"),
    *,
    store: SeriesStore | None = None,
    state: StateFile | None = None,
    clock: BenchClock | None = None,
    owners: dict[str, str | None] | None = None,
    judge: Judge | None = None,
) -> tuple[Pipeline, LinkLog]:
    """Return a pipeline over the files in `folder`, as a processor that starts there."""
    clock = clock or BenchClock()
    link = LinkLog()
    pipeline = Pipeline(
        by="life-1",
        clock=clock,
        store=store or SqliteStore(folder / "store.sqlite3"),
        state=state or SqliteState(folder / "state.sqlite3"),
        link=link,
        mail=Mailbox(),
        board=Board(clock, frozenset(meters)),
        judge=judge or Judge({meter: policy(meter) for meter in meters}, AlertContext("plant")),
        intake=Intake(owners or dict.fromkeys(meters), delivery.begin()),
    )
    return pipeline, link


def reading(meter: str, t_ms: int, power: float = 1000.0, energy: float | None = None) -> Reading:
    values = {"active_power": power} | ({} if energy is None else {"import_energy": energy})
    return Reading(meter, t_ms, values)


def data(seq: int, rows: Sequence[Row], *, edge: str = "hall-a", epoch: str = EPOCH, base: int = 1, n: int | None = None) -> Message:
    """Return a data message."""
    return Message(topic(edge, "d"), message_bytes(edge, epoch, base, seq, [row_bytes(row) for row in rows], n=n))
