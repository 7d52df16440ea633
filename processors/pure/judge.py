"""All meters of a plant under judgement: engine states, the book of alerts, and what follows from each step.

Holds state and changes in place, but does no I/O and reads no clock. What a step produces is collected in
`Products`; what has to be kept is asked for with `parts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter

from driftwatt.alerts import Alert, alert_id
from driftwatt.errors import Outdated, UnknownMajor, WireError
from driftwatt.readings import Reading
from driftwatt.wire import Hello
from processors.pure import alerts, clean, engine, repair, savings
from processors.pure.alerts import AlertContext, Change, Told
from processors.pure.answering import tried
from processors.pure.board import Answer
from processors.pure.commit import Commit, Kept
from processors.pure.detector import DetectorState
from processors.pure.drivers import Drivers
from processors.pure.maintenance import Maintenance, policy_with
from processors.pure.memory import Memory
from processors.pure.outputs import Output
from processors.pure.parts import Parts
from processors.pure.past import NEWEST, TOLD, facts_of, plan_of, with_facts
from processors.pure.policy import MeterPolicy
from processors.pure.presence import NO_EDGES, EdgesNow
from processors.pure.products import Products
from processors.pure.record import Record
from processors.pure.redo import Redo
from processors.pure.states import States
from processors.pure.witnesses import explained

SILENT_MS = 5 * 60_000
"""Silence of a meter shorter than this, or than ten polls, is never news."""
POLLS_MISSED = 10
_METER = attrgetter("meter")


@dataclass(slots=True)
class Judge:
    """Engine states by meter and the book of alerts; `redo` says which states have to be made again.

    What that needs is written down in `record` and handed over with `past`. `_due` are the meters that may need a snapshot although
    no reading touched them.
    """

    policies: dict[str, MeterPolicy]
    context: AlertContext
    book: alerts.AlertBook = field(default_factory=dict)
    states: States = field(default_factory=States)
    redo: Redo = field(default_factory=Redo)
    record: Record = field(default_factory=Record)
    maintenance: dict[str, Maintenance] = field(default_factory=dict)
    _due: set[str] = field(default_factory=set)
    _touched: set[str] = field(default_factory=set)
    _kept: Parts = field(default_factory=Parts)
    _followed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _drivers: Drivers | None = None
    _moved_thresholds: bool = False

    def __post_init__(self) -> None:
        self._name_plans()

    @property
    def drivers(self) -> Drivers | None:
        """What drives meters of this plant; None where nothing does."""
        return self._drivers

    def heed(self, topic: str, payload: bytes, now_ms: int) -> bool:
        """Take a message that is a driver's; False for any other."""
        return self._drivers is not None and self._drivers.message(topic, payload, now_ms)

    def _name_plans(self) -> None:
        self._drivers = next((policy.drivers.book for policy in self.policies.values() if policy.drivers), None)
        known: dict[int, str] = {}
        self.record.plans = {meter: plan_of(policy, known) for meter, policy in self.policies.items()}
        self._due = set(self.policies)

    def recall(self, kept: Kept, hellos: Iterable[Hello]) -> None:
        """Go on with the snapshots, moves and late readings of the life before, and with what the edges had said then."""
        self.record.recall(kept)
        self.redo.recall(kept.late, listed=self.policies, known=self.states.keys())
        facts = self.record.facts = {meter: facts for meter, facts in kept.facts.items() if meter in self.policies}
        told = {said.id: said for hello in hellos for said in hello.meters}
        for meter in facts.keys() - told.keys():
            if facts[meter]:
                self._said(meter, "")
        for said in told.values():
            if said.id in self.policies:
                self._said(said.id, facts_of(said))

    def restore(self, parts: Mapping[str, Mapping[str, bytes]], book: Mapping[str, Alert]) -> None:
        """Go on from what was kept, or what is left of it. Raises UnknownMajor for a state of a newer version."""
        self.book = dict(book)
        self._followed = savings.by_meter(book.values())
        if self._drivers is not None:
            self._drivers.restore(parts)
        for meter, stored in parts.items():
            if meter in self.policies:
                self._take_up(meter, stored)

    def _take_up(self, meter: str, stored: Mapping[str, bytes]) -> None:
        state: engine.State | None
        try:
            state = engine.restore(stored)
        except UnknownMajor as error:
            raise UnknownMajor("state", f"that of {meter} was kept by a newer program: {error}") from error
        except (WireError, KeyError) as error:
            self.redo.unreadable(meter, error)
            state, stored = engine.rest(stored, self.policies[meter]), {}
        if state is not None:
            self.states[meter] = state
            self._kept.found(state, stored)

    def follow(self, policies: Mapping[str, MeterPolicy], context: AlertContext, parts: Mapping[str, Mapping[str, bytes]]) -> None:
        """Follow changed files. A meter that comes back goes on from its kept parts; one that is gone is judged no more.

        What edges said of their meters has to be told again with `on_hello`. Raises as `restore` does.
        """
        back = {
            meter: stored
            for meter, stored in parts.items()
            if meter in policies and meter not in self.states and meter not in self.redo.again
        }
        for stored in back.values():
            with suppress(Outdated):
                engine.restore(stored)
        for meter in self.states:
            self.states.end_run(meter)
        listed = {meter: policy_with(policy, self.maintenance) for meter, policy in policies.items()}
        self.policies = {meter: with_facts(policy, self.record.facts.get(meter, "")) for meter, policy in listed.items()}
        self._moved_thresholds |= context.thresholds != self.context.thresholds
        self.context, before = context, self._drivers
        self._name_plans()
        if self._drivers is not None:
            self._drivers.inherit(before)
        for meter, stored in back.items():
            self._take_up(meter, stored)
        for meter in self.redo.again & back.keys():
            self.overdue(meter, NEWEST)

    def maintain(self, windows: Iterable[Maintenance]) -> None:
        """Follow maintenance windows that were set or ended; those known before stay."""
        self.maintenance |= {each.id: each for each in windows}
        for meter, policy in self.policies.items():
            followed = policy_with(policy, self.maintenance)
            if followed is not policy:
                self.states.end_run(meter)
                self.policies[meter], self.record.plans[meter] = followed, plan_of(followed)
                self._due.add(meter)

    def on_hello(self, hello: Hello) -> None:
        """Take over what an edge says about its meters."""
        for said in hello.meters:
            if said.id in self.policies:
                self._said(said.id, facts_of(said))

    def on_readings(self, readings: Sequence[Reading], products: Products) -> None:
        """Judge readings of listed meters, in order."""
        if self.drivers is not None:
            self.drivers.feed(readings)
        self._touched.update(map(_METER, readings))
        for reading in self.states.take(readings):
            self._with_care(reading, products)

    def _with_care(self, reading: Reading, products: Products) -> None:
        """Take a reading that its meter's run does not take, perhaps as the first one of another run."""
        meter, policy = reading.meter, self.policies[reading.meter]
        state = self.states.get(meter)
        if state is None:
            state = self.states[meter] = engine.begin(meter, policy)
            if meter not in self.redo.again:
                self.record.begins(meter, reading.t_ms)
        elif reading.t_ms <= state.energy.seen_ms:
            self.overdue(meter, reading.t_ms)
        if self.states.begin_run(reading, policy):
            return
        before = state.detector
        self.states[meter], outputs = engine.with_care(state, reading, policy)
        if outputs:
            self._all(outputs, products, before)
            if meter in self._followed and meter not in self.redo.again:
                self._follow_savings(meter, reading.t_ms, products)

    def overdue(self, meter: str, from_ms: int) -> None:
        """Note that the state of a meter has to be made again from an instant on."""
        if meter in self.policies:
            self.redo.overdue(meter, from_ms)

    def seen_ms(self, meter: str) -> int:
        """Return the time of the newest reading of a meter that was judged, -1 before the first."""
        return self.states.seen_ms(meter)

    def on_tick(
        self, now_ms: int, heard_ms: Mapping[str, int], products: Products, *, started_ms: int = 0, edges: EdgesNow = NO_EDGES
    ) -> None:
        """Let time pass. `heard_ms` tells when a reading of a meter last arrived; one that catches up is not silent.

        A meter that was not heard since `started_ms` is given the usual time before its silence is news; in a shutdown it is none.
        """
        products.drivers += self._drivers.hours() if self._drivers else ()
        told = alerts.silent_meters(self.book)
        self._change(alerts.on_edges(self.book, edges.lost, at_ms=now_ms, context=self.context), products)
        for meter, policy in self.policies.items():
            silent_ms = now_ms - max(heard_ms.get(meter, started_ms), edges.back_ms(meter))
            if silent_ms >= max(SILENT_MS, POLLS_MISSED * policy.every_ms):
                since_ms = now_ms - silent_ms
                if policy.calendar.closed(now_ms, now_ms + 1):
                    continue
                if meter not in told and not edges.takes_along(meter):
                    self._change(alerts.on_silence(self.book, meter, since_ms=since_ms, at_ms=now_ms, context=self.context), products)
                self._wake(meter, now_ms, products)
            elif meter in heard_ms and meter in told:
                self._change(alerts.on_voice(self.book, meter, at_ms=now_ms), products)
        self._change(alerts.settled(alerts.on_time(self.book, now_ms), self.context, now_ms), products)
        if self._moved_thresholds:
            self._change(alerts.on_thresholds(self.book, self.context), products)
            self._moved_thresholds = False

    def on_answer(self, answer: Answer, products: Products) -> Alert:
        """Take a person's answer. Raises as `answering.tried` does."""
        self._change(alerts.settled(tried(self.book, answer), self.context, answer.at_ms), products)
        return self.book[answer.alert]

    def memory(self, meter: str) -> Memory | None:
        """Return what detection remembers of a meter, None of one that was never heard."""
        return self.states[meter].detector.memory if meter in self.states else None

    def parts(self) -> dict[tuple[str, str], bytes]:
        """Return the parts of engine states that changed since they were last asked for, by (meter, name)."""
        out: dict[tuple[str, str], bytes] = {}
        for meter in self._touched:
            again = meter in self.redo.again
            if again and meter not in self._kept:
                continue
            changed = self._kept.changed(self.states[meter], detector=not again)
            out |= {(meter, name): part for name, part in changed.items()}
        self._touched.clear()
        return out | (self._drivers.parts() if self._drivers else {})

    def past(self, commit: Commit) -> None:
        """Add to a commit the moves since the last one, the snapshots due, and what became late. Ask before `parts`.

        A snapshot is due before the first reading of a meter, with the first of each UTC day, and when its policy changed; not of a
        state that is made again.
        """
        self.record.hand_over(commit)
        due, self._due = self._touched | self._due, set()
        for meter in due & self.states.keys() & self.policies.keys() - self.redo.again:
            if self.record.is_due(meter, self.seen_ms(meter)):
                commit.snapshots.append(self.record.snapshot(meter, self.seen_ms(meter), engine.parts(self.states[meter])))
        self.redo.hand_over(commit)

    def replaced(self, meter: str, state: engine.State, findings: Iterable[Output], products: Products) -> None:
        """Go on with a state that was made again; what it found is told to the alerts."""
        self.states[meter] = state
        self._touched.add(meter)
        self._kept.forget(meter)
        self.redo.settled(meter)
        self._all(findings, products)

    def right_until_ms(self, meter: str) -> int:
        """Return up to which instant the stored intervals of a meter are right although its state is made again, else -1.

        Where only the detector is of an earlier version nothing is wrong with them, and the past keeps the ratios and prices it had.
        """
        return self.redo.late.get(meter, NEWEST) if meter in self.redo.outdated and meter in self._kept else -1

    def _said(self, meter: str, facts: str) -> None:
        """Follow what an edge says of a meter; `facts` is empty when it says nothing any more."""
        if self.record.facts.get(meter, "") != facts and meter in self.states:
            self.record.moved(meter, self.seen_ms(meter), "hello", facts)
        self.record.facts[meter] = facts
        self.states.end_run(meter)
        self.policies[meter] = with_facts(self.policies[meter], facts)

    def _wake(self, meter: str, now_ms: int, products: Products) -> None:
        state = self.states.get(meter)
        due_ms = engine.wake_at(state) if state else None
        if state and due_ms is not None and due_ms <= now_ms:
            self.record.moved(meter, self.seen_ms(meter), "wake", str(now_ms))
            self.states[meter], outputs = engine.on_wake(state, now_ms, self.policies[meter])
            self._touched.add(meter)
            self._all(outputs, products, state.detector)

    def _all(self, outputs: Iterable[Output], products: Products, before: DetectorState | None = None) -> None:
        """Take what a step brought; `before` is what the meter's detector knew until then."""
        for finding in products.take(outputs):
            causes = explained(finding, self.context.feeds, self.states, self.policies)
            self._change(alerts.on_output(self.book, finding, self.context, causes, repair.freeze(finding, before)), products)

    def _follow_savings(self, meter: str, at_ms: int, products: Products) -> None:
        """Show the days that are over to the savings of a meter's repaired alerts."""
        for identity in self._followed[meter]:
            was = self.book[identity]
            if was.saving is None:
                continue
            days = clean.excess_after(self.states[meter].detector, savings.reference(was.saving), was.saving.ordinal)
            alert = savings.book(was, days, at_ms)
            if alert is not was:
                self._change(Change({**self.book, identity: alert}, (alert,)), products)

    def _change(self, change: Change, products: Products) -> None:
        self.book = change.book
        for alert in change.changed:
            self._show(alert, products)
        for told in change.told:
            state, policy = self.states.get(told.meter), self.policies.get(told.meter)
            if told.what == "fixed":
                self._begin_saving(told, None if state is None else state.detector, products)
            if state is None or policy is None:
                continue
            self.record.moved(told.meter, self.seen_ms(told.meter), "answer", TOLD.dump_json(told).decode())
            self.states[told.meter], outputs = engine.answer(
                state, policy, channel=told.channel, since_ms=told.since_ms, what=told.what, at_ms=told.at_ms
            )
            self._touched.add(told.meter)
            self._all(outputs, products)

    def _begin_saving(self, told: Told, state: DetectorState | None, products: Products) -> None:
        """Freeze the clean reference of a repaired alert, before the detector lets go of it."""
        identity = alert_id(self.context.plant, told.meter, told.channel, told.since_ms)
        policy = self.policies.get(told.meter)
        if self.book[identity].parent is not None or policy is None:
            return  # hidden under another alert, whose saving is the same energy
        alert = repair.begin(self.book[identity], told, state, policy.settings, self.context)
        self.book = {**self.book, identity: alert}
        self._show(alert, products)

    def _show(self, alert: Alert, products: Products) -> None:
        products.show(alert)
        if alert.saving is not None:
            self._followed = savings.by_meter(self.book.values())
