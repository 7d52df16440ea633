"""A meter's state made again from a snapshot: stored readings in order of time, and the moves, each in its place.

What comes out is the state that a plant would have which took all of it in order; what was told on the way is collected,
so that the shell can write what differs from what is stored. Nothing here knows of stores or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from driftwatt.errors import UnknownMajor, WireError
from driftwatt.readings import Reading
from processors.pure import engine
from processors.pure.outputs import MAX_REV_MS, DataFinding, IntervalEnergy, Output, WasteFinding
from processors.pure.past import DAY_MS, TOLD, Move, Snapshot, with_facts
from processors.pure.policy import MeterPolicy


@dataclass(slots=True)
class Retake:
    """One meter on its way from a snapshot to now. `policy` is the people's part as it is today.

    `intervals` and `findings` are what was told on the way (of a finding only its last word), `snapshots` those taken at
    the first reading of each UTC day.
    """

    meter: str
    policy: MeterPolicy
    state: engine.State
    facts: str
    number: int
    plan: str
    intervals: list[IntervalEnergy] = field(default_factory=list)
    findings: dict[tuple[str, str, int], Output] = field(default_factory=dict)
    snapshots: list[Snapshot] = field(default_factory=list)
    _day: int = 0

    @classmethod
    def begin(cls, snapshot: Snapshot, policy: MeterPolicy, plan: str) -> Retake:
        """Go on from a snapshot. Raises as `engine.restore` does."""
        policy = with_facts(policy, snapshot.facts)
        state = engine.begin(snapshot.meter, policy) if snapshot.blank else engine.restore(snapshot.parts)
        return cls(snapshot.meter, policy, state, snapshot.facts, snapshot.number, plan, _day=snapshot.t_ms // DAY_MS)

    @property
    def seen_ms(self) -> int:
        """The newest reading taken, -1 before the first."""
        return self.state.energy.seen_ms

    def take(self, readings: Iterable[Reading], moves: Sequence[Move]) -> None:
        """Take readings, ascending, and in between the moves that were made before each; `moves` ascend by number."""
        rest = [move for move in moves if move.number > self.number]
        at = 0
        for reading in readings:
            while at < len(rest) and rest[at].after_ms < reading.t_ms:
                self._move(rest[at])
                at += 1
            self.state, outputs = engine.on_reading(self.state, reading, self.policy)
            if outputs:
                self._keep(outputs)
            if self.seen_ms // DAY_MS > self._day:
                self._day = self.seen_ms // DAY_MS
                self.snapshots.append(self.snapshot())

    def finish(self, moves: Sequence[Move]) -> None:
        """Make the moves that came after the last reading."""
        for move in moves:
            if move.number > self.number:
                self._move(move)

    def snapshot(self) -> Snapshot:
        """Return the state as it is now."""
        return Snapshot(self.meter, self.seen_ms, self.number, self.plan, self.facts, engine.parts(self.state))

    def _move(self, move: Move) -> None:
        outputs: tuple[Output, ...] = ()
        if move.what == "hello":
            self.facts = move.body
            self.policy = with_facts(self.policy, move.body)
        elif move.what == "wake":
            self.state, outputs = engine.on_wake(self.state, int(move.body), self.policy)
        else:
            told = TOLD.validate_json(move.body)
            self.state, outputs = engine.answer(
                self.state, self.policy, channel=told.channel, since_ms=told.since_ms, what=told.what, at_ms=told.at_ms
            )
        self.number = move.number
        self._keep(outputs)

    def _keep(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, IntervalEnergy):
                self.intervals.append(output)
            elif isinstance(output, WasteFinding):
                self.findings[self.meter, output.channel, output.since_ms] = output
            elif isinstance(output, DataFinding):
                self.findings[self.meter, output.reason, output.since_ms] = output


def is_readable(snapshot: Snapshot) -> bool:
    """Tell whether a snapshot is what was written, by a version that is read. Raises UnknownMajor for a newer one."""
    try:
        if not snapshot.blank:
            engine.restore(snapshot.parts)
    except UnknownMajor:
        raise
    except (WireError, KeyError):
        return False
    return True


def readable(snapshot: Snapshot, policy: MeterPolicy) -> Snapshot:
    """Return a snapshot, or what is left of one that is not readable: its energy, or nothing. Raises UnknownMajor."""
    if is_readable(snapshot):
        return snapshot
    left = engine.rest(snapshot.parts, with_facts(policy, snapshot.facts))
    return replace(snapshot, parts={} if left is None else engine.parts(left))


def revised(made: Iterable[IntervalEnergy], stored: Mapping[tuple[str, int], IntervalEnergy]) -> list[IntervalEnergy]:
    """Return the intervals that have to be written: new ones as rev 0, changed ones as the next rev of what is stored.

    `stored` holds the newest rev of each by (kind, start). After MAX_REV_MS − 1 revisions an interval stays as it is.
    """
    out = []
    for interval in made:
        before = stored.get((interval.kind, interval.start_ms))
        if before is None:
            out.append(interval)
        elif replace(interval, rev=before.rev) != before and before.rev + 1 < MAX_REV_MS:
            out.append(replace(interval, rev=before.rev + 1))
    return out
