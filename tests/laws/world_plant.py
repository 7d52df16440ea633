"""A plant of the simulated world: the real intake and delivery core around a store and a state file in memory."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from driftwatt.readings import Reading
from driftwatt.wire import Ack, Hello, from_bytes, to_bytes
from processors.pure import delivery
from processors.pure.delivery import Checkpoint, Gap
from processors.pure.intake import Intake, Taken
from tests.laws.world_edge import EDGE, RowId

INBOX_MESSAGES = 20
OWNERS: dict[str, str | None] = {"m1": None, "m2": EDGE}


@dataclass(slots=True)
class Durable:
    """The state file: what one transaction makes true. `applied` stands for everything derived from readings."""

    checkpoints: dict[tuple[str, str], Checkpoint] = field(default_factory=dict)
    applied: Counter[RowId] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    hello: str = ""

    def copy(self) -> Durable:
        return Durable(dict(self.checkpoints), Counter(self.applied), list(self.gaps), self.hello)


class SimPlant:
    def __init__(self, rng: random.Random, *, bug: str) -> None:
        self.rng, self.bug = rng, bug
        self.durable = Durable()
        self.store: dict[RowId, float] = {}
        self.writes: Counter[RowId] = Counter()
        self.store_up = True
        self.alarms: dict[str, str] = {}
        self.let_go = 0
        self.start()

    def start(self) -> None:
        """Begin a new life of the process from what is on its disk."""
        self.by = f"life-{self.rng.getrandbits(32)}"
        self.intake = Intake(OWNERS, delivery.begin(self.durable.checkpoints.values()))
        if self.durable.hello:
            self.intake.delivery = delivery.recall(self.intake.delivery, EDGE, from_bytes(Hello, self.durable.hello.encode()).epochs)
        self.inbox: deque[tuple[str, bytes]] = deque()
        self.phase = "take"
        self.taken = Taken()

    def enqueue(self, message: tuple[str, bytes]) -> None:
        if len(self.inbox) < INBOX_MESSAGES:
            self.inbox.append(message)
        else:
            self.let_go += 1

    def step(self, now_ms: int, send_ack: Callable[[bytes], None]) -> bool:
        """Do the next of the four steps: take, store, commit, acknowledge. Returns whether there was anything to do."""
        if self.phase == "take":
            if not self.inbox:
                return False
            self.taken = Taken()
            for _ in range(min(len(self.inbox), self.rng.randint(1, 4))):
                name, payload = self.inbox.popleft()
                self.intake.take(name, payload, self.taken, now_ms=now_ms)
            self.alarms |= self.taken.alarms
            self.phase = "store"
            if self.bug == "acknowledged before stored":
                self._acknowledge(send_ack)
        elif self.phase == "store":
            if not self.store_up:
                return False
            for reading in self._readings():
                self._write(reading)
            self.phase = "commit"
        elif self.phase == "commit":
            self._commit()
        else:
            self._acknowledge(send_ack)
            self.phase = "take"
        return True

    def _readings(self) -> Iterable[Reading]:
        return self.taken.readings

    def _write(self, reading: Reading) -> None:
        row = (reading.meter, reading.t_ms)
        self.writes[row] += 1
        self.store[row] = reading.values["active_power"]

    def _commit(self) -> None:
        apart = self.bug == "state and checkpoint apart"
        if not apart or not self.taken.commit.notes.pop("half", None):
            self.durable.applied.update((reading.meter, reading.t_ms) for reading in self.taken.readings)
            if apart:
                self.taken.commit.notes["half"] = "done"
                return
        commit = self.taken.commit
        self.durable.checkpoints.update({(point.edge, point.epoch): point for point in commit.checkpoints})
        for key in commit.forgotten:
            self.durable.checkpoints.pop(key, None)
        self.durable.gaps += commit.gaps
        self.durable.hello = next((note for key, note in commit.notes.items() if key.startswith("hello:")), self.durable.hello)
        self.phase = "acknowledge"

    def _acknowledge(self, send_ack: Callable[[bytes], None]) -> None:
        for (edge, epoch), upto in self.taken.acks.items():
            send_ack(to_bytes(Ack(edge, epoch, upto, self.by)))

    def in_gap(self, epoch: str, seq: int) -> bool:
        return any(gap.epoch == epoch and gap.first <= seq <= gap.last for gap in self.durable.gaps)
