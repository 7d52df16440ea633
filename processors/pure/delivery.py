"""What to do with each message from an edge: apply, wait, answer again, or record that something never comes.

The core holds, per edge and epoch, how far rows were taken (`upto`) and the messages that came too early.
It never touches a store: the shell stores what `Apply` says, commits the checkpoint with everything derived
from it, and only then sends what `Acknowledge` says. A shell that fails in between starts again from the
last checkpoint, and the edge sends again.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from driftwatt.readings import Batch, Removed, Row
from driftwatt.wire import MAX_ROWS, EpochSpan
from processors.pure import identity
from processors.pure.identity import Conflict, Hellos

MAX_HELD_BYTES = 16 * 1024 * 1024
MAX_HELD_MESSAGES = 5000
DAMAGED_TRIES = 3
MAX_DAMAGED = 100
"""Damaged messages of an epoch that are counted one by one; an honest edge has no more under way."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Take these rows, in order. Afterwards the checkpoint of the epoch is `upto`.

    `bad` are rows that could not be read (seq, reason, raw text); `unreadable` counts their seqs. With
    `replay` the rows go into the store only: no checkpoint, no ledger.
    """

    edge: str
    epoch: str
    rows: tuple[tuple[int, Row], ...]
    upto: int
    bad: tuple[tuple[int, str, str], ...] = ()
    unreadable: int = 0
    replay: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows `first` … `last` are not here and the edge no longer holds them: they will never come."""

    edge: str
    epoch: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """These rows were taken before; only counted."""

    edge: str
    epoch: str
    rows: tuple[tuple[int, Row], ...]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Tell the edge that everything up to `upto` is stored, once it is."""

    edge: str
    epoch: str
    upto: int


@dataclass(frozen=True, slots=True)
class Held:
    """A message waits for an earlier one (`order`) or for people (`identity`). `kept` is false when it was let go: it comes again."""

    edge: str
    epoch: str
    seq: int
    why: Literal["order", "identity"]
    kept: bool


@dataclass(frozen=True, slots=True)
class Damaged:
    """A message whose checksum is wrong; it is sent again."""

    edge: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class IdentityAlarm:
    """Two boxes use one edge id; the younger epoch is held until one is renamed."""

    edge: str
    older: str
    younger: str


Action = Apply | Gap | Duplicate | Acknowledge | Held | Damaged | IdentityAlarm


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far one epoch was taken; `age` orders the epochs of an edge, oldest first. This is what is kept on disk."""

    edge: str
    epoch: str
    age: int
    upto: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of a collector. `waiting` holds messages that came too early, with their sizes, by seq."""

    upto: int = 0
    waiting: tuple[tuple[Batch, int], ...] = ()
    damaged: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge: its epochs oldest first, which of them are in conflict, and what its boxes said of themselves."""

    epochs: Mapping[str, Epoch] = field(default_factory=dict)
    conflicts: Mapping[str, Conflict] = field(default_factory=dict)
    hellos: Hellos = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """All edges of a plant, and the bytes that wait in all of them together."""

    edges: Mapping[str, Edge] = field(default_factory=dict)
    held_bytes: int = 0


def begin(checkpoints: Iterable[Checkpoint] = ()) -> Delivery:
    """Return the state of a processor that just started, from what it had committed."""
    edges: dict[str, dict[str, Epoch]] = {}
    for point in sorted(checkpoints, key=lambda point: (point.edge, point.age)):
        edges.setdefault(point.edge, {})[point.epoch] = Epoch(point.upto)
    return Delivery({name: Edge(epochs) for name, epochs in edges.items()})


def checkpoints(state: Delivery, edge: str) -> Iterator[Checkpoint]:
    """Yield what has to be on disk before anything of `edge` is acknowledged."""
    for age, (epoch, found) in enumerate(state.edges.get(edge, Edge()).epochs.items()):
        yield Checkpoint(edge, epoch, age, found.upto)


