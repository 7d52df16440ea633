"""Snapshots, moves and late readings in the state file; called inside its transactions."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from sqlite3 import Connection
from typing import Any

from driftwatt.errors import WireError
from processors.pure.commit import Commit, Kept
from processors.pure.past import Move, Snapshot, stale

_NAMES = ("energy", "detector")


def write(db: Connection, change: Commit) -> None:
    """Keep what a commit brings, and forget the snapshots that it makes needless."""
    db.executemany(
        "INSERT INTO move VALUES (?, ?, ?, ?, ?)", [(one.number, one.meter, one.after_ms, one.what, one.body) for one in change.moves]
    )
    for meter, from_ms in change.late.items():
        if from_ms is None:
            db.execute("DELETE FROM late WHERE meter = ?", (meter,))
        else:
            db.execute("INSERT OR REPLACE INTO late VALUES (?, ?)", (meter, from_ms))
    db.executemany("DELETE FROM snapshot WHERE meter = ? AND t_ms >= ?", change.cut.items())
    db.executemany("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?)", [_row(one) for one in change.snapshots])
    for meter in {one.meter for one in change.snapshots}:
        kept = [Snapshot(meter, t, 0, "", parts={"energy": b""} if full else {}) for t, full in db.execute(_KEPT, (meter,))]
        db.executemany("DELETE FROM snapshot WHERE meter = ? AND t_ms = ?", [(meter, t_ms) for t_ms in stale(kept)])
        _forget_moves(db, meter)


def recall(db: Connection, kept: Kept) -> Kept:
    """Return what a processor finds, with what is known of the past."""
    plans, facts, upto = {}, {}, {}
    for meter, t_ms, number, plan, said in db.execute("SELECT meter, t_ms, number, plan, facts FROM snapshot ORDER BY meter, t_ms"):
        plans[meter], facts[meter], upto[meter] = (t_ms, plan), said, number
    newest = max(upto.values(), default=0)
    hellos = db.execute("SELECT number, meter, body FROM move WHERE what = 'hello' ORDER BY number")
    facts |= {meter: body for number, meter, body in hellos if number > upto.get(meter, 0)}
    number = max(newest, db.execute("SELECT coalesce(max(number), 0) FROM move").fetchone()[0])
    late = dict(db.execute("SELECT meter, from_ms FROM late"))
    return replace(kept, plans=plans, facts=facts, number=number, late=late)


_KEPT = "SELECT t_ms, energy IS NOT NULL FROM snapshot WHERE meter = ?"


def snapshot(db: Connection, meter: str, before_ms: int) -> Snapshot | None:
    """Return the newest snapshot of a meter before an instant."""
    for row in db.execute("SELECT * FROM snapshot WHERE meter = ? AND t_ms < ? ORDER BY t_ms DESC", (meter, before_ms)):
        with suppress(WireError):  # damaged: an older one and more readings do as well
            return _snapshot(row)
    return None


def first_snapshot(db: Connection, meter: str, from_ms: int) -> Snapshot | None:
    """Return the oldest snapshot of a meter from an instant on."""
    for row in db.execute("SELECT * FROM snapshot WHERE meter = ? AND t_ms >= ? ORDER BY t_ms", (meter, from_ms)):
        with suppress(WireError):
            return _snapshot(row)
    return None


def _snapshot(row: Sequence[Any]) -> Snapshot:
    try:
        parts = {name: zlib.decompress(data) for name, data in zip(_NAMES, row[5:], strict=True) if data is not None}
    except zlib.error as error:
        raise WireError("snapshot", str(error)) from error
    meter, t_ms, number, plan, facts = row[:5]
    return Snapshot(meter, t_ms, number, plan, facts, parts)


def moves(db: Connection, meter: str, after: int) -> list[Move]:
    """Return the moves of a meter with a number above `after`, in order."""
    sql = "SELECT number, meter, after_ms, what, body FROM move WHERE meter = ? AND number > ? ORDER BY number"
    return [Move(*row) for row in db.execute(sql, (meter, after))]


def forget(db: Connection, before_ms: int) -> None:
    """Remove snapshots of before an instant, all but the newest of each meter."""
    for (meter,) in db.execute("SELECT DISTINCT meter FROM snapshot WHERE t_ms < ?", (before_ms,)).fetchall():
        newest = "(SELECT max(t_ms) FROM snapshot WHERE meter = ?)"
        db.execute(f"DELETE FROM snapshot WHERE meter = ? AND t_ms < ? AND t_ms < {newest}", (meter, before_ms, meter))  # noqa: S608 - ours
        _forget_moves(db, meter)


def _forget_moves(db: Connection, meter: str) -> None:
    oldest = "(SELECT min(number) FROM snapshot WHERE meter = ?)"
    db.execute(f"DELETE FROM move WHERE meter = ? AND number <= {oldest}", (meter, meter))  # noqa: S608 - ours


def _row(one: Snapshot) -> tuple[object, ...]:
    packed = (zlib.compress(one.parts[name], 1) if name in one.parts else None for name in _NAMES)
    return (one.meter, one.t_ms, one.number, one.plan, one.facts, *packed)
