"""Lives whose writes are recorded: an outbox that commits, is acknowledged and runs full; a plant that takes messages.

Each tells its promises in a file, one line per promise, after the call that made it returned:
`begin EPOCH LIFE`, `committed EPOCH TOP GOOD`, `settling EPOCH UPTO` (before the call), `acknowledged UPTO`.
Started as `python -m tests.chaos.image_lives outbox|plant FOLDER SEED [careless]`; careless lives do not sync, and must be found out.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from functools import lru_cache
from pathlib import Path

from collector.adapters.outbox import Outbox
from collector.adapters.outbox_room import WhenFull
from collector.adapters.outbox_tables import Tables
from driftwatt.readings import FailedPoll, Reading, Row
from driftwatt.wire import Ack, from_bytes
from processors.adapters.state import SqliteState
from processors.ports import Message
from tests.support.plant_bench import NOW_MS, LinkLog, bench, data, reading

T_MS = 1_790_000_000_000
LIVES, COMMITS = 4, 100
OUTBOX_BYTES = 900_000
METERS = ("m1", "m2", "m3")
MESSAGES, MESSAGE_ROWS = 48, 20
START_MS = NOW_MS - 20 * 3600_000


def row(life: int, seq: int) -> Row:
    """Return the row with a seq of a life: what it must be wherever it is met again."""
    meter, t_ms = METERS[seq % 3], T_MS + life * 10_000_000 + seq * 250
    if seq % 11 == 0:
        return FailedPoll(meter, t_ms, "timeout")
    return Reading(meter, t_ms, {"active_power": life * 1e6 + seq, "import_energy": life * 1e9 + seq})


def message(number: int) -> Message:
    """Return a message of two meters, a row a minute."""
    first = number * MESSAGE_ROWS
    rows = [plant_row(seq) for seq in range(first + 1, first + MESSAGE_ROWS + 1)]
    return data(first + 1, rows)


@lru_cache(maxsize=10_000)
def plant_row(seq: int) -> Reading:
    """Return the reading with a seq in the plant's life."""
    return reading(("m1", "m2")[seq % 2], START_MS + seq * 30_000, 1000.0 + seq % 17, 1e6 + seq * 10.0)


class Teller:
    """Writes promises as they are made."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "promises.told", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tell(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words))).encode())


async def outbox_life(folder: Path, life: int, teller: Teller, when_full: WhenFull) -> None:
    """Commit, be acknowledged now and then, prune; in the end leave without closing anything."""
    dice = random.Random(life)
    outbox = await Outbox.open(folder, max_bytes=OUTBOX_BYTES, tail_s=120, when_full=when_full)
    teller.tell("begin", outbox.epoch, life)
    top = good = 0
    for at in range(COMMITS):
        rows = [row(life, top + n + 1) for n in range(dice.randrange(1, 25))]
        await outbox.commit(rows)
        top += len(rows)
        good += sum(isinstance(each, Reading) for each in rows)
        teller.tell("committed", outbox.epoch, top, good)
        if at % 5 == 4:
            await settle(outbox, teller, dice)
        if at % 20 == 19:
            await outbox.prune(T_MS + life * 10_000_000 + top * 250)
    await outbox.close()


async def settle(outbox: Outbox, teller: Teller, dice: random.Random) -> None:
    """Acknowledge some of the oldest epoch that has something to send."""
    active = next((span for span in outbox.held() if not span.done), None)
    if active:
        upto = min(active.top, active.acked + dice.randrange(45, 110))
        await outbox.claim(active.epoch, upto)
        teller.tell("settling", active.epoch, upto)
        await outbox.settle(active.epoch, upto, "p")


class TellingLink(LinkLog):
    """Tells each acknowledgement in the moment in which it is published."""

    teller: Teller

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        if topic.endswith("/ack"):
            self.teller.tell("acknowledged", from_bytes(Ack, payload).upto)
        return True


async def plant_life(folder: Path, teller: Teller, first: int, last: int, *, careless: bool) -> None:
    """Take messages two at a time."""
    state = SqliteState(folder / "state.sqlite3")
    if careless:
        state._db.execute("PRAGMA synchronous=NORMAL")
    pipeline, _ = bench(folder, state=state)
    link = TellingLink()
    link.teller = teller
    pipeline.link = link
    await pipeline.begin()
    for number in range(first, last, 2):
        await pipeline.cycle([message(number), message(number + 1)])


def main() -> None:
    kind, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    careless = sys.argv[4:] == ["careless"]
    teller = Teller(folder)
    if careless:
        synced = Tables.transaction
        Tables.transaction = lambda self, **_: synced(self, synced=False)  # type: ignore[method-assign]
    if kind == "outbox":
        when_full: WhenFull = "drop_oldest" if seed % 2 else "thin"
        for life in range(LIVES):
            asyncio.run(outbox_life(folder, seed * LIVES + life, teller, when_full))
    else:
        for first in range(0, MESSAGES, MESSAGES // 3):
            asyncio.run(plant_life(folder, teller, first, first + MESSAGES // 3, careless=careless))


if __name__ == "__main__":
    main()
