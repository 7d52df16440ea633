"""A plant's files after a power cut, or with wrong bits: opened by the real code and compared with what was acknowledged."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from driftwatt.errors import DriftwattError
from processors.adapters.sqlite import SqliteStore
from processors.adapters.state import SqliteState
from tests.chaos.image_lives import MESSAGE_ROWS, MESSAGES, message, plant_row
from tests.chaos.tally import Broken, Tally
from tests.support.plant_bench import bench
from tests.support.store_eyes import stored_rows


def plant_image(folder: Path, told: list[str], tally: Tally, name: str) -> None:
    acknowledged = max((int(line.split()[1]) for line in told), default=0)
    tally.promised += acknowledged
    try:
        judge_plant(folder, acknowledged)
    except Broken as broken:
        tally.lost += "lost" in str(broken)
        tally.wrong.append(f"{name}: {broken}")
    except DriftwattError as error:
        tally.unopenable += 1
        tally.wrong.append(f"{name}: {error}")


def judge_plant(folder: Path, acknowledged: int) -> None:
    """Open state and store of an image. Raises Broken; errors of opening come through."""
    state, store = SqliteState(folder / "state.sqlite3"), SqliteStore(folder / "store.sqlite3")
    try:
        kept = state.load()
        upto = max((point.upto for point in kept.checkpoints), default=0)
        if upto < acknowledged:
            raise Broken(f"{acknowledged - upto} acknowledged readings lost from the checkpoint")
        there = {meter: {t: value for t, value, _ in store.readings(meter, "active_power", 0, 2**53)} for meter in ("m1", "m2")}
        for seq in range(1, upto + 1):
            wanted = plant_row(seq)
            if there[wanted.meter].get(wanted.t_ms) != wanted.values["active_power"]:
                raise Broken(f"reading {seq} lost from the store, the state has {upto}")
        booked = state._db.execute("SELECT coalesce(sum(n), 0) FROM book WHERE what = 'stored'").fetchone()[0]
        if booked != upto:
            raise Broken(f"the books say {booked} stored, the checkpoint {upto}")
    finally:
        state.close()
        store.close()


def contents(folder: Path) -> dict[str, Any]:
    """Return what must not depend on power cuts."""
    out: dict[str, Any] = {}
    out |= {table: stored_rows(folder / "store.sqlite3", table) for table in ("readings", "energy_15m", "energy_1h", "expected_15m")}
    with sqlite3.connect(folder / "state.sqlite3") as db:
        out |= {table: sorted(db.execute(f"SELECT * FROM {table}")) for table in ("part", "gap")}
        out["book"] = sorted(db.execute("SELECT meter, day, what, n FROM book WHERE what != 'duplicates'"))
    return out


async def live_on(folder: Path) -> None:
    """Let a processor go on from an image until everything was taken."""
    state, store = SqliteState(folder / "state.sqlite3"), SqliteStore(folder / "store.sqlite3")
    pipeline, _ = bench(folder, state=state, store=store)
    await pipeline.begin()
    kept = state.load()
    upto = max((point.upto for point in kept.checkpoints), default=0)
    for number in range(upto // MESSAGE_ROWS, MESSAGES):
        await pipeline.cycle([message(number)])
    pipeline.storing.stop()
    pipeline.keeping.stop()
    store.close()
    state.close()


def plant_flip(folder: Path, told: list[str], *, in_log: bool) -> str:
    """Start a processor on a state with wrong bits; return what became of it. Raises Broken when it refuses, or forgets without a word.

    A wrong bit in the write-ahead log looks like the torn end that power cuts leave.
    """
    acknowledged = max((int(line.split()[1]) for line in told), default=0)

    async def look() -> tuple[bool, int]:
        state, store = SqliteState(folder / "state.sqlite3"), SqliteStore(folder / "store.sqlite3")
        pipeline, _ = bench(folder, state=state, store=store)
        try:
            await pipeline.begin()
            upto = max((point.upto for point in state.load().checkpoints), default=0)
        finally:
            pipeline.storing.stop()
            pipeline.keeping.stop()
            store.close()
            state.close()
        return "state_damaged" in pipeline.standing, upto

    try:
        said, upto = asyncio.run(look())
    except DriftwattError as error:
        raise Broken(f"refused: {error}") from error
    if said:
        return "set aside, and told" if any(folder.glob("*.damaged-*")) else "opened, and told"
    if upto < acknowledged and not in_log:
        raise Broken(f"{acknowledged - upto} acknowledged readings are forgotten without a word")
    return "opened" if upto >= acknowledged else "opened as before the damaged write-ahead log"
