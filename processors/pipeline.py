"""The loop of the plant: messages in; stored, judged, committed, acknowledged, shown. In that order.

One cycle takes what waits in the inbox and writes once: readings to the store, then what the engine made of
them, then one state transaction with checkpoint, engine state, books and alerts. Only then is anything
acknowledged or published. A crash anywhere leaves the last commit, and the edges send the rest again.
While the store does not take the readings the cycle waits and the bounded inbox fills; nothing is lost,
because nothing was acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from driftwatt.alerts import Alert
from driftwatt.clock import Clock, StepWatch
from driftwatt.errors import WireError
from driftwatt.topics import topic
from driftwatt.wire import Ack, Hello, from_bytes, to_bytes
from processors.alarms import Alarm, renew
from processors.between import Errands
from processors.live import Board
from processors.patience import Patience
from processors.people import People
from processors.ports import Link, Mail, Message, SeriesStore, StateFile
from processors.pure import delivery
from processors.pure.commit import NOBODY, Commit, Kept
from processors.pure.engine import State
from processors.pure.intake import Intake, Taken
from processors.pure.judge import Judge
from processors.pure.outputs import Output
from processors.pure.past import NEWEST
from processors.pure.presence import EdgesNow
from processors.pure.products import Products
from processors.showing import Showing
from processors.writing import Writing

log = logging.getLogger(__name__)

CYCLE_BYTES = 2 * 1024 * 1024
SLICE_S = 0.02
"""Longest the loop computes without letting the page answer, looked at after so many readings."""
SLICE_ROWS = 64
TICK_S = 1.0
_T = TypeVar("_T")


@dataclass(slots=True)
class Pipeline:
    """One plant at work. `by` names this life of the processor; `announce` publishes alerts that changed.

    `alarms` fade when nothing renews them, `standing` ones stay until somebody takes them back.
    """

    by: str
    clock: Clock
    store: SeriesStore
    state: StateFile
    link: Link
    mail: Mail
    board: Board
    judge: Judge
    intake: Intake
    announce: Callable[[Iterable[Alert]], None] = lambda _alerts: None
    alarms: dict[str, Alarm] = field(default_factory=dict)
    standing: dict[str, Alarm] = field(default_factory=dict)
    storing: Patience = field(init=False)
    keeping: Patience = field(init=False)
    people: People = field(init=False)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _errands: Errands = field(init=False)
    _writing: Writing = field(init=False)
    _showing: Showing = field(init=False)
    _cut: bool = False
    _ticked_s: float = 0.0
    _watch: StepWatch = field(init=False)

    def __post_init__(self) -> None:
        self.storing = Patience("store", self.clock, self._show_store)
        self.keeping = Patience("state file", self.clock)
        self._errands, self._writing = Errands(self._wanted), Writing(self.store, self.storing)
        self.people = People(self.clock, self.state, self.keeping, self.judge, self.board, self._wanted)
        self._showing = Showing(self.board, lambda: self.intake.owners, self.people.audited)
        self._watch = StepWatch(self.clock)

    def _show_store(self) -> None:
        self.board.store.ok = not self.storing.trouble
        self.board.changed("meters")

    async def begin(self) -> None:
        """Go on from what was committed, or from what can be read of it. Raises Unavailable, UnknownMajor."""
        kept = await self.keeping.once(self.state.load)
        self.judge.maintain(kept.maintenance)
        self.judge.restore(kept.parts, {alert.id: alert for alert in kept.alerts})
        self.intake.delivery = delivery.begin(kept.checkpoints)
        hellos = [payload for key, payload in kept.notes.items() if key.startswith("hello:")]
        self.judge.recall(kept, [hello for payload in hellos for hello in self._recalled(payload)])
        await self._own_up(kept)
        await self.people.recall(kept.notes)

    async def _own_up(self, kept: Kept) -> None:
        """Tell what of the state was damaged, leave a line in the books, and have what is missing made again from the store."""
        self._tell_outdated()
        for meter in self.judge.redo.again:
            self.judge.overdue(meter, NEWEST)
        damage = (*kept.damage, *(f"the state of {meter}: {why}" for meter, why in self.judge.redo.broken.items()))
        if not damage:
            return
        now_ms = self.clock.now_ms()
        self.standing["state_damaged"] = Alarm(now_ms, now_ms, "; ".join(damage)[:2000])
        log.error("state damaged: %s", "; ".join(damage)[:2000])
        for meter in self.judge.policies.keys() - self.judge.states.keys():
            self.judge.redo.again.add(meter)
            self.judge.overdue(meter, NEWEST)
        line = Commit(at_ms=now_ms)
        line.books[NOBODY, self.intake.day(now_ms), "state_damaged"] += len(damage)
        await self.keeping.once(self.state.commit, line)

    def _tell_outdated(self) -> None:
        meters: dict[str, list[str]] = {}
        for meter, why in sorted(self.judge.redo.outdated.items()):
            meters.setdefault(why, []).append(meter)
        for why, names in meters.items():
            log.warning("kept by an earlier version (%s), judged again from the store: %s", why, ", ".join(names))

    async def noted(self, key: str) -> int:
        """Return a number committed earlier under `key`, 0 if none was."""
        return int((await self.keeping.once(self.state.load)).notes.get(key, 0))

    async def run(self) -> None:
        """Work until `stop`, then finish the cycle under way. Cancelling it cuts that cycle; its messages come again."""
        showing = asyncio.create_task(self._showing.run(self.mail))
        try:
            while not self.stopping:
                await self._wait()
                await self.cycle(self.mail.counted(CYCLE_BYTES))
                await self._errands.run()
        finally:
            showing.cancel()
            self._errands.give_up()

    async def between(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Have `run` do some work between two of its cycles, where nothing else changes the plant; returns or raises what it does."""
        return await self._errands.ask(work)

    @property
    def stopping(self) -> bool:
        """True from `stop` on."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask `run` to end after the cycle under way."""
        self._stop.set()
        self._wanted.set()

    async def drain(self, deadline_s: float) -> None:
        """Take what still waits after `run` ended, at most `deadline_s`. Nothing relies on it.

        After a cycle that was cut this does nothing: what is in memory is ahead of what is stored, and a commit
        now would acknowledge readings that nobody has.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while not self._cut and (messages := self.mail.counted(CYCLE_BYTES)):
                    await self.cycle(messages)
                if not self._cut:
                    await self.cycle([])
        except TimeoutError:
            log.warning("stopping with messages not taken; they are not acknowledged and come again")

    async def cycle(self, messages: Sequence[Message]) -> None:
        """Take these messages, store, judge, commit, acknowledge, show."""
        self._cut = True
        taken = Taken()
        await self._sliced(messages, lambda message: self._take(message, taken))
        for hello in taken.hellos:
            self._hello(hello)
        if taken.commit.set_aside:
            last = taken.commit.set_aside[-1]
            taken.alarms["quarantine_growing"] = f"{last.edge}: {last.reason}: {last.detail[:200]}"
        renew(self.alarms, taken.alarms, self.clock.now_ms())
        await self.apply(taken, "stored")

    async def apply(self, taken: Taken, word: str) -> int:
        """Store and judge readings, commit all that was taken, acknowledge and show it. `word` counts the readings.

        Returns how many of `taken.readings` the store will never take.
        """
        self._cut = True
        accepted = await self._writing.readings(taken, self.intake, word, self.clock.now_ms())
        self._overdue(taken)
        products, journal = self.people.said()
        chunks = [accepted[at : at + SLICE_ROWS] for at in range(0, len(accepted), SLICE_ROWS)]
        await self._sliced(chunks, lambda chunk: self.judge.on_readings(chunk, products))
        if self.clock.monotonic_s() - self._ticked_s >= TICK_S:
            self._ticked_s = self.clock.monotonic_s()
            if step_s := self._watch.look():
                await self.people.audit("processor", "clock_step", f"the clock was set {step_s:+.1f} s")
            now_ms, board = self.clock.now_ms(), self.board
            broker_ms = max(board.broker_since_ms, board.started_ms) if board.broker_connected else None
            edges = EdgesNow.of(board.edges, self.intake.owners, now_ms, broker_ms=broker_ms)
            self.judge.on_tick(now_ms, board.heard_ms, products, started_ms=board.started_ms, edges=edges)
        await self._writing.products(products)
        await self._commit(taken.commit, products, journal)
        self._cut = False
        self._acknowledge(taken)
        self._show(taken, products)
        return len(taken.readings) - len(accepted)

    def _overdue(self, taken: Taken) -> None:
        """Note whose state does not follow from what is stored: rows may lie behind a gap, or came in a replay."""
        for edge in {gap.edge for gap in taken.commit.gaps}:
            for meter, owner in self.intake.owners.items():
                if owner in (edge, None):
                    self.judge.overdue(meter, self.judge.seen_ms(meter) + 1)
        for reading in taken.again:
            self.judge.overdue(reading.meter, reading.t_ms)

    async def replace(self, meter: str, state: State, findings: Iterable[Output], commit: Commit) -> None:
        """Go on with a state of a meter that was made again; between two cycles only."""
        self._cut = True
        products, journal = self.people.said()
        self.judge.replaced(meter, state, findings, products)
        await self._writing.products(products)
        await self._commit(commit, products, journal)
        self._cut = False
        self._show(Taken(), products)

    async def _wait(self) -> None:
        waiting = {asyncio.ensure_future(event.wait()) for event in (self.mail.counted_waiting, self._wanted)}
        try:
            await asyncio.wait(waiting, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiting:
                waiter.cancel()
        self._wanted.clear()

    def _take(self, message: Message, taken: Taken) -> None:
        if not self.judge.heed(message.topic, message.payload, self.clock.now_ms()):
            self.intake.take(message.topic, message.payload, taken, now_ms=self.clock.now_ms())

    def _recalled(self, payload: str) -> Iterable[Hello]:
        try:
            hello = from_bytes(Hello, payload.encode())
        except WireError as error:
            log.info("a hello of an earlier version is not used: %s", error)
            return ()
        self.board.on_hello(hello)
        self.intake.delivery = delivery.recall(self.intake.delivery, hello.edge, hello.epochs)
        return (hello,)

    def _hello(self, hello: Hello) -> None:
        self.judge.on_hello(hello)
        self.board.on_hello(hello)

    async def _sliced(self, items: Iterable[_T], work: Callable[[_T], None]) -> None:
        """Do the work on each item, giving way to the page every few milliseconds."""
        until_s = self.clock.monotonic_s() + SLICE_S
        for item in items:
            work(item)
            if self.clock.monotonic_s() >= until_s:
                await asyncio.sleep(0)
                until_s = self.clock.monotonic_s() + SLICE_S

    async def _commit(self, commit: Commit, products: Products, journal: int) -> None:
        commit.at_ms = self.clock.now_ms()
        self.judge.past(commit)
        commit.parts = self.judge.parts()
        commit.alerts = products.alerts
        self.people.note(commit, journal)
        if commit:
            await self.keeping.until_done(self.state.commit, commit)

    def _show(self, taken: Taken, products: Products) -> None:
        self._showing.cycle(taken, products)
        if products.alerts:
            self.announce(products.alerts.values())

    def _acknowledge(self, taken: Taken) -> None:
        for (edge, epoch), upto in taken.acks.items():
            self.link.publish(topic(edge, "ack"), to_bytes(Ack(edge, epoch, upto, self.by)))
