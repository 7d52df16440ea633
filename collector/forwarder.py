"""From the outbox to the plant: data until it is acknowledged, and what the edge says about itself.

Seconds here are real ones (the event loop's), whatever the plant's clock does: they pace a network.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from collector.ports import Link, OpenLink, OutboxReader
from collector.pure.sending import Pace, Sending, acknowledged, again, pack, want
from collector.replaying import Replaying
from driftwatt.adapters.mqtt import BrokerAddress, MqttLink, Will
from driftwatt.clock import Clock, StridingClock
from driftwatt.errors import Refused, Unavailable, WireError
from driftwatt.readings import Removed, Row
from driftwatt.topics import topic
from driftwatt.wire import (
    Ack,
    EdgeAlarm,
    EdgeLedger,
    EdgeState,
    EpochSpan,
    Hello,
    LedgerLine,
    from_bytes,
    live_bytes,
    read_control,
    row_bytes,
    to_bytes,
)

log = logging.getLogger(__name__)
_T = TypeVar("_T")

TICK_S = 0.1
IDLE_S = 1.0
HELLO_S = 300.0
"""A hello is said again this often: the plant answers with its marks, and what was missed on either side comes to light."""
STATE_S = 10.0
LEDGER_S = 3.0
LEDGER_METERS = 100
"""The books of so many more meters are said once more seldom: each time costs milliseconds for every hundred."""
PRUNE_S = 30.0
STRIDING_LIVE_S = 0.25
PART_BYTES = 48 * 1024
"""A retained message larger than this is sent in parts."""
MAX_EPOCHS_TOLD = 500


def mqtt(edge_id: str, address: BrokerAddress) -> OpenLink:
    """Return what opens the MQTT connection of an edge, with its subscriptions and its last will."""

    def open_link(on_message: Callable[[str, bytes], None], on_change: Callable[[bool], None]) -> Link:
        return MqttLink(
            address,
            client_id=address.username or edge_id,
            subscriptions=((topic(edge_id, "ack"), 1), (topic(edge_id, "ctl"), 1)),
            on_message=on_message,
            on_change=on_change,
            will=Will(topic(edge_id, "state"), to_bytes(EdgeState(edge_id, online=False))),
        )

    return open_link


class Forwarder:
    """Sends what the outbox holds, in order, until the plant says it is stored.

    `open_link` makes the connection (`mqtt(edge_id, address)`); `hello` describes the edge, its epochs are filled
    in here; `alarms` adds the daemon's own alarms to those of the outbox.
    """

    def __init__(
        self,
        edge_id: str,
        outbox: OutboxReader,
        open_link: OpenLink,
        hello: Callable[[], Hello],
        clock: Clock,
        *,
        alarms: Callable[[], tuple[EdgeAlarm, ...]] = lambda: (),
        pace: Pace | None = None,
    ) -> None:
        self._edge = edge_id
        self._outbox = outbox
        self._hello = hello
        self._clock = clock
        self._alarms = alarms
        self._pace = pace or Pace()
        self._sending = Sending()
        self._awake = asyncio.Event()
        self._acks: list[Ack] = []
        self._reconnected = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link = open_link(self._message_came, self._connection_changed)
        self._said: dict[str, object] = {}
        self._due: dict[str, float] = {}
        self._live_at_s = 0.0
        self._fresh: list[Row] = []
        self._failing = False
        self.replaying = Replaying(edge_id)
        self.ignored = 0
        """Messages to this edge that meant nothing: malformed, unknown epoch, a processor that is gone, a replay too soon after another."""

    @property
    def connected(self) -> bool:
        """True while the broker has accepted us."""
        return self._link.connected

    def wake(self) -> None:
        """Something was committed: look again soon."""
        self._awake.set()

    def live(self, rows: Sequence[Row]) -> None:
        """Publish the rows of one poll cycle on the live lane, within TICK_S. Never waits, never raises, may be lost."""
        if self._loop is None or not self._link.connected:
            return
        if isinstance(self._clock, StridingClock) and self._clock.striding:
            if self._loop.time() - self._live_at_s < STRIDING_LIVE_S:
                return
            self._live_at_s = self._loop.time()
            self._fresh.extend(rows)
            self._say_live()
            return
        if not self._fresh:  # the cycles of many buses share a message: one costs as much as a hundred rows
            self._loop.call_later(TICK_S, self._say_live)
        self._fresh.extend(rows)

    def _say_live(self) -> None:
        rows, self._fresh = self._fresh, []
        for group in _in_parts([row_bytes(row) for row in rows if not isinstance(row, Removed)], len):
            self._link.publish(topic(self._edge, "live"), live_bytes(self._edge, group), qos=0)

    async def run(self) -> None:
        """Connect and forward for ever. Cancel it to stop; the connection is closed on the way out."""
        self._loop = asyncio.get_running_loop()
        self._link.start()
        try:
            while True:
                await self._sleep()
                await self._turn()
                await asyncio.sleep(TICK_S)
        finally:
            self._link.publish(topic(self._edge, "state"), to_bytes(EdgeState(self._edge, online=False)), retain=True)
            self._link.stop()

    async def drain(self, deadline_s: float) -> bool:
        """Wait until everything is acknowledged, at most `deadline_s`; for `--once`. Returns whether it was."""
        try:
            async with asyncio.timeout(deadline_s):
                while not all(span.done for span in self._outbox.held()):
                    self.wake()
                    await asyncio.sleep(TICK_S)
        except TimeoutError:
            return False
        return True

    # Called in the network thread.

    def _message_came(self, name: str, payload: bytes) -> None:
        if self._loop and name == topic(self._edge, "ack"):
            self._loop.call_soon_threadsafe(self._ack_came, payload)
        elif self._loop and name == topic(self._edge, "ctl"):
            self._loop.call_soon_threadsafe(self._control_came, payload)

    def _connection_changed(self, connected: bool) -> None:  # noqa: FBT001 — the link calls it with its one flag
        if self._loop and connected:
            self._loop.call_soon_threadsafe(self._connected_again)

    # Called in the event loop.

    def _connected_again(self) -> None:
        self._reconnected = True
        self.wake()

    def _ack_came(self, payload: bytes) -> None:
        try:
            ack = from_bytes(Ack, payload)
        except WireError as error:
            self.ignored += 1
            log.debug("an acknowledgement cannot be read: %s", error)
            return
        if ack.edge != self._edge or len(self._acks) >= 1000:
            self.ignored += 1
            return
        last = self._acks[-1] if self._acks else None
        if last and (last.epoch, last.by) == (ack.epoch, ack.by):
            self._acks[-1] = replace(last, upto=max(last.upto, ack.upto))
        else:
            self._acks.append(ack)
        self.wake()

    def _control_came(self, payload: bytes) -> None:
        try:
            self.replaying.ask(read_control(payload).replay, now_s=self._now_s(), asked_by="the plant")
        except (WireError, Refused) as error:
            self.ignored += 1
            log.info("not obeyed: %s", error)
        self.wake()

    async def _sleep(self) -> None:
        now_s = self._now_s()
        idle_s = 0.0 if self.replaying.running and self._link.connected else IDLE_S
        until_s = min(now_s + idle_s, self._sending.resend_at_s or now_s + idle_s)
        try:
            async with asyncio.timeout(max(0.0, until_s - now_s)):
                await self._awake.wait()
        except TimeoutError:
            pass
        self._awake.clear()

    async def _turn(self) -> None:
        """Do all that is due. A disk that fails is reported by the committer; the next turn tries again."""
        try:
            await self._take_acks()
            if self._is_due("prune", PRUNE_S):
                await self._outbox.prune(self._clock.now_ms())
            if not self._link.connected:
                return
            if self._reconnected:
                self._reconnected = False
                self._sending = again(self._sending)
                self._said.clear()
                self._due.clear()
            self._say_hello()
            await self._send()
            await self.replaying.step(self._outbox, lambda message: self._link.publish(topic(self._edge, "d"), message))
            self._say_state()
            await self._say_ledger()
            if self._failing:
                log.info("forwarding goes on")
            self._failing = False
        except Unavailable as error:
            log.log(logging.DEBUG if self._failing else logging.WARNING, "forwarding paused: %s", error)
            self._failing = True

    async def _take_acks(self) -> None:
        while self._acks:
            ack = self._acks.pop(0)
            met = self._sending.by
            self._sending, settle = acknowledged(self._sending, self._outbox.held(), ack, now_s=self._now_s(), pace=self._pace)
            if self._sending.by != met:
                self._said.pop("hello", None)  # only its last part was retained for a processor that starts now
            if settle is None:
                self.ignored += 1
            else:
                await self._outbox.settle(settle.epoch, settle.upto, settle.by)

    async def _send(self) -> None:
        while True:
            self._sending, fetch = want(self._sending, self._outbox.held(), now_s=self._now_s(), pace=self._pace)
            if fetch is None:
                return
            parcels = await self._outbox.read(fetch.epoch, fetch.first, fetch.max_bytes)
            self._sending, messages = pack(self._sending, self._edge, fetch, parcels, now_s=self._now_s(), pace=self._pace)
            if not messages:
                return
            await self._outbox.claim(fetch.epoch, self._sending.last)
            for message in messages:
                if not self._link.publish(topic(self._edge, "d"), message):
                    self._sending = again(self._sending)
                    return

    def _say_hello(self) -> None:
        held = self._outbox.held()
        told = (*held[: MAX_EPOCHS_TOLD - 1], held[-1]) if len(held) > MAX_EPOCHS_TOLD else held
        hello = self._hello()
        if not self._is_due("hello", HELLO_S) and self._said.get("hello") == (hello, tuple(span.epoch for span in told)):
            return
        spans = tuple(EpochSpan(span.epoch, span.base, span.top) for span in told)
        groups = list(_in_parts(hello.meters, lambda meter: len(str(meter)))) or [[]]
        for number, meters in enumerate(groups, start=1):
            part = replace(hello, epochs=spans, meters=tuple(meters), part=number, parts=len(groups))
            self._link.publish(topic(self._edge, "hello"), to_bytes(part), retain=True)
        self._said["hello"] = (hello, tuple(span.epoch for span in told))

    def _say_state(self) -> None:
        status = self._outbox.status()
        alarms = (*status.alarms, *self._alarms())
        if self._said.get("alarms") == alarms and not self._is_due("state", STATE_S):
            return
        hours = None if status.hours_left is None else round(status.hours_left, 1)
        state = EdgeState(self._edge, online=True, started_ms=self._hello().started_ms, hours_left=hours, alarms=alarms)
        self._link.publish(topic(self._edge, "state"), to_bytes(state), retain=True)
        self._said["alarms"] = alarms

    async def _say_ledger(self) -> None:
        if not self._is_due("ledger", LEDGER_S):
            return
        lines = await self._outbox.ledger_lines()
        today = sum(line.day == lines[-1].day for line in lines)
        self._due["ledger"] += LEDGER_S * (today // LEDGER_METERS)
        for number, group in enumerate(_in_parts(lines, _line_bytes)):
            told = to_bytes(EdgeLedger(self._edge, tuple(group)))
            if self._said.get(f"ledger {number}") != hash(told):
                self._link.publish(topic(self._edge, "ledger"), told, retain=True)
                self._said[f"ledger {number}"] = hash(told)

    def _is_due(self, what: str, every_s: float) -> bool:
        if self._now_s() < self._due.get(what, 0.0):
            return False
        self._due[what] = self._now_s() + every_s
        return True

    def _now_s(self) -> float:
        assert self._loop is not None
        return self._loop.time()


def _line_bytes(line: LedgerLine) -> int:
    return 200 + 40 * (len(line.failed) + len(line.dropped)) + len(line.meter)


def _in_parts(items: Sequence[_T], size: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Yield the items in groups of at most PART_BYTES."""
    group: list[_T] = []
    total = 0
    for item in items:
        if group and total + size(item) > PART_BYTES:
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item) + 1
    if group:
        yield group
