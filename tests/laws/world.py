"""The simulated world: one edge, one plant, a network that loses, doubles and reorders, and every kind of fault.

Everything is drawn from one seed. `World(seed).run()` lives through a stormy part and a calm one and raises
Broken where a promise was not kept; `happened` counts what really went on.
"""

from __future__ import annotations

import random
import re
from collections import Counter

from driftwatt.topics import topic
from driftwatt.wire import Ack, from_bytes
from tests.laws.world_edge import EDGE, HELLO_S, Lineage, SimEdge
from tests.laws.world_plant import Durable, SimPlant

STORM_STEPS = 400
CALM_ROUNDS = 300
HELLO = topic(EDGE, "hello")


class Broken(AssertionError):
    """A promise was not kept; the seed is in the message."""


class World:
    def __init__(self, seed: int, bug: str = "") -> None:
        self.seed, self.bug = seed, bug
        self.rng = rng = random.Random(seed)
        self.happened: Counter[str] = Counter()
        self.edge = SimEdge(rng, cap_rows=rng.choice((25, 60, 400)), thin=rng.random() < 0.5, bug=bug)
        self.plant = SimPlant(rng, bug=bug)
        self.loss = rng.choice((0.05, 0.1, 0.3))
        self.doubling = rng.choice((0.05, 0.15))
        self.disorder = rng.choice((0.1, 0.3))
        self.now_s = 0.0
        self.to_plant: list[tuple[str, bytes]] = []
        self.to_edge: list[bytes] = []
        self.retained: bytes | None = None
        self.edge_online = self.plant_online = True
        self.edge_saved: tuple[bytes, Lineage] | None = None
        self.plant_saved: Durable | None = None

    def run(self) -> Counter[str]:
        steps = {
            self.poll: 30,
            self.edge_turn: 50,
            self.carry_to_plant: 60,
            self.plant_step: 90,
            self.carry_to_edge: 30,
            self.edge.prune: 2,
            self.edge_dies: 2.5,
            self.plant_dies: 4,
            self.broker_dies: 1,
            self.edge_line: 2,
            self.plant_line: 2,
            self.store_fails: 2,
            self.flash_rots: 1.5,
            self.things_come_back: 14,
            self.save_disks: 5,
            self.restore_edge: 1.2,
            self.restore_plant: 2,
        }
        chosen = self.rng.choices(list(steps), list(steps.values()), k=STORM_STEPS)
        for step in chosen:
            self.now_s += self.rng.random() * 0.4
            step()
        self.calm()
        self.judge()
        return self.happened

    # What goes on all the time.

    def poll(self) -> None:
        before = len(self.edge.truth.dropped), len(self.edge.truth.thinned)
        self.edge.poll()
        self.happened["dropped"] += len(self.edge.truth.dropped) - before[0]
        self.happened["thinned"] += len(self.edge.truth.thinned) - before[1]

    def edge_turn(self) -> None:
        if self.edge_online:
            self.edge.turn(self.now_s, self.publish)

    def publish(self, name: str, payload: bytes) -> bool:
        if not self.edge_online:
            return False
        if name == HELLO:
            self.retained = payload
        if not self.plant_online or self.rng.random() < self.loss:
            self.happened["lost on the way there"] += 1
            return True
        self.to_plant.append((name, payload))
        if self.rng.random() < self.doubling:
            self.to_plant.append((name, payload))
            self.happened["doubled"] += 1
        return True

    def carry_to_plant(self) -> None:
        if self.to_plant and self.plant_online:
            at = self._which(len(self.to_plant))
            if self.to_plant[at][0] == HELLO:  # a topic of one sender keeps its order, and only rows have to stand more than that
                at = next(older for older, (name, _) in enumerate(self.to_plant) if name == HELLO)
            self.plant.enqueue(self.to_plant.pop(at))

    def carry_to_edge(self) -> None:
        if not self.to_edge or not self.edge_online:
            return
        payload = self.to_edge.pop(self._which(len(self.to_edge)))
        if self.rng.random() < self.loss:
            self.happened["acknowledgement lost"] += 1
            return
        self.happened[self.edge.hear(from_bytes(Ack, payload), self.now_s)] += 1

    def _which(self, count: int) -> int:
        if count > 1 and self.rng.random() < self.disorder:
            self.happened["reordered"] += 1
            return self.rng.randrange(count)
        return 0

    def plant_step(self) -> bool:
        return self.plant.step(self.edge.t_ms + 1, self.acknowledge)

    def acknowledge(self, payload: bytes) -> None:
        if self.plant_online and self.edge_online:
            self.to_edge.append(payload)
        else:
            self.happened["acknowledgement lost"] += 1

    # What goes wrong.

    def edge_dies(self) -> None:
        self.happened["edge died"] += 1
        self.edge.start()
        self.to_edge.clear()

    def plant_dies(self) -> None:
        self.happened[f"plant died before {self.plant.phase}"] += 1
        self.plant.start()
        self.plant_connects()

    def broker_dies(self) -> None:
        self.happened["broker died"] += 1
        self.to_plant.clear()
        self.to_edge.clear()
        self.retained = None
        self.edge.connected()

    def edge_line(self) -> None:
        if self.edge_online:
            self.happened["edge offline"] += 1
            self.edge_online = False
            self.to_edge.clear()

    def plant_line(self) -> None:
        if self.plant_online:
            self.happened["plant offline"] += 1
            self.plant_online = False
            self.to_plant.clear()

    def things_come_back(self) -> None:
        if not self.edge_online:
            self.edge_online = True
            self.edge.connected()
        elif not self.plant_online:
            self.plant_online = True
            self.plant_connects()
        self.plant.store_up = True

    def plant_connects(self) -> None:
        if self.plant_online and self.retained:
            self.to_plant = [message for message in self.to_plant if message[0] != HELLO]
            self.plant.enqueue((HELLO, self.retained))

    def store_fails(self) -> None:
        self.happened["store down"] += self.plant.store_up
        self.plant.store_up = False

    def flash_rots(self) -> None:
        self.happened["bit flipped"] += self.edge.rot()

    def save_disks(self) -> None:
        if self.rng.random() < 0.5:
            self.edge_saved = self.edge.save()
        else:
            self.plant_saved = self.plant.durable.copy()

    def restore_edge(self) -> None:
        if self.edge_saved:
            self.happened["edge disk restored"] += 1
            self.edge.restore(self.edge_saved)
            self.to_edge.clear()
            self.to_plant.clear()  # putting a disk back takes longer than any message travels

    def restore_plant(self) -> None:
        if self.plant_saved:
            self.happened["plant restored"] += 1
            self.plant.durable = self.plant_saved.copy()
            self.plant.start()
            self.plant_connects()

    # The end of it.

    def calm(self) -> None:
        """All faults stop; within a bounded time the plant must have what there is."""
        self.loss = self.doubling = self.disorder = 0.0
        self.things_come_back()
        self.things_come_back()
        self.poll()
        settled = False
        for _ in range(CALM_ROUNDS):
            self.now_s += 1.0
            self.edge_turn()
            while self.to_plant:
                self.carry_to_plant()
                while self.plant_step():
                    pass
            while self.plant_step():
                pass
            while self.to_edge:
                self.carry_to_edge()
            if self.edge.done():
                if settled:
                    return
                settled = True
                self.now_s += HELLO_S  # what an edge believes to be done is asked once more by its hello
        raise Broken(f"seed {self.seed}: not delivered in {CALM_ROUNDS} calm seconds: {self.edge.tables.held()}")

    def judge(self) -> None:
        """Compare what the store and the books say with what truly happened."""
        edge, plant, truth = self.edge, self.plant, self.edge.truth
        for row, value in plant.store.items():
            self.check(edge.ever.get(row) == value, f"{row} stored as {value}, was {edge.ever.get(row)}")
        counted = edge.lost_disks | edge.gone | truth.dropped | truth.thinned | truth.corrupt
        lost = edge.ever.keys() - plant.store.keys() - counted
        self.check(not lost, f"{len(lost)} committed rows are neither stored nor counted: {sorted(lost)[:3]}")
        self.check(max(plant.durable.applied.values(), default=0) <= 1, "a row changed the derived state twice")
        self.check(plant.durable.applied.keys() <= plant.store.keys(), "the derived state knows rows that the store does not")
        if self.bug == "append-only store":
            self.check(max(plant.writes.values(), default=0) <= 1, "a row is stored twice")
        # A disk put back is a second box as far as a plant can tell, and may be called one; a box that only ever went on is not.
        suspects = set(re.findall("[0-9a-f]{16}", plant.alarms.get("identity_used_twice", "")))
        self.check(not suspects or not suspects <= truth.epochs, "two boxes seen where there is one")
        names = dict(edge.sql.execute("SELECT no, epoch FROM epochs"))
        at = {row: (names[no], seq) for (no, seq), row in truth.at.items() if no in names}
        # Rows that are stored and yet travelled as removed rotted after they were sent, or their mark "sent" was on a disk that is gone.
        removed = truth.corrupt | edge.gone | (truth.thinned if self.happened["edge disk restored"] else set())
        behind = plant.store.keys() - plant.durable.applied.keys() - removed
        unjudged = [row for row in behind if row in at and not plant.in_gap(*at[row])]
        self.check(not unjudged, f"{len(unjudged)} stored rows are missing in the derived state without a gap: {unjudged[:3]}")
        self._judge_books(truth)

    def _judge_books(self, truth: Lineage) -> None:
        books = self.edge.books()
        self.check(books["polled"] == books["committed"] + books["failed"], f"polled does not balance: {books}")
        classes = ("stored", "waiting", "thinned", "dropped", "corrupt")
        self.check(books["committed"] == sum(books[name] for name in classes), f"committed does not balance: {books}")
        self.check(books["committed"] == len(truth.committed), f"committed {len(truth.committed)}: {books}")
        self.check(books["waiting"] == self.edge.waiting_rows(), f"waiting {self.edge.waiting_rows()}: {books}")
        self.check(books["thinned"] == len(truth.thinned), f"thinned {len(truth.thinned)}: {books}")
        self.check(books["dropped"] == len(truth.dropped), f"dropped {len(truth.dropped)}: {books}")

    def check(self, kept: bool, otherwise: str) -> None:  # noqa: FBT001 — reads as a sentence
        if not kept:
            raise Broken(f"seed {self.seed}: {otherwise}")
