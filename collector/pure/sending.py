"""What to send next, and what an acknowledgement means. Decides; the forwarder acts.

Rows leave in order, epochs oldest first, the next one only when the last is fully acknowledged. What is
not acknowledged is sent again after a pause that grows. Nothing here knows of MQTT, SQLite or the time of day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from driftwatt.wire import MAX_PAYLOAD_BYTES, MAX_ROWS, MESSAGE_OVERHEAD_BYTES, Ack, message_bytes


@dataclass(frozen=True, slots=True)
class Held:
    """What the outbox holds of one epoch.

    `base` is the oldest seq still held (`top + 1` when none is), the acknowledged tail included; `top` the newest
    seq ever committed (0: none); `acked` the plant's mark; `sent` the highest seq that may ever have been sent;
    `by` the processor's life that set the mark ("" before the first acknowledgement).
    """

    epoch: str
    base: int
    top: int
    acked: int = 0
    sent: int = 0
    by: str = ""

    @property
    def done(self) -> bool:
        """True when nothing of this epoch is left to be sent."""
        return max(self.acked, self.base - 1) >= self.top


@dataclass(frozen=True, slots=True)
class Parcel:
    """One row as it travels: its first seq, how many seqs it covers (more than 1 only for removed rows), its JSON."""

    seq: int
    count: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Pace:
    """How much may be under way, and how long to wait for an answer. Seconds and bytes."""

    window_bytes: int = 2 * 1024 * 1024
    window_messages: int = 400
    message_bytes: int = MAX_PAYLOAD_BYTES
    fetch_bytes: int = 4 * MAX_PAYLOAD_BYTES
    """A window is filled in steps of this: what is read at once stands in memory three times until it is published."""
    resend_s: float = 3.0
    resend_max_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Flight:
    """A message under way: its last seq and its size."""

    upto: int
    size: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read parcels of `epoch` from seq `first` on, about `max_bytes` of them, for at most `messages` messages."""

    epoch: str
    base: int
    first: int
    max_bytes: int
    messages: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Move the mark of `epoch` to `upto`; `by` is the processor's life that said so."""

    epoch: str
    upto: int
    by: str


@dataclass(frozen=True, slots=True)
class Sending:
    """What this process knows of its messages. Lost at a crash, and that costs only duplicates.

    `flying` are the messages of `epoch` without an answer, `last` the seq after which to go on (0: after the
    mark), `sent` the highest seq ever sent of each epoch in this life, `by` the processor heard last.
    """

    epoch: str = ""
    flying: tuple[Flight, ...] = ()
    last: int = 0
    sent: Mapping[str, int] = field(default_factory=dict)
    pause_s: float = 0.0
    resend_at_s: float | None = None
    by: str = ""


def again(state: Sending) -> Sending:
    """Return the state after the connection was lost: whatever was under way is sent again at once."""
    return replace(state, flying=(), last=0, pause_s=0.0, resend_at_s=None)


def want(state: Sending, held: Sequence[Held], *, now_s: float, pace: Pace) -> tuple[Sending, Fetch | None]:
    """Return what to read from the outbox and send now, if anything. `held` is oldest first; `now_s` is monotonic."""
    active = next((span for span in held if not span.done), None)
    if active is None:
        return (replace(again(state), epoch="") if state.flying else state), None
    if active.epoch != state.epoch:
        state = replace(again(state), epoch=active.epoch)
    elif state.flying and state.resend_at_s is not None and now_s >= state.resend_at_s:
        state = replace(state, flying=(), last=0, resend_at_s=None)
    first = max(state.last, active.acked, active.base - 1) + 1
    room = pace.window_bytes - sum(flight.size for flight in state.flying)
    messages = pace.window_messages - len(state.flying)
    if first > active.top or messages <= 0 or room < pace.message_bytes:
        return state, None
    return state, Fetch(active.epoch, active.base, first, min(room - pace.message_bytes + 1, pace.fetch_bytes), messages)


