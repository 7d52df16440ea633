"""What an edge says about itself, retained at the broker: who it is, how it is, its books. Said when it changed, and every so often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from collector.ports import Link, OutboxReader
from collector.pure.parts import in_parts
from driftwatt.topics import topic
from driftwatt.wire import EdgeAlarm, EdgeDeed, EdgeLedger, EdgeState, EpochSpan, Hello, LedgerLine, to_bytes

HELLO_S = 300.0
"""A hello is said again this often: the plant answers with its marks, and what was missed on either side comes to light."""
STATE_S = 10.0
LEDGER_S = 3.0
LEDGER_METERS = 100
"""The books of so many more meters are said once more seldom: each time costs milliseconds for every hundred."""
MAX_EPOCHS_TOLD = 500


class Announcing:
    """Says hello, state and books of one edge over its link. `hello` describes the edge, its epochs are filled in here.

    `alarms` adds the daemon's own alarms to those of the outbox, `deeds` are the newest of its audit log.
    """

    def __init__(
        self,
        edge_id: str,
        outbox: OutboxReader,
        link: Link,
        hello: Callable[[], Hello],
        *,
        alarms: Callable[[], tuple[EdgeAlarm, ...]],
        deeds: Callable[[], tuple[EdgeDeed, ...]],
    ) -> None:
        self._edge, self._outbox, self._link = edge_id, outbox, link
        self._hello, self._alarms, self._deeds = hello, alarms, deeds
        self.told_epochs: tuple[str, ...] = ()
        """Epochs that the plant last heard of."""
        self._said: dict[str, object] = {}
        self._due: dict[str, float] = {}

    def forget(self) -> None:
        """Say everything again: the broker may have started empty."""
        self._said.clear()
        self._due.clear()

    def introduce(self) -> None:
        """Say hello again: of a hello in parts a processor that starts now finds only the last one retained."""
        self._said.pop("hello", None)

    def say_hello(self, now_s: float) -> None:
        """Say who the edge is, its meters and epochs; in parts when they are many."""
        held = self._outbox.held()
        told = (*held[: MAX_EPOCHS_TOLD - 1], held[-1]) if len(held) > MAX_EPOCHS_TOLD else held
        says = (self._hello(), tuple(span.epoch for span in told))
        if not self._is_due("hello", HELLO_S, now_s) and self._said.get("hello") == says:
            return
        hello = replace(says[0], epochs=tuple(EpochSpan(span.epoch, span.base, span.top) for span in told))
        groups = list(in_parts(hello.meters, lambda meter: len(str(meter)))) or [[]]
        for number, meters in enumerate(groups, start=1):
            part = replace(hello, meters=tuple(meters), part=number, parts=len(groups))
            self._link.publish(topic(self._edge, "hello"), to_bytes(part), retain=True)
        self._said["hello"] = says
        self.told_epochs = says[1]

    def say_state(self, now_s: float) -> None:
        """Say that it is online, which alarms stand, how long the outbox lasts, what was put on record lately."""
        status = self._outbox.status()
        alarms, deeds = (*status.alarms, *self._alarms()), self._deeds()
        if self._said.get("state") == (alarms, deeds) and not self._is_due("state", STATE_S, now_s):
            return
        hours = None if status.hours_left is None else round(status.hours_left, 1)
        state = EdgeState(self._edge, online=True, started_ms=self._hello().started_ms, hours_left=hours, alarms=alarms, deeds=deeds)
        self._link.publish(topic(self._edge, "state"), to_bytes(state), retain=True)
        self._said["state"] = (alarms, deeds)

    def say_farewell(self) -> None:
        """Say that it leaves, which the broker would say in its place only after a while."""
        self._link.publish(topic(self._edge, "state"), to_bytes(EdgeState(self._edge, online=False)), retain=True)

    async def say_ledger(self, now_s: float) -> None:
        """Say those parts of the books that changed. Raises Unavailable when the outbox cannot be read."""
        if not self._is_due("ledger", LEDGER_S, now_s):
            return
        lines = await self._outbox.ledger_lines()
        today = sum(line.day == lines[-1].day for line in lines)
        self._due["ledger"] += LEDGER_S * (today // LEDGER_METERS)
        for number, group in enumerate(in_parts(lines, _line_bytes)):
            told = to_bytes(EdgeLedger(self._edge, tuple(group)))
            if self._said.get(f"ledger {number}") != hash(told):
                self._link.publish(topic(self._edge, "ledger"), told, retain=True)
                self._said[f"ledger {number}"] = hash(told)

    def _is_due(self, what: str, every_s: float, now_s: float) -> bool:
        if now_s < self._due.get(what, 0.0):
            return False
        self._due[what] = now_s + every_s
        return True


def _line_bytes(line: LedgerLine) -> int:
    return 200 + 40 * (len(line.failed) + len(line.dropped)) + len(line.meter)
