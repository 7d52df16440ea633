"""An outbox after a power cut, or with wrong bits: opened by the real code and compared with what it had promised."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from collector.adapters.outbox import Outbox
from collector.pure.sending import Parcel
from driftwatt.errors import DriftwattError
from driftwatt.readings import Reading, Removed
from driftwatt.wire import read_row, row_bytes
from tests.chaos.image_lives import OUTBOX_BYTES, row
from tests.chaos.tally import Broken, Tally

TRIES = 3
"""What is found to be damaged while it is read is set aside there and then: the next look is at what could be saved."""


@dataclass(frozen=True, slots=True)
class Promises:
    """What an outbox said until an instant: lives and (top, good rows) by epoch, and how far each was being acknowledged."""

    lives: dict[str, int]
    tops: dict[str, tuple[int, int]]
    settling: dict[str, int]

    @classmethod
    def of(cls, told: list[str]) -> Promises:
        lives, tops, settling = {}, {}, {}
        for line in told:
            what, epoch, *numbers = line.split()
            if what == "begin":
                lives[epoch] = int(numbers[0])
            elif what == "committed":
                tops[epoch] = (int(numbers[0]), int(numbers[1]))
            else:
                settling[epoch] = int(numbers[0])
        return cls(lives, tops, settling)


async def judge_outbox(folder: Path, said: Promises) -> None:
    """Open an image and compare it with the promises. Raises Broken; errors of opening come through."""
    outbox = await Outbox.open(folder, max_bytes=OUTBOX_BYTES, tail_s=120, when_full="thin")
    try:
        if any(alarm.code == "outbox_damaged" for alarm in outbox.status().alarms):
            raise Broken("set aside as damaged")
        held = {span.epoch: span for span in outbox.held()}
        waiting = 0
        for epoch, life in said.lives.items():
            span, top = held.get(epoch), said.tops.get(epoch, (0, 0))[0]
            if span is None:
                if said.settling.get(epoch, 0) < top:
                    raise Broken(f"epoch of {top} rows is gone, acknowledged up to {said.settling.get(epoch)}")
                continue
            if span.top < top:
                raise Broken(f"{top - span.top} committed rows lost")
            waiting += await count_waiting(outbox, epoch, max(span.acked + 1, span.base), span.top, life)
        lines = await outbox.ledger_lines(400)
        check_books(lines, waiting, sum(good for _, good in said.tops.values()))
    finally:
        await outbox.close()


async def count_waiting(outbox: Outbox, epoch: str, first: int, top: int, life: int) -> int:
    """Read what waits, compare each row with what was committed, and count good rows. Raises Broken."""
    good = 0
    while first <= top:
        parcels = await outbox.read(epoch, first, 10**7)
        if not parcels:
            raise Broken(f"rows {first} to {top} are gone")
        for parcel in parcels:
            wanted, is_good = as_committed(life, parcel.seq)
            if parcel.body == wanted:
                good += is_good
            else:
                check_removed(parcel)
            first = parcel.seq + parcel.count
    return good


@lru_cache(maxsize=100_000)
def as_committed(life: int, seq: int) -> tuple[bytes, bool]:
    """Return the bytes of a row as it was committed and whether it is a reading."""
    made = row(life, seq)
    assert not isinstance(made, Removed)
    return row_bytes(made), isinstance(made, Reading)


def check_removed(parcel: Parcel) -> None:
    """Raise Broken unless a parcel that is not what was committed says that rows were thinned."""
    found = read_row(parcel.body)
    if not isinstance(found, Removed):
        raise Broken(f"row {parcel.seq} reads as something else")
    if found.why != "thinned":
        raise Broken(f"row {parcel.seq} was removed: {found.why}")


def check_books(lines: Any, waiting: int, promised: int) -> None:
    """Check that the books add up and know every promised reading. Raises Broken."""
    for line in lines:
        if line.polled != line.committed + sum(line.failed.values()):
            raise Broken(f"polled does not add up: {line}")
        if line.committed != line.stored + line.waiting + sum(line.dropped.values()) + line.thinned:
            raise Broken(f"committed does not add up: {line}")
        if line.dropped.get("corrupt"):
            raise Broken(f"corrupt rows after a power cut: {line}")
    committed, booked = sum(line.committed for line in lines), sum(line.waiting for line in lines)
    if committed < promised:
        raise Broken(f"{promised - committed} committed readings are in no book")
    if booked != waiting:
        raise Broken(f"{booked} readings wait by the books, {waiting} by the rows")


def outbox_image(folder: Path, told: list[str], tally: Tally, name: str) -> None:
    said = Promises.of(told)
    tally.promised += sum(good for _, good in said.tops.values())
    try:
        asyncio.run(judge_outbox(folder, said))
    except Broken as broken:
        tally.lost += "lost" in str(broken) or "gone" in str(broken)
        tally.unopenable += "set aside" in str(broken)
        tally.wrong.append(f"{name}: {broken}")
    except DriftwattError as error:
        tally.unopenable += 1
        tally.wrong.append(f"{name}: {error}")


def outbox_flip(folder: Path, told: list[str], *, in_log: bool) -> str:
    """Open an outbox with wrong bits; return what became of it. Raises Broken when it is silently empty or lies.

    A wrong bit in the write-ahead log looks like the torn end that power cuts leave: what stands behind it is not read.
    """
    said = Promises.of(told)

    async def look() -> str:
        outbox = await Outbox.open(folder, max_bytes=OUTBOX_BYTES, tail_s=120, when_full="thin")
        try:
            wrong = 0
            for span in outbox.held():
                first = max(span.acked + 1, span.base)
                if span.epoch in said.lives:
                    wrong += await count_wrong(outbox, span.epoch, first, span.top, said.lives[span.epoch])
            alarms = {alarm.code for alarm in outbox.status().alarms}
            if wrong:
                raise Broken(f"{wrong} rows read as something that was never committed")
            if "outbox_damaged" in alarms:
                return "set aside with an alarm"
            missing = [
                e for e, (top, _) in said.tops.items() if e not in {s.epoch for s in outbox.held()} and said.settling.get(e, 0) < top
            ]
            if not missing:
                return "opened"
            if in_log:
                return "opened as before the damaged write-ahead log"
            raise Broken(f"{len(missing)} epochs are silently gone")
        finally:
            await outbox.close()

    for _ in range(TRIES):
        try:
            return asyncio.run(look())
        except DriftwattError as error:
            refused = str(error)
    raise Broken(f"refused: {refused}")


async def count_wrong(outbox: Outbox, epoch: str, first: int, top: int, life: int) -> int:
    wrong = 0
    while first <= top:
        parcels = await outbox.read(epoch, first, 10**7)
        if not parcels or (outbox.status().alarms and any(alarm.code == "outbox_damaged" for alarm in outbox.status().alarms)):
            return wrong
        for parcel in parcels:
            wrong += parcel.body != as_committed(life, parcel.seq)[0] and not isinstance(read_row(parcel.body), Removed)
        first = parcels[-1].seq + parcels[-1].count
    return wrong