def receive(state: Delivery, batch: Batch, *, size: int = 0, now_ms: int = 0) -> tuple[Delivery, tuple[Action, ...]]:
    """Return what to do with a message of `size` bytes. `now_ms` only ends conflicts that went quiet."""
    if batch.replay:
        return state, (Apply(batch.edge, batch.epoch, batch.rows, batch.seq + batch.n - 1, batch.bad, len(batch.bad), replay=True),)
    edge = state.edges.get(batch.edge, Edge())
    conflict = edge.conflicts.get(batch.epoch)
    if conflict and now_ms - conflict.at_ms < identity.QUIET_MS:
        held = Held(batch.edge, batch.epoch, batch.seq, "identity", kept=False)
        return state, (held, IdentityAlarm(batch.edge, conflict.older, batch.epoch))
    if conflict:
        edge = replace(edge, conflicts={name: found for name, found in edge.conflicts.items() if name != batch.epoch})
    before = edge.epochs.get(batch.epoch, Epoch())
    after, actions = _take(before, batch, size, MAX_HELD_BYTES - state.held_bytes)
    edge = replace(edge, epochs={**edge.epochs, batch.epoch: after})
    if any(isinstance(action, Apply) for action in actions):
        edge, alarms = _advance(edge, batch.edge, batch.epoch, now_ms)
        actions += alarms
    held_bytes = state.held_bytes + _held(after) - _held(before)
    return Delivery({**state.edges, batch.edge: edge}, held_bytes), tuple(actions)


def unreadable(state: Delivery, header: Batch, reason: str, raw: str, *, now_ms: int = 0) -> tuple[Delivery, tuple[Action, ...]]:
    """Return what to do with a message whose header can be read but whose rows cannot.

    `header` is the message without rows. A wrong checksum (`damaged`) is asked for again twice; then, and for
    any other reason at once, its seqs count as unreadable, so that one message cannot block an edge for ever.
    A header that claims more seqs than a message can hold rows is not believed: no action.
    """
    if header.n > MAX_ROWS:
        return state, ()
    edge = state.edges.get(header.edge, Edge())
    epoch = edge.epochs.get(header.epoch, Epoch())
    tries = epoch.damaged.get(header.seq, 0) + 1
    if reason == "damaged" and tries < DAMAGED_TRIES:
        newest = dict(list(epoch.damaged.items())[-MAX_DAMAGED:])
        epoch = replace(epoch, damaged={**newest, header.seq: tries})
        edge = replace(edge, epochs={**edge.epochs, header.epoch: epoch})
        return replace(state, edges={**state.edges, header.edge: edge}), (Damaged(header.edge, header.epoch, header.seq),)
    given_up = replace(header, rows=(), bad=((header.seq, reason, raw),))
    state, actions = receive(state, given_up, size=len(raw), now_ms=now_ms)
    damaged = (Damaged(header.edge, header.epoch, header.seq),) if reason == "damaged" else ()
    return state, (*damaged, *actions)


def on_hello(state: Delivery, edge_id: str, spans: tuple[EpochSpan, ...]) -> tuple[Delivery, tuple[Action, ...]]:
    """Return what to do when an edge says what it holds, oldest epoch first.

    Each epoch is answered with how far it was taken, so that an edge which believes in more starts again from
    there. Every hello is answered: the answer to the first one may be lost. Of an epoch with no row left, what
    was not taken is a gap: no message will ever say so.
    """
    edge = state.edges.get(edge_id, Edge())
    hellos = identity.remember(edge.hellos, spans)
    conflicts = identity.explained(edge.conflicts, hellos)
    epochs = {name: edge.epochs.get(name, Epoch()) for name in identity.by_age(list(edge.epochs), spans)}
    actions: list[Action] = []
    for span in spans:
        if span.epoch not in conflicts:
            if span.base > span.top:
                epochs[span.epoch], gaps = _catch_up(epochs[span.epoch], edge_id, span)
                actions += gaps
            actions += [Acknowledge(edge_id, span.epoch, epochs[span.epoch].upto)]
    freed = sum(_held(epoch) for epoch in edge.epochs.values()) - sum(_held(epoch) for epoch in epochs.values())
    edges = {**state.edges, edge_id: Edge(epochs, conflicts, hellos)}
    return Delivery(edges, state.held_bytes - freed), tuple(actions)


