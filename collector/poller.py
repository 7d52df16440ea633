"""One task per bus: asks each meter when it is due, makes one row of each poll, hands rows over for commit.

Never cancelled in the middle of a request: `stop` ends it between two requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from collector.ports import BusFault, MeterBus, Reply, Request, RowSink
from collector.pure.absent import TIMES_TO_SEARCH, Found, Survey, halve
from collector.pure.blocks import Block, MeterPlan
from collector.pure.patience import FRUITLESS_TO_REOPEN, STEP_MS, is_silence, reconnect_delay_s
from collector.pure.roster import MeterState, PolledMeter
from collector.pure.sentinel import Watch
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


@dataclass(frozen=True, slots=True)
class Search:
    """How to find the registers that a device lacks, by meter, and where to keep what was found."""

    surveys: Mapping[str, Survey]
    remember: Callable[[str, Found], None]
    known: Mapping[str, Found]


def _discarded(row: Row) -> Row:
    return FailedPoll(row.meter, row.t_ms, "mismatch", row.duration_ms, row.clock) if isinstance(row, Reading) else row


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
        pace: Pace = Pace(),
        live: Callable[[Sequence[Row]], None] = lambda _rows: None,
        sentinels: Sequence[Request] = (),
        search: Search | None = None,
    ) -> None:
        self.id = bus_id
        self.connected = False
        self._link, self._clock, self._sink, self._stamps, self._pace, self._live = link, clock, sink, stamps, pace, live
        self._meters = [PolledMeter(plan) for plan in plans]
        if search is not None:
            for meter in self._meters:
                survey = search.surveys[meter.plan.meter]
                meter.absent = tuple(survey.where(each) for each in search.known[meter.plan.meter].absent)
        self._watch = Watch(sentinels if link.shared else ())
        self._search = search
        self._unproven: list[Row] = []
        self._proved_s = float("-inf")
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
            if self._unproven:
                await self._hand_over(self._unproven)
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
            if rows and not self._link.shared and self._clock.monotonic_s() - since_s > HAND_OVER_S:
                await self._hand_over(rows)
                rows, since_s = [], self._clock.monotonic_s()
        self._unproven += rows
        if self._unproven and await self._proved():
            rows, self._unproven = self._unproven, []
            await self._hand_over(rows)

    async def _proved(self) -> bool:
        """Read a sentinel once a cycle, and tell whether the rows that wait may be handed over: as they are, or as failed ones."""
        now_s = self._clock.monotonic_s()
        if not self.connected or self._stopping:
            return True
        silent = frozenset(meter.plan.unit for meter in self._meters if meter.breaker.is_open)
        request = self._watch.next(silent) if self._link.shared else None
        if request is None:
            return True
        if now_s - self._proved_s < min(meter.plan.every_s for meter in self._meters) - EARLY_S:
            return False
        self._proved_s = now_s
        try:
            reply = await self._ask(request, probing=True)
        except BusFault as fault:
            if fault.reason in ("exception_1", "exception_2", "exception_3"):
                self._watch.drop(request)
            if fault.link_lost:
                await self._lose_link(fault)
            return True
        if not self._watch.judge(request, reply.registers):
            self._unproven = [_discarded(row) for row in self._unproven]
            why = f"unit {request.unit} is no longer what it was: the whole cycle is discarded"
            await self._lose_link(BusFault("mismatch", why, link_lost=True))
        return True

    async def _hand_over(self, rows: list[Row]) -> None:
        self._live(rows)
        await self._sink.accept(rows)

    async def _poll(self, meter: PolledMeter, now_s: float) -> Row | None:
        """Return the row of one poll, or None when the breaker or a missing link let no request out."""
        if not meter.breaker.allows(now_s):
            meter.count("breaker_open" if meter.breaker.is_open else "busy")
            return None
        full = now_s >= meter.slow_due_s - EARLY_S
        t_ms, clock_state = self._stamps()
        if 0 <= meter.last_ms - t_ms <= STEP_MS:  # small corrections of the clock are followed, but no instant is given twice
            t_ms = meter.last_ms + 1
        values: dict[str, float] = {}
        doubt: dict[str, int] = {}
        poll = await self._ask_all(meter, meter.plan.full if full else meter.plan.fast, values, doubt)
        fault = poll.fault
        if fault is not None and (fault.link_lost or (self._fruitless >= FRUITLESS_TO_REOPEN and not self._link.wired)):
            await self._lose_link(fault)
            if fault.reason == "link" and not poll.answered:
                meter.due_s = now_s  # nothing was asked: first after the next connect
                return None
        if full and poll.answered:
            meter.slow_due_s = now_s + meter.plan.slow_every_s
        self._tell(meter, poll)
        await self._look_for_absent(meter, poll)
        meter.last_ms = t_ms
        duration_ms = round((self._clock.monotonic_s() - now_s) * 1000)
        if values:
            meter.last_ok_ms, meter.failures, meter.reason = t_ms, 0, ""
            return Reading(meter.plan.meter, t_ms, values, doubt, duration_ms, clock_state)
        meter.failures += 1
        meter.reason = fault.reason if fault else "not_available"
        return FailedPoll(meter.plan.meter, t_ms, meter.reason, duration_ms, clock_state)

    async def _look_for_absent(self, meter: PolledMeter, poll: _Poll) -> None:
        """After an illegal address told twice, find the registers behind it by halving and leave them out from then on."""
        search = self._search
        if poll.fault is None or poll.fault.reason != "exception_2" or poll.block is None or search is None:
            meter.illegal = 0 if poll.fault is None else meter.illegal
            return
        meter.illegal += 1
        survey = search.surveys.get(meter.plan.meter)
        if meter.illegal != TIMES_TO_SEARCH or survey is None:
            return
        try:
            absent = await self._halve(survey, poll.block.decoder.quantities)
        except BusFault as fault:
            log.info("bus %s: the search for registers of %s ended early: %s", self.id, meter.plan.meter, fault)
            meter.illegal = 0
            return
        was = search.known.get(meter.plan.meter, Found())
        found = Found(tuple(dict.fromkeys((*was.absent, *absent))), was.narrow or not absent)
        for quantity in absent:
            log.warning("bus %s: %s (unit %d): register %s is not there; it is left out from now on",
                        self.id, meter.plan.meter, meter.plan.unit, survey.where(quantity))  # fmt: skip
        meter.absent = tuple(survey.where(quantity) for quantity in found.absent)
        meter.plan = survey.plan(found)
        search.remember(meter.plan.meter, found)

    async def _halve(self, survey: Survey, quantities: Sequence[str]) -> tuple[str, ...]:
        halving = halve(quantities)
        group = next(halving)
        while True:
            try:
                group = halving.send(await self._legal(survey.requests(group)))
            except StopIteration as done:
                absent: tuple[str, ...] = done.value
                return absent

    async def _legal(self, requests: Sequence[Request]) -> bool:
        for request in requests:
            try:
                await self._ask(request)
            except BusFault as fault:
                if fault.reason != "exception_2":
                    raise
                return False
        return True

    async def _ask_all(self, meter: PolledMeter, blocks: Sequence[Block], values: dict[str, float], doubt: dict[str, int]) -> _Poll:
        """Fill `values` and `doubt` from all blocks. After a silence the rest is not asked: a dead unit costs one timeout a poll."""
        answered, first, at = 0, None, None
        for block in blocks:
            if first is None or not (first.link_lost or is_silence(first.reason)):
                try:
                    reply = await self._ask(block.request, gap_s=meter.plan.gap_s, probing=meter.breaker.is_open)
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

    async def _ask(self, request: Request, *, gap_s: float = 0.0, probing: bool = False) -> Reply:
        """Return a reply that is believed. Raises BusFault. A probe, and a line without transaction ids, see no repetition."""
        tries = 1 if probing or self._link.shared else self._pace.retries + 1
        # A gateway paces its own line, so the model's pause counts only on a line of ours.
        gap_s = max(self._pace.gap_s, gap_s if self._link.shared else 0.0)
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
                if gap_s:
                    await asyncio.sleep(gap_s)

    def _tell(self, meter: PolledMeter, poll: _Poll) -> None:
        word = meter.judge(self._clock.monotonic_s(), answered=poll.answered > 0, fault=poll.fault)
        if word == "recovered":
            log.info("bus %s: %s (unit %d) answers again", self.id, meter.plan.meter, meter.plan.unit)
        elif word != "nothing" and poll.block is not None:
            where = poll.block.request
            log.log(_SPOKEN[word], "bus %s: %s (unit %d), %s registers 0x%04X to 0x%04X: %s", self.id, meter.plan.meter, meter.plan.unit,
                    where.kind, where.address, where.address + where.count - 1, poll.fault)  # fmt: skip
