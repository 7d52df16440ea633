"""An edge of the simulated world: the real tables and the real sending core on a disk in memory."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from collector.adapters.outbox_room import Room
from collector.adapters.outbox_tables import Tables
from collector.pure.sealed import seal
from collector.pure.sending import Pace, Sending, acknowledged, again, pack, want
from driftwatt.readings import FailedPoll, Reading, Row
from driftwatt.topics import topic
from driftwatt.wire import Ack, EpochSpan, Hello, to_bytes

EDGE = "hall-a"
RowId = tuple[str, int]
Publish = Callable[[str, bytes], bool]
PACE = Pace(window_bytes=6000, window_messages=6, message_bytes=1200)
HELLO_S = 60.0
DISK_START_MS = 1_700_000_000_000


@dataclass(slots=True)
class Lineage:
    """What truly happened to the rows on one disk; copied with the disk when it is saved and restored."""

    committed: dict[RowId, float] = field(default_factory=dict)
    dropped: set[RowId] = field(default_factory=set)
    thinned: set[RowId] = field(default_factory=set)
    corrupt: set[RowId] = field(default_factory=set)
    at: dict[tuple[int, int], RowId] = field(default_factory=dict)
    epochs: set[str] = field(default_factory=set)

    def copy(self) -> Lineage:
        rows = dict(self.committed), set(self.dropped), set(self.thinned), set(self.corrupt)
        return Lineage(*rows, dict(self.at), set(self.epochs))


class SimEdge:
    def __init__(self, rng: random.Random, *, cap_rows: int, thin: bool, bug: str) -> None:
        self.rng, self.cap_rows, self.thin_policy, self.bug = rng, cap_rows, thin, bug
        self.sql = sqlite3.connect(":memory:", isolation_level=None)
        self.truth = Lineage()
        self.ever: dict[RowId, float] = {}
        self.lost_disks: set[RowId] = set()
        self.gone: set[RowId] = set()
        self.t_ms = DISK_START_MS
        self.start()

    def start(self) -> None:
        """Begin a new life of the process on the disk as it is."""
        epoch = f"{self.rng.getrandbits(64):016x}"
        self.truth.epochs.add(epoch)
        self.tables = Tables(self.sql, epoch)
        if self.bug == "epoch kept":
            older = self.sql.execute("SELECT max(no) FROM epochs WHERE no < ?", (self.tables.own,)).fetchone()[0]
            if older is not None:
                self.sql.execute("DELETE FROM epochs WHERE no = ?", (self.tables.own,))
                self.tables.own = older
        self.room = Room(self.tables, chunk_rows=8)
        self.sending = Sending()
        self.told: object = None
        self.told_s = 0.0

    def save(self) -> tuple[bytes, Lineage]:
        return self.sql.serialize(), self.truth.copy()

    def restore(self, saved: tuple[bytes, Lineage]) -> None:
        """Put an old image of the disk back; what was only on the other one is gone."""
        self.lost_disks |= self.truth.committed.keys() - saved[1].committed.keys()
        self.gone |= self.truth.dropped | self.truth.thinned | self.truth.corrupt
        self.sql = sqlite3.connect(":memory:", isolation_level=None)
        self.sql.deserialize(saved[0])
        self.truth = saved[1].copy()
        # The epoch under way on the image went on elsewhere: as far as a plant can tell, its end belongs to another box.
        self.truth.epochs -= {name for (name,) in self.sql.execute("SELECT epoch FROM epochs ORDER BY no DESC LIMIT 1")}
        self.start()

    def poll(self) -> None:
        """Commit the rows of one cycle, after making room by the policy."""
        self.make_room()
        top = self.tables.held()[-1].top
        rows: list[Row] = []
        for _ in range(self.rng.randint(1, 5)):
            self.t_ms += self.rng.choice((1000, 7000, 31000))
            meter = self.rng.choice(("m1", "m2"))
            top += 1
            if self.rng.random() < 0.1:
                rows.append(FailedPoll(meter, self.t_ms, "timeout"))
                continue
            value = self.rng.random()
            rows.append(Reading(meter, self.t_ms, {"active_power": value}))
            self.truth.committed[meter, self.t_ms] = self.ever[meter, self.t_ms] = value
            self.truth.at[self.tables.own, top] = (meter, self.t_ms)
        self.tables.commit(rows)

    def keys(self) -> set[tuple[int, int]]:
        """Return where good rows lie; those already found corrupt are booked as such."""
        return {(key >> 40, key & (1 << 40) - 1) for (key,) in self.sql.execute("SELECT key FROM rows WHERE kind = 0")}

    def make_room(self) -> None:
        while self.sql.execute("SELECT count(*) FROM rows").fetchone()[0] > self.cap_rows:
            before = self.keys()
            if self.room.tail() or self.room.failed():
                continue
            thinned = self.thin_policy and self.room.thin()
            if not thinned and not self.room.oldest():
                return
            gone = {self.truth.at[key] for key in before - self.keys() if key in self.truth.at}
            (self.truth.thinned if thinned else self.truth.dropped).update(gone)

    def rot(self) -> bool:
        """Flip one bit of a row on flash that the plant does not have yet."""
        acked = dict(self.sql.execute("SELECT no, acked FROM epochs"))
        whole = [
            row for row in self.sql.execute("SELECT key, body FROM rows WHERE kind = 0") if row[0] & (1 << 40) - 1 > acked[row[0] >> 40]
        ]
        if not whole:
            return False
        key, body = self.rng.choice(whole)
        at = self.rng.randrange(len(body))
        body = body[:at] + bytes((body[at] ^ 1 << self.rng.randrange(8),)) + body[at + 1 :]
        self.sql.execute("UPDATE rows SET body = ? WHERE key = ?", (body, key))
        if self.bug == "checksum ignored":
            meter, t_ms, kind = self.sql.execute("SELECT meter, t, kind FROM rows WHERE key = ?", (key,)).fetchone()
            self.sql.execute("UPDATE rows SET crc = ? WHERE key = ?", (seal(key, meter, t_ms, kind, body), key))
        self.truth.corrupt.add(self.truth.at[key >> 40, key & (1 << 40) - 1])
        return True

    def connected(self) -> None:
        self.sending, self.told = again(self.sending), None

    def turn(self, now_s: float, publish: Publish) -> None:
        """Say hello if there is news, and send what may be sent."""
        held = self.tables.held()
        names = tuple(span.epoch for span in held)
        if self.told != names or now_s >= self.told_s + HELLO_S:
            spans = tuple(EpochSpan(span.epoch, span.base, span.top) for span in held)
            if not publish(topic(EDGE, "hello"), to_bytes(Hello(EDGE, "0", 1, "", "trust", spans, ()))):
                return
            self.told, self.told_s = names, now_s
        if self.bug == "newest epoch first":
            held = held[::-1]
        self.sending, fetch = want(self.sending, held, now_s=now_s, pace=PACE)
        if fetch is None:
            return
        parcels = self.tables.read(fetch.epoch, fetch.first, fetch.max_bytes)
        if self.bug == "no base":
            fetch = replace(fetch, base=1)
        self.sending, messages = pack(self.sending, EDGE, fetch, parcels, now_s=now_s, pace=PACE)
        if self.bug == "never sent again":
            self.sending = replace(self.sending, resend_at_s=1e12)
        self.tables.claim(fetch.epoch, self.sending.last)
        for message in messages:
            publish(topic(EDGE, "d"), message)
        if self.bug == "deleted once published":
            self.tables.settle(fetch.epoch, self.sending.last, "broker")

    def hear(self, ack: Ack, now_s: float) -> str:
        """Take an acknowledgement; tell what it did."""
        met = self.sending.by
        held = self.tables.held()
        self.sending, settle = acknowledged(self.sending, held, ack, now_s=now_s, pace=PACE)
        if self.sending.by != met:
            self.told = None
        if settle is None:
            return "ignored"
        mark = next(span.acked for span in held if span.epoch == settle.epoch)
        if settle.upto < mark and self.bug == "never goes back":
            return "ignored"
        self.tables.settle(settle.epoch, settle.upto, settle.by)
        return "rewound" if settle.upto < mark else "advanced"

    def prune(self) -> None:
        while self.room.tail(self.t_ms - 2_000_000):
            pass
        self.room.epochs()

    def done(self) -> bool:
        return all(span.done for span in self.tables.held())

    def waiting_rows(self) -> int:
        held = dict(self.sql.execute("SELECT no, acked FROM epochs"))
        rows = self.sql.execute("SELECT key, kind FROM rows").fetchall()
        return sum(kind == 0 and key & (1 << 40) - 1 > held[key >> 40] for key, kind in rows)

    def books(self) -> dict[str, int]:
        lines = self.tables.ledger_lines(10_000)
        return {
            "committed": sum(line.committed for line in lines),
            "stored": sum(line.stored for line in lines),
            "waiting": sum(line.waiting for line in lines),
            "thinned": sum(line.thinned for line in lines),
            "dropped": sum(line.dropped.get("outbox_full", 0) for line in lines),
            "corrupt": sum(line.dropped.get("corrupt", 0) for line in lines),
            "polled": sum(line.polled for line in lines),
            "failed": sum(sum(line.failed.values()) for line in lines),
        }
