"""One task per bus: asks each meter when it is due, makes one row of each poll, hands rows over for commit.

Never cancelled in the middle of a request: `stop` ends it between two requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from collector.ports import BusFault, MeterBus, Reply, Request, RowSink
from collector.pure.blocks import Block, MeterPlan
from collector.pure.patience import FRUITLESS_TO_REOPEN, STEP_MS, is_silence, reconnect_delay_s
from collector.pure.roster import MeterState, PolledMeter
from collector.pure.validate import check
from driftwatt.clock import Clock
from driftwatt.errors import Unavailable
from driftwatt.readings import ClockState, FailedPoll, Quality, Reading, Row

log = logging.getLogger(__name__)

MISSING = int(Quality.MISSING)
EARLY_S = 0.002
"""Timers wake up to a clock tick early; a poll that is due this soon is due."""
HAND_OVER_S = 0.25
"""Rows of a long cycle do not wait for its end longer than this."""
_SPOKEN = {"complain": logging.WARNING, "repeat": logging.DEBUG}


@dataclass(frozen=True, slots=True)
class Pace:
    """How a bus is driven: pause after each request, repetitions after a timeout, when its first poll is due."""

    gap_s: float = 0.0
    retries: int = 0
    phase_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Poll:
    """What the requests of one poll brought: blocks answered, the first fault and the block that met it."""

    answered: int
    fault: BusFault | None
    block: Block | None


class BusPoller:
    """Owns one bus. `live` gets the rows of each cycle at once, `sink` commits them."""

    def __init__(
        self,
        bus_id: str,
        link: MeterBus,
        plans: Sequence[MeterPlan],
        *,
        clock: Clock,
        sink: RowSink,
        stamps: Callable[[], tuple[int, ClockState]],
        pace: Pace = Pace(),
        live: Callable[[Sequence[Row]], None] = lambda _rows: None,
    ) -> None:
        self.id = bus_id
        self.connected = False
        self._link, self._clock, self._sink, self._stamps, self._pace, self._live = link, clock, sink, stamps, pace, live
        self._meters = [PolledMeter(plan) for plan in plans]
        self._connect_failures = 0
        self._fruitless = 0  # requests in a row that nobody on the bus answered
        self._proven = False  # somebody answered since the link was opened
        self._complained = False
        self._stopping = self._resting = False
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Poll until `stop`. Reconnects by itself; raises only what is a fault of this program."""
        self._task = asyncio.current_task()
        self._all_due(self._clock.monotonic_s() + self._pace.phase_s)
        try:
            while not self._stopping:
                if not self.connected:
                    await self._connect()
                    continue
                await self._cycle(self._due())
                if self.connected:
                    await self._rest(self._clock.sleep_until(min(meter.due_s for meter in self._meters)))
        finally:
            self.connected = False
            await self._link.close()

    async def once(self) -> None:
        """Poll each meter once and disconnect. Raises Unavailable when the bus cannot be opened."""
        try:
            await self._link.open()
            self.connected = True
            await self._cycle(self._meters)
        finally:
            self.connected = False
            await self._link.close()

    def stop(self) -> None:
        """End `run` soon: at once while it rests, or after the request under way."""
        if not self._stopping:
            self._stopping = True
            if self._resting and self._task:
                self._task.cancel()

    def meters(self) -> tuple[MeterState, ...]:
        """Return what is known of each meter."""
        return tuple(meter.state() for meter in self._meters)

    def _all_due(self, at_s: float) -> None:
        for meter in self._meters:
            meter.due_s = at_s

    def _due(self) -> list[PolledMeter]:
        horizon_s = self._clock.monotonic_s() + EARLY_S
        return sorted((meter for meter in self._meters if meter.due_s <= horizon_s), key=lambda meter: meter.due_s)

    async def _rest(self, pause: Awaitable[None]) -> None:
        self._resting = True
        try:
            await pause
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            if self._task:
                self._task.uncancel()
        finally:
            self._resting = False

    async def _connect(self) -> None:
        if self._connect_failures:
            # Real seconds, on purpose: a clock that strides waits for this loop meanwhile.
            await self._rest(asyncio.sleep(reconnect_delay_s(self._connect_failures)))
        if self._stopping:
            return
        try:
            await self._link.open()
        except Unavailable as error:
            self._connect_failures += 1
            log.log(logging.DEBUG if self._complained else logging.WARNING, "bus %s: %s; trying again every 1 to 30 s", self.id, error)
            self._complained = True
            return
        now_s = self._clock.monotonic_s()
        for meter in self._meters:
            if self._connect_failures and meter.due_s < now_s:
                meter.count("link_down", meter.advance(now_s, meter.plan.every_s))
                meter.due_s = now_s
        self.connected, self._proven, self._fruitless = True, False, 0
        if self._complained:
            log.info("bus %s: connected", self.id)
            self._complained = False

    async def _lose_link(self, fault: BusFault) -> None:
        self._connect_failures = 0 if self._proven else self._connect_failures + 1
        log.log(logging.DEBUG if self._complained else logging.WARNING, "bus %s: %s; connecting again", self.id, fault)
        self._complained = True
        self.connected = False
        await self._link.close()

    async def _cycle(self, due: Sequence[PolledMeter]) -> None:
        rows: list[Row] = []
        since_s = self._clock.monotonic_s()
        for meter in due:
            if self._stopping or not self.connected:
                break
            now_s = self._clock.monotonic_s()
            missed = meter.advance(now_s, self._clock.period_s(meter.plan.every_s))
            if missed:
                meter.count("skipped_overrun", missed)
            row = await self._poll(meter, now_s)
            if row is not None:
                rows.append(row)
            if rows and self._clock.monotonic_s() - since_s > HAND_OVER_S:
                await self._hand_over(rows)
                rows, since_s = [], self._clock.monotonic_s()
        if rows:
            await self._hand_over(rows)

    async def _hand_over(self, rows: list[Row]) -> None:
        self._live(rows)
        await self._sink.accept(rows)

    async def _poll(self, meter: PolledMeter, now_s: float) -> Row | None:
        """Return the row of one poll, or None when the breaker or a missing link let no request out."""
        if not meter.breaker.allows(now_s):
            meter.count("breaker_open")
            return None
        full = now_s >= meter.slow_due_s - EARLY_S
        t_ms, clock_state = self._stamps()
        if 0 <= meter.last_ms - t_ms <= STEP_MS:  # small corrections of the clock are followed, but no instant is given twice
            t_ms = meter.last_ms + 1
        values: dict[str, float] = {}
        doubt: dict[str, int] = {}
        poll = await self._ask_all(meter.plan.full if full else meter.plan.fast, values, doubt)
        fault = poll.fault
        if fault is not None and (fault.link_lost or self._fruitless >= FRUITLESS_TO_REOPEN):
            await self._lose_link(fault)
            if fault.reason == "link" and not poll.answered:
                meter.due_s = now_s  # nothing was asked: first after the next connect
                return None
        if full and poll.answered:
            meter.slow_due_s = now_s + meter.plan.slow_every_s
        self._tell(meter, poll)
        meter.last_ms = t_ms
        duration_ms = round((self._clock.monotonic_s() - now_s) * 1000)
        if values:
            meter.last_ok_ms, meter.failures, meter.reason = t_ms, 0, ""
            return Reading(meter.plan.meter, t_ms, values, doubt, duration_ms, clock_state)
        meter.failures += 1
        meter.reason = fault.reason if fault else "not_available"
        return FailedPoll(meter.plan.meter, t_ms, meter.reason, duration_ms, clock_state)

    async def _ask_all(self, blocks: Sequence[Block], values: dict[str, float], doubt: dict[str, int]) -> _Poll:
        """Fill `values` and `doubt` from all blocks. After a silence the rest is not asked: a dead unit costs one timeout a poll."""
        answered, first, at = 0, None, None
        for block in blocks:
            if first is None or not (first.link_lost or is_silence(first.reason)):
                try:
                    reply = await self._ask(block.request)
                except BusFault as fault:
                    if first is None:
                        first, at = fault, block
                else:
                    answered += 1
                    block.decoder.decode_into(reply.registers, values, doubt)
                    continue
            for quantity in block.decoder.quantities:
                doubt[quantity] = MISSING
        return _Poll(answered, first, at)

    async def _ask(self, request: Request) -> Reply:
        """Return a reply that is believed. Raises BusFault."""
        tries = self._pace.retries + 1
        while True:
            tries -= 1
            try:
                reply = await self._link.read(request)
                check(request, reply)
            except BusFault as fault:
                self._fruitless = self._fruitless + 1 if fault.reason == "timeout" else 0
                if fault.reason != "timeout" or fault.link_lost or not tries:
                    raise
            else:
                self._fruitless, self._proven = 0, True
                self._connect_failures = 0
                return reply
            finally:
                if self._pace.gap_s:
                    await asyncio.sleep(self._pace.gap_s)

    def _tell(self, meter: PolledMeter, poll: _Poll) -> None:
        word = meter.judge(self._clock.monotonic_s(), answered=poll.answered > 0, fault=poll.fault)
        if word == "recovered":
            log.info("bus %s: %s (unit %d) answers again", self.id, meter.plan.meter, meter.plan.unit)
        elif word != "nothing" and poll.block is not None:
            where = poll.block.request
            log.log(_SPOKEN[word], "bus %s: %s (unit %d), %s registers 0x%04X to 0x%04X: %s", self.id, meter.plan.meter, meter.plan.unit,
                    where.kind, where.address, where.address + where.count - 1, poll.fault)  # fmt: skip
