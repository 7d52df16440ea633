"""From the outbox to the plant: data until it is acknowledged, and what the edge says about itself.

Seconds here are real ones (the event loop's), whatever the plant's clock does: they pace a network.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from collector.announcing import Announcing
from collector.live_lane import LiveLane
from collector.ports import DeedBook, Link, OpenLink, OutboxReader
from collector.pure.sending import Pace, Sending, acknowledged, again, pack, unfounded, want
from collector.pure.unanswered import Trouble, Unanswered
from collector.replaying import Replaying
from driftwatt.adapters.mqtt import BrokerAddress, MqttLink, Will
from driftwatt.clock import Clock
from driftwatt.errors import Refused, Unavailable, WireError
from driftwatt.readings import Row
from driftwatt.topics import topic
from driftwatt.wire import Ack, EdgeAlarm, EdgeState, Hello, from_bytes, read_control, to_bytes

log = logging.getLogger(__name__)

TICK_S = 0.1
IDLE_S = 1.0
PRUNE_S = 30.0


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
    in here; `alarms` adds the daemon's own alarms to those of the outbox; acknowledgements that nothing sent explains go on
    record in `deeds`.
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
        deeds: DeedBook | None = None,
    ) -> None:
        self._edge = edge_id
        self._outbox = outbox
        self._clock = clock
        self._pace = pace or Pace()
        self._deeds = deeds
        self._sending = Sending()
        self._unanswered = Unanswered()
        self._awake = asyncio.Event()
        self._acks: list[Ack] = []
        self._reconnected = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link = open_link(self._message_came, self._connection_changed)
        self._announcing = Announcing(edge_id, outbox, self._link, hello, alarms=alarms, deeds=deeds.newest if deeds else tuple)
        self._lane = LiveLane(edge_id, self._link, clock)
        self._prune_at_s = 0.0
        self._failing = False
        self.replaying = Replaying(edge_id)
        self.ignored = 0
        """Messages to this edge that meant nothing: malformed, unknown epoch, a processor that is gone, a replay too soon after another."""

    @property
    def connected(self) -> bool:
        """True while the broker has accepted us."""
        return self._link.connected

    @property
    def trouble(self) -> Trouble | None:
        """Return the alarm that what is sent does not arrive, None while it may."""
        return self._unanswered.trouble(self._now_s()) if self._loop else None

    def wake(self) -> None:
        """Something was committed: look again soon."""
        self._awake.set()

    def live(self, rows: Sequence[Row]) -> None:
        """Publish the rows of one poll cycle on the live lane. Never waits, never raises, may be lost."""
        self._lane.show(rows)

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
            self._announcing.say_farewell()
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
        if self._loop:
            self._loop.call_soon_threadsafe(self._connected_again if connected else self._connection_lost)

    # Called in the event loop.

    def _connected_again(self) -> None:
        self._reconnected = True
        self._unanswered.connected(self._now_s())
        self.wake()

    def _connection_lost(self) -> None:
        self._unanswered.lost(self._now_s())

    def _ack_came(self, payload: bytes) -> None:
        try:
            ack = from_bytes(Ack, payload)
        except WireError as error:
            self.ignored += 1
            self._refused(f"cannot be read: {error}")
            return
        if ack.edge != self._edge:
            self._refused(f"is for edge {ack.edge}")
        if ack.edge != self._edge or len(self._acks) >= 1000:
            self.ignored += 1
            return
        last = self._acks[-1] if self._acks else None
        if last and (last.epoch, last.by) == (ack.epoch, ack.by):
            self._acks[-1] = replace(last, upto=max(last.upto, ack.upto))
        else:
            self._acks.append(ack)
        self.wake()

    def _refused(self, why: str) -> None:
        if self._deeds:
            self._deeds.note("ack_refused", f"an acknowledgement: {why}")

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
            if self._now_s() >= self._prune_at_s:
                self._prune_at_s = self._now_s() + PRUNE_S
                await self._outbox.prune(self._clock.now_ms())
            if not self._link.connected:
                return
            if self._reconnected:
                self._reconnected = False
                self._sending = again(self._sending)
                self._announcing.forget()
            if self._unanswered.asks(self._now_s()):
                self._announcing.introduce()
            self._announcing.say_hello(self._now_s())
            await self._send()
            await self.replaying.step(self._outbox, lambda message: self._link.publish(topic(self._edge, "d"), message))
            self._announcing.say_state(self._now_s())
            await self._announcing.say_ledger(self._now_s())
            if self._failing:
                log.info("forwarding goes on")
            self._failing = False
        except Unavailable as error:
            log.log(logging.DEBUG if self._failing else logging.WARNING, "forwarding paused: %s", error)
            self._failing = True

    async def _take_acks(self) -> None:
        while self._acks:
            ack = self._acks.pop(0)
            self._unanswered.heard()
            if why := unfounded(self._sending, self._outbox.held(), ack, told=self._announcing.told_epochs):
                self._refused(f"{why}; it is signed {ack.by!r}")
            met = self._sending.by
            self._sending, settle = acknowledged(self._sending, self._outbox.held(), ack, now_s=self._now_s(), pace=self._pace)
            if self._sending.by != met:
                self._announcing.introduce()
            if settle is None:
                self.ignored += 1
            else:
                await self._outbox.settle(settle.epoch, settle.upto, settle.by)
                self._unanswered.settled()

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
                self._unanswered.sent(self._now_s(), len(message))
                if not self._link.publish(topic(self._edge, "d"), message):
                    self._sending = again(self._sending)
                    return

    def _now_s(self) -> float:
        assert self._loop is not None
        return self._loop.time()