def pack(
    state: Sending, edge: str, fetch: Fetch, parcels: Sequence[Parcel], *, now_s: float, pace: Pace
) -> tuple[Sending, tuple[bytes, ...]]:
    """Return the messages for the parcels that were read. Note `state.last` in the outbox before publishing them."""
    messages: list[bytes] = []
    flying = list(state.flying)
    last = state.last
    for group in _groups(parcels, pace.message_bytes - MESSAGE_OVERHEAD_BYTES):
        if len(messages) >= fetch.messages:
            break
        n = sum(parcel.count for parcel in group)
        messages.append(message_bytes(edge, fetch.epoch, fetch.base, group[0].seq, [parcel.body for parcel in group], n=n))
        last = group[0].seq + n - 1
        flying.append(Flight(last, len(messages[-1])))
    if not messages:
        return state, ()
    pause_s, resend_at_s = state.pause_s, state.resend_at_s
    if resend_at_s is None:
        pause_s = min(pause_s * 2, pace.resend_max_s) or pace.resend_s
        resend_at_s = now_s + pause_s
    sent = {**state.sent, fetch.epoch: max(last, state.sent.get(fetch.epoch, 0))}
    return replace(state, flying=tuple(flying), last=last, sent=sent, pause_s=pause_s, resend_at_s=resend_at_s), tuple(messages)


def pack_replay(edge: str, epoch: str, base: int, parcels: Sequence[Parcel]) -> Iterator[tuple[int, bytes]]:
    """Yield (last seq, message) for rows that are sent again outside of the order: nothing is claimed, nothing acknowledged."""
    for group in _groups(parcels, MAX_PAYLOAD_BYTES - MESSAGE_OVERHEAD_BYTES):
        n = sum(parcel.count for parcel in group)
        bodies = [parcel.body for parcel in group]
        yield group[0].seq + n - 1, message_bytes(edge, epoch, base, group[0].seq, bodies, n=n, replay=True)


def acknowledged(state: Sending, held: Sequence[Held], ack: Ack, *, now_s: float, pace: Pace) -> tuple[Sending, Settle | None]:
    """Return what an acknowledgement changes; None when nothing.

    A mark never passes what was sent. It goes back only on the word of another life of the processor than the
    one that set it: that plant was restored and asks for what it lost. Should a late word of the former life
    move it forwards again, the plant repeats its own with every message it cannot use and every hello.
    """
    span = next((span for span in held if span.epoch == ack.epoch), None)
    if span is None:
        return state, None
    state = _met(state, ack.by, now_s, pace)
    upto = min(ack.upto, _sent(state, span, own=span is held[-1]))
    if upto <= span.acked and ack.by == span.by:
        return state, None
    if upto < span.acked:
        upto = min(max(upto, span.base - 1), span.acked)
    if span.epoch != state.epoch:
        return state, Settle(span.epoch, upto, ack.by)
    if upto < span.acked:
        return again(state), Settle(span.epoch, upto, ack.by)
    if upto > span.acked:
        flying = tuple(flight for flight in state.flying if flight.upto > upto)
        state = replace(state, flying=flying, pause_s=0.0, resend_at_s=now_s + pace.resend_s if flying else None)
    return state, Settle(span.epoch, upto, ack.by)


def unfounded(state: Sending, held: Sequence[Held], ack: Ack, *, told: Collection[str]) -> str:
    """Return why an acknowledgement cannot come from a plant that received what this edge sent, or nothing.

    `told` are the epochs that the plant last heard of: a late word about one that is done by now is nothing special.
    """
    span = next((span for span in held if span.epoch == ack.epoch), None)
    if span is None:
        return "" if ack.epoch in told else f"epoch {ack.epoch} is not held here"
    sent = _sent(state, span, own=span is held[-1])
    return f"row {ack.upto} of epoch {ack.epoch} was never sent, only {sent} were" if ack.upto > sent else ""


def _sent(state: Sending, span: Held, *, own: bool) -> int:
    """Return the highest seq of an epoch that can have been sent; of an earlier process only the outbox knows."""
    return state.sent.get(span.epoch, 0) if own else min(span.sent, span.top)


def _met(state: Sending, by: str, now_s: float, pace: Pace) -> Sending:
    """Return the state after hearing from a processor's life.

    A new one has lost what was under way to the old one. The first one ends the long pauses of having talked to nobody.
    """
    if by == state.by:
        return state
    if state.by:
        return replace(again(state), by=by)
    due_s = state.resend_at_s
    if due_s is not None:
        due_s = min(due_s, max(now_s, due_s - state.pause_s + pace.resend_s))
    return replace(state, by=by, pause_s=0.0, resend_at_s=due_s)


def _groups(parcels: Sequence[Parcel], max_bytes: int) -> Iterator[list[Parcel]]:
    """Yield parcels in groups that fit a message: bytes with their commas, and seqs."""
    group: list[Parcel] = []
    size = seqs = 0
    for parcel in parcels:
        if group and (size + len(parcel.body) + 1 > max_bytes or seqs + parcel.count > MAX_ROWS):
            yield group
            group, size, seqs = [], 0, 0
        group.append(parcel)
        size += len(parcel.body) + 1
        seqs += parcel.count
    if group:
        yield group
