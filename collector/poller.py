"""One task per bus: asks each meter when it is due, makes one row of each poll, hands rows over for commit.

Never cancelled in the middle of a request: `stop` ends it between two requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from collector.asking import Asker, Pace
from collector.ports import BusFault, MeterBus, Request, RowSink
from collector.proof import Proof
from collector.pure.answers import Answers
from collector.pure.blocks import MeterPlan
from collector.pure.patience import FRUITLESS_TO_REOPEN, STEP_MS, reconnect_delay_s
from collector.pure.roster import MeterState, PolledMeter
from collector.searching import Search, Searcher
from driftwatt.clock import Clock
from driftwatt.errors import Unavailable
from driftwatt.readings import ClockState, FailedPoll, Row

__all__ = ["BusPoller", "Pace", "Search"]

log = logging.getLogger(__name__)

NO_PACE = Pace()
EARLY_S = 0.002
"""Timers wake up to a clock tick early; a poll that is due this soon is due."""
HAND_OVER_S = 0.25
"""Rows of a long cycle do not wait for its end longer than this."""
_SPOKEN = {"complain": logging.WARNING, "repeat": logging.DEBUG}


class BusPoller:
    """Owns one bus. `live` gets the rows of each cycle at once, `sink` commits them.

    On a line whose replies do not say what they answer, rows wait until a sentinel of `sentinels` has proved that
    requests and replies still belong together; one that does not match costs the rows and the connection.
    """

    def __init__(
        self,
        bus_id: str,
        link: MeterBus,
        plans: Sequence[MeterPlan],
        *,
        clock: Clock,
        sink: RowSink,
        stamps: Callable[[], tuple[int, ClockState]],
        pace: Pace = NO_PACE,
        live: Callable[[Sequence[Row]], None] = lambda _rows: None,
        sentinels: Sequence[Request] = (),
        search: Search | None = None,
    ) -> None:
        self.id = bus_id
        self.connected = False
        self._link, self._clock, self._sink, self._stamps, self._live = link, clock, sink, stamps, live
        self._phase_s = pace.phase_s
        self._meters = [PolledMeter(plan) for plan in plans]
        self._asker = Asker(link, pace)
        self._proof = Proof(sentinels, self._asker) if link.shared else None
        self._searcher = Searcher(bus_id, self._asker, search)
        for meter in self._meters:
            self._searcher.recall(meter)
        self._connect_failures = 0
        self._complained = False
        self._stopping = self._resting = False
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Poll until `stop`. Reconnects by itself; raises only what is a fault of this program."""
        self._task = asyncio.current_task()
        self._all_due(self._clock.monotonic_s() + self._phase_s)
        if self._phase_s:  # hundreds of buses do not connect at once either
            await self._rest(self._clock.sleep_until(self._meters[0].due_s))
        try:
            while not self._stopping:
                if not self.connected:
                    await self._connect()
                    continue
                await self._cycle(self._due())
                if self.connected:
                    await self._rest(self._clock.sleep_until(min([meter.due_s for meter in self._meters])))
            if self._proof is not None and (rows := self._proof.rest()):
                await self._hand_over(rows)
        finally:
            self.connected = False
            await self._link.close()

    async def once(self) -> None:
        """Poll each meter once and disconnect. Raises Unavailable when the bus cannot be opened."""
        try:
            await self._link.open()
            self.connected = True
            await self._cycle(self._meters)
        except Unavailable as error:
            raise Unavailable(f"bus {self.id}: {error}") from error
        finally:
            self.connected = False
            await self._link.close()

    def stop(self) -> None:
        """End `run` soon: at once while it rests, or after the request under way."""
        if not self._stopping:
            self._stopping = True
            if self._resting and self._task:
                self._task.cancel()

    @property
    def is_down(self) -> bool:
        """Whether the line was lost, or could not be opened, and is not back."""
        return self._complained and not self.connected

    def meters(self) -> tuple[MeterState, ...]:
        """Return what is known of each meter; on a line that is down none answers."""
        known = [meter.state() for meter in self._meters]
        return tuple([replace(each, state="silent", reason="link") for each in known] if self.is_down else known)

    def silent(self) -> tuple[MeterState, ...]:
        """Return what is known of the meters that do not answer though their line is up."""
        return tuple([meter.state() for meter in self._meters if meter.failures and meter.breaker.is_open])

    def _all_due(self, at_s: float) -> None:
        for meter in self._meters:
            meter.due_s = at_s

    def _due(self) -> list[PolledMeter]:
        horizon_s = self._clock.monotonic_s() + EARLY_S
        due = [meter for meter in self._meters if meter.due_s <= horizon_s]
        due.sort(key=lambda meter: meter.due_s)
        return due

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
        self.connected, self._asker.proven, self._asker.fruitless = True, False, 0
        if self._complained:
            log.info("bus %s: connected", self.id)
            self._complained = False

    async def _lose_link(self, fault: BusFault) -> None:
        self._connect_failures = 0 if self._asker.proven else self._connect_failures + 1
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
                if self._proof is None and self._clock.monotonic_s() - since_s > HAND_OVER_S:
                    await self._hand_over(rows)
                    rows, since_s = [], self._clock.monotonic_s()
        if self._proof is not None:
            rows = await self._proved(self._proof, rows)
        if rows:
            await self._hand_over(rows)

    async def _proved(self, proof: Proof, rows: list[Row]) -> list[Row]:
        """Return the rows that may be handed over, of these and those that wait."""
        proof.add(rows)
        if not self.connected or self._stopping:
            return proof.rest()
        good, fault = await proof.settle(self._meters, self._clock.monotonic_s())
        if fault is not None:
            await self._lose_link(fault)
        return good

    async def _hand_over(self, rows: list[Row]) -> None:
        self._live(rows)
        await self._sink.accept(rows)

    async def _poll(self, meter: PolledMeter, now_s: float) -> Row | None:
        """Return the row of one poll, or None when the breaker or a missing link let no request out."""
        plan = meter.plan
        if not meter.breaker.allows(now_s):
            meter.count("breaker_open" if meter.breaker.is_open else "busy")
            return None
        full = now_s >= meter.slow_due_s - plan.every_s / 2  # the nearest poll: a cycle is now a bit earlier, now a bit later
        t_ms, clock_state = self._stamps()
        if 0 <= meter.last_ms - t_ms <= STEP_MS:  # small corrections of the clock are followed, but no instant is given twice
            t_ms = meter.last_ms + 1
        answers = await self._asker.blocks(plan.full if full else plan.fast, gap_s=plan.gap_s, probing=meter.breaker.is_open)
        fault = answers.fault
        if fault is not None and (fault.link_lost or (self._asker.fruitless >= FRUITLESS_TO_REOPEN and not self._link.wired)):
            await self._lose_link(fault)
            if fault.reason == "link" and not answers.answered:
                meter.due_s = now_s  # nothing was asked: first after the next connect
                return None
        if full and answers.answered:
            meter.slow_due_s = now_s + plan.slow_every_s
        ended_s = self._clock.monotonic_s()
        self._tell(meter, answers, ended_s)
        if fault is not None or meter.illegal:
            await self._searcher.after(meter, answers)
            ended_s = self._clock.monotonic_s()
        meter.last_ms = t_ms
        duration_ms = round((ended_s - now_s) * 1000)
        reading = answers.reading(plan.meter, t_ms, duration_ms, clock_state)
        if reading is not None:
            meter.last_ok_ms, meter.failures, meter.reason = t_ms, 0, ""
            return reading
        meter.failures += 1
        meter.reason = fault.reason if fault else "not_available"
        return FailedPoll(plan.meter, t_ms, meter.reason, duration_ms, clock_state)

    def _tell(self, meter: PolledMeter, answers: Answers, now_s: float) -> None:
        word = meter.judge(now_s, answered=answers.answered > 0, fault=answers.fault)
        if word == "recovered":
            log.info("bus %s: %s (unit %d) answers again", self.id, meter.plan.meter, meter.plan.unit)
        elif word != "nothing" and answers.block is not None:
            where = answers.block.request
            log.log(_SPOKEN[word], "bus %s: %s (unit %d), %s registers 0x%04X to 0x%04X: %s", self.id, meter.plan.meter, meter.plan.unit,
                    where.kind, where.address, where.address + where.count - 1, answers.fault)  # fmt: skip