def recall(state: Delivery, edge_id: str, spans: tuple[EpochSpan, ...]) -> Delivery:
    """Return the state of a processor that remembers from before its start what an edge said it holds.

    Only to know which epochs are of one box: what is held may have changed since, so nothing is taken from it.
    """
    edge = state.edges.get(edge_id, Edge())
    return replace(state, edges={**state.edges, edge_id: replace(edge, hellos=identity.remember(edge.hellos, spans))})


def forget(state: Delivery, edge_id: str, gone: Iterable[str]) -> Delivery:
    """Return the state without epochs that an edge no longer holds."""
    gone = set(gone)
    edge = state.edges.get(edge_id, Edge())
    kept = {name: epoch for name, epoch in edge.epochs.items() if name not in gone}
    freed = sum(_held(epoch) for name, epoch in edge.epochs.items() if name in gone)
    conflicts = {name: found for name, found in edge.conflicts.items() if name not in gone}
    return Delivery({**state.edges, edge_id: Edge(kept, conflicts, edge.hellos)}, state.held_bytes - freed)


def _held(epoch: Epoch) -> int:
    return sum(size for _, size in epoch.waiting)


def _advance(edge: Edge, edge_id: str, epoch: str, now_ms: int) -> tuple[Edge, list[Action]]:
    names = list(edge.epochs)
    younger = [name for name in names[names.index(epoch) + 1 :] if edge.epochs[name].upto > 0]
    if not younger:
        return edge, []
    conflicts = identity.advanced(edge.conflicts, edge.hellos, epoch, edge.epochs[epoch].upto, begun=younger, now_ms=now_ms)
    alarms: list[Action] = [IdentityAlarm(edge_id, epoch, name) for name in younger if name in conflicts]
    return replace(edge, conflicts=conflicts), alarms


def _take(epoch: Epoch, batch: Batch, size: int, room: int) -> tuple[Epoch, list[Action]]:
    """Return the epoch after a message, and what to do. `room` is how many bytes may wait beside those that do."""
    if batch.seq + batch.n - 1 <= epoch.upto:
        again = Acknowledge(batch.edge, batch.epoch, epoch.upto)
        return epoch, [Duplicate(batch.edge, batch.epoch, batch.rows), again]
    waiting = [entry for entry in epoch.waiting if entry[0].seq != batch.seq]
    insort(waiting, (batch, size), key=lambda entry: entry[0].seq)
    upto, actions = _drain(waiting, epoch.upto)
    while waiting and (len(waiting) > MAX_HELD_MESSAGES or sum(held for _, held in waiting) - _held(epoch) > room):
        waiting.pop()
    # Also when nothing was taken: the edge may go by the mark of a plant that has since been restored.
    actions.append(Acknowledge(batch.edge, batch.epoch, upto))
    if batch.seq > upto:
        kept = any(entry[0] is batch for entry in waiting)
        actions.append(Held(batch.edge, batch.epoch, batch.seq, "order", kept=kept))
    damaged = {seq: tries for seq, tries in epoch.damaged.items() if seq > upto}
    return Epoch(upto, waiting=tuple(waiting), damaged=damaged), actions


def _catch_up(epoch: Epoch, edge_id: str, span: EpochSpan) -> tuple[Epoch, list[Action]]:
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
    readable = sum(row.count if isinstance(row, Removed) else 1 for _, row in rows)
    return Apply(batch.edge, batch.epoch, rows, end, bad, taken - readable)


def _after(rows: tuple[tuple[int, Row], ...], upto: int) -> Iterator[tuple[int, Row]]:
    for seq, row in rows:
        if seq > upto:
            yield seq, row
        elif isinstance(row, Removed) and seq + row.count - 1 > upto:
            yield upto + 1, Removed(row.why, seq + row.count - 1 - upto)
