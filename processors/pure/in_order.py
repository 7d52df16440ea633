"""One epoch of an edge in order: rows are taken as they follow one another, what came too early waits, what never comes is a gap."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from driftwatt.readings import Batch, Removed, Row
from driftwatt.wire import EpochSpan
from processors.pure.actions import Acknowledge, Action, Apply, Duplicate, Gap, Held

MAX_HELD_MESSAGES = 5000


@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of a collector. `waiting` holds messages that came too early, with their sizes, by seq."""

    upto: int = 0
    waiting: tuple[tuple[Batch, int], ...] = ()
    damaged: Mapping[int, int] = field(default_factory=dict)


def bytes_waiting(epoch: Epoch) -> int:
    """Return the bytes of the messages that wait."""
    return sum(size for _, size in epoch.waiting)


def take(epoch: Epoch, batch: Batch, size: int, room: int) -> tuple[Epoch, list[Action]]:
    """Return the epoch after a message, and what to do. `room` is how many bytes may wait beside those that do."""
    if batch.seq + batch.n - 1 <= epoch.upto:
        again = Acknowledge(batch.edge, batch.epoch, epoch.upto)
        return epoch, [Duplicate(batch.edge, batch.epoch, batch.rows), again]
    waiting = [entry for entry in epoch.waiting if entry[0].seq != batch.seq]
    insort(waiting, (batch, size), key=lambda entry: entry[0].seq)
    upto, actions = _drain(waiting, epoch.upto)
    while waiting and (len(waiting) > MAX_HELD_MESSAGES or sum(held for _, held in waiting) - bytes_waiting(epoch) > room):
        waiting.pop()
    # Also when nothing was taken: the edge may go by the mark of a plant that has since been restored.
    actions.append(Acknowledge(batch.edge, batch.epoch, upto))
    if batch.seq > upto:
        kept = any(entry[0] is batch for entry in waiting)
        actions.append(Held(batch.edge, batch.epoch, batch.seq, "order", kept=kept))
    damaged = {seq: tries for seq, tries in epoch.damaged.items() if seq > upto}
    return Epoch(upto, waiting=tuple(waiting), damaged=damaged), actions


def catch_up(epoch: Epoch, edge_id: str, span: EpochSpan) -> tuple[Epoch, list[Action]]:
    """Return the epoch after hearing that the edge holds nothing of it any more."""
    waiting = list(epoch.waiting)
    upto, actions = _drain(waiting, epoch.upto, span.base)
    if span.base > upto + 1:
        actions.append(Gap(edge_id, span.epoch, upto + 1, span.base - 1))
        upto = span.base - 1
    return (replace(epoch, upto=upto, waiting=tuple(waiting)) if actions else epoch), actions


def _drain(waiting: list[tuple[Batch, int]], upto: int, base: int = 0) -> tuple[int, list[Action]]:
    """Take from the front of `waiting` all that can be taken; return how far that reaches, and what to do."""
    actions: list[Action] = []
    floor = max([base, *(min(batch.base, batch.seq) for batch, _ in waiting)])
    while waiting:
        batch = waiting[0][0]
        if batch.seq > upto + 1:
            if floor <= upto + 1:
                break
            never_comes = min(floor, batch.seq) - 1
            actions.append(Gap(batch.edge, batch.epoch, upto + 1, never_comes))
            upto = never_comes
            continue
        waiting.pop(0)
        end = batch.seq + batch.n - 1
        if end <= upto:
            actions.append(Duplicate(batch.edge, batch.epoch, batch.rows))
            continue
        actions.append(_apply(batch, upto, end))
        upto = end
    return upto, actions


def _apply(batch: Batch, upto: int, end: int) -> Apply:
    if batch.seq > upto:
        rows, bad, taken = batch.rows, batch.bad, batch.n
    else:
        rows, bad = tuple(_after(batch.rows, upto)), tuple(entry for entry in batch.bad if entry[0] > upto)
        taken = end - upto
    readable = len(rows) + sum([row.count - 1 for _, row in rows if isinstance(row, Removed)])
    return Apply(batch.edge, batch.epoch, rows, end, bad, taken - readable)


def _after(rows: tuple[tuple[int, Row], ...], upto: int) -> Iterator[tuple[int, Row]]:
    for seq, row in rows:
        if seq > upto:
            yield seq, row
        elif isinstance(row, Removed) and seq + row.count - 1 > upto:
            yield upto + 1, Removed(row.why, seq + row.count - 1 - upto)
