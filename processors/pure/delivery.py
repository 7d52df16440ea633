"""What to do with each message from an edge: apply, wait, answer again, or record that something never comes.

The core holds, per edge and epoch, how far rows were taken (`upto`) and the messages that came too early.
It never touches a store: the shell stores what `Apply` says, commits the checkpoint with everything derived
from it, and only then sends what `Acknowledge` says. A shell that fails in between starts again from the
last checkpoint, and the edge sends again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from driftwatt.readings import Batch
from driftwatt.wire import MAX_ROWS, EpochSpan
from processors.pure import identity
from processors.pure.actions import Acknowledge, Action, Apply, Damaged, Duplicate, Gap, Held, IdentityAlarm
from processors.pure.identity import Conflict, Hellos
from processors.pure.in_order import Epoch, bytes_waiting, catch_up, take

__all__ = [
    "MAX_HELD_BYTES", "Acknowledge", "Action", "Apply", "Checkpoint", "Damaged", "Delivery", "Duplicate", "Edge",
    "Epoch", "Gap", "Held", "IdentityAlarm", "begin", "checkpoints", "forget", "on_hello", "recall", "receive", "unreadable",
]  # fmt: skip

MAX_HELD_BYTES = 16 * 1024 * 1024
DAMAGED_TRIES = 3
MAX_DAMAGED = 100
"""Damaged messages of an epoch that are counted one by one; an honest edge has no more under way."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far one epoch was taken; `age` orders the epochs of an edge, oldest first. This is what is kept on disk."""

    edge: str
    epoch: str
    age: int
    upto: int


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
    after, actions = take(before, batch, size, MAX_HELD_BYTES - state.held_bytes)
    edge = replace(edge, epochs={**edge.epochs, batch.epoch: after})
    if any(isinstance(action, Apply) for action in actions):
        edge, alarms = _advance(edge, batch.edge, batch.epoch, now_ms)
        actions += alarms
    held_bytes = state.held_bytes + bytes_waiting(after) - bytes_waiting(before)
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
                epochs[span.epoch], gaps = catch_up(epochs[span.epoch], edge_id, span)
                actions += gaps
            actions += [Acknowledge(edge_id, span.epoch, epochs[span.epoch].upto)]
    freed = sum(bytes_waiting(epoch) for epoch in edge.epochs.values()) - sum(bytes_waiting(epoch) for epoch in epochs.values())
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
    freed = sum(bytes_waiting(epoch) for name, epoch in edge.epochs.items() if name in gone)
    conflicts = {name: found for name, found in edge.conflicts.items() if name not in gone}
    return Delivery({**state.edges, edge_id: Edge(kept, conflicts, edge.hellos)}, state.held_bytes - freed)


def _advance(edge: Edge, edge_id: str, epoch: str, now_ms: int) -> tuple[Edge, list[Action]]:
    names = list(edge.epochs)
    younger = [name for name in names[names.index(epoch) + 1 :] if edge.epochs[name].upto > 0]
    if not younger:
        return edge, []
    conflicts = identity.advanced(edge.conflicts, edge.hellos, epoch, edge.epochs[epoch].upto, begun=younger, now_ms=now_ms)
    alarms: list[Action] = [IdentityAlarm(edge_id, epoch, name) for name in younger if name in conflicts]
    return replace(edge, conflicts=conflicts), alarms
