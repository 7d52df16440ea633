"""The sending core: in order, within the window, again after a growing pause, and never gone before the plant has it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from collector.pure.sending import Fetch, Held, Pace, Parcel, Sending, Settle, acknowledged, again, pack, want
from driftwatt.readings import Reading, Removed
from driftwatt.wire import MAX_PAYLOAD_BYTES, MAX_ROWS, Ack, read_message, row_bytes

A, B = "a" * 16, "b" * 16
PACE = Pace(window_bytes=5000, window_messages=4, message_bytes=1000, resend_s=3.0, resend_max_s=60.0)
WIDE = Pace()


def parcels(first: int, last: int) -> list[Parcel]:
    return [Parcel(seq, 1, row_bytes(Reading("m1", seq, {"active_power": float(seq)}))) for seq in range(first, last + 1)]


def send(state: Sending, held: Sequence[Held], now_s: float = 0.0, pace: Pace = WIDE) -> tuple[Sending, list[tuple[str, int, int]]]:
    """Send what may be sent and tell (epoch, first seq, last seq) of each message."""
    state, fetch = want(state, held, now_s=now_s, pace=pace)
    if fetch is None:
        return state, []
    top = next(span.top for span in held if span.epoch == fetch.epoch)
    rows = parcels(fetch.first, min(top, fetch.first + fetch.max_bytes // 60))
    state, messages = pack(state, "hall-a", fetch, rows, now_s=now_s, pace=pace)
    batches = [read_message(message) for message in messages]
    return state, [(batch.epoch, batch.seq, batch.seq + batch.n - 1) for batch in batches]


def ack(upto: int, by: str = "p1", epoch: str = A) -> Ack:
    return Ack("hall-a", epoch, upto, by)


def test_nothing_held_or_everything_acknowledged_sends_nothing() -> None:
    assert want(Sending(), [], now_s=0, pace=WIDE) == (Sending(), None)
    assert want(Sending(), [Held(A, 1, 5, acked=5)], now_s=0, pace=WIDE)[1] is None
    assert want(Sending(), [Held(A, 1, 0)], now_s=0, pace=WIDE)[1] is None


def test_rows_go_out_once_and_new_ones_follow() -> None:
    state, sent = send(Sending(), [Held(A, 1, 5)])
    assert sent == [(A, 1, 5)]
    assert send(state, [Held(A, 1, 5)])[1] == []
    assert send(state, [Held(A, 1, 8)])[1] == [(A, 6, 8)]


def test_the_older_epoch_is_finished_before_the_younger_one_begins() -> None:
    state, sent = send(Sending(), [Held(A, 1, 5), Held(B, 1, 3)])
    assert sent == [(A, 1, 5)]
    state, sent = send(state, [Held(A, 1, 5, acked=4, sent=5), Held(B, 1, 3)])
    assert sent == []
    assert send(state, [Held(A, 1, 5, acked=5, sent=5), Held(B, 1, 3)])[1] == [(B, 1, 3)]


def test_dropped_rows_are_not_waited_for_and_base_tells_the_plant() -> None:
    _, fetch = want(Sending(), [Held(A, 7, 9, acked=2)], now_s=0, pace=WIDE)
    assert fetch is not None
    assert (fetch.first, fetch.base) == (7, 7)


def test_what_is_not_answered_is_sent_again_after_a_pause_that_doubles_up_to_a_minute() -> None:
    held = [Held(A, 1, 5)]
    state, sent = send(Sending(), held, 100.0)
    pauses, now_s = [], 100.0
    for _ in range(7):
        assert state.resend_at_s is not None
        pauses.append(state.resend_at_s - now_s)
        assert send(state, held, state.resend_at_s - 0.01)[1] == []
        now_s = state.resend_at_s
        state, sent = send(state, held, now_s)
        assert sent == [(A, 1, 5)]
    assert pauses == [3, 6, 12, 24, 48, 60, 60]


def test_progress_makes_the_pause_short_again() -> None:
    state, _ = send(Sending(), [Held(A, 1, 5)], 0.0)
    state, _ = send(state, [Held(A, 1, 5)], 3.0)
    state, settle = acknowledged(state, [Held(A, 1, 5)], ack(5), now_s=4.0, pace=WIDE)
    assert settle == Settle(A, 5, "p1")
    assert state.resend_at_s is None
    state, _ = send(state, [Held(A, 1, 9, acked=5, by="p1")], 5.0)
    assert state.resend_at_s == 8.0
    assert len(state.flying) == 1


def test_partial_progress_waits_anew_for_the_rest() -> None:
    state, sent = send(Sending(), [Held(A, 1, 40)], 0.0, PACE)
    assert len(sent) > 1
    state, settle = acknowledged(state, [Held(A, 1, 40)], ack(sent[0][2]), now_s=2.0, pace=PACE)
    assert settle == Settle(A, sent[0][2], "p1")
    assert state.resend_at_s == 5.0
    assert len(state.flying) == len(sent) - 1


def test_a_lost_connection_sends_everything_again_at_once() -> None:
    state, _ = send(Sending(), [Held(A, 1, 5, acked=2)])
    assert send(again(state), [Held(A, 1, 5, acked=2)])[1] == [(A, 3, 5)]


def test_the_window_is_bounded_in_messages_and_bytes() -> None:
    state, sent = send(Sending(), [Held(A, 1, 10_000)], 0.0, PACE)
    assert len(sent) == PACE.window_messages
    assert send(state, [Held(A, 1, 10_000)], 1.0, PACE)[1] == []
    narrow = Pace(window_bytes=2500, window_messages=400, message_bytes=1000)
    state, sent = send(Sending(), [Held(A, 1, 10_000)], 0.0, narrow)
    while sent:
        state, sent = send(state, [Held(A, 1, 10_000)], 0.0, narrow)
    assert sum(flight.size for flight in state.flying) <= 2500


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=200), st.lists(st.integers(1, MAX_ROWS), min_size=1, max_size=30))
def test_every_message_fits_and_no_parcel_is_left_out_or_reordered(sizes: list[int], holes: list[int]) -> None:
    rows, seq = [], 1
    for at, size in enumerate(sizes):
        n = holes[at % len(holes)] if at % 3 == 0 else 1
        body = row_bytes(Removed("thinned", n)) if n > 1 else b'{"m":"m1","t":1,"f":"timeout","d":0' + b" " * size + b"}"
        rows.append(Parcel(seq, n, body))
        seq += n
    fetch = Fetch(A, 1, 1, 10**9, 10**6)
    state, messages = pack(Sending(), "hall-a", fetch, rows, now_s=0.0, pace=WIDE)
    assert all(len(message) <= MAX_PAYLOAD_BYTES for message in messages)
    batches = [read_message(message) for message in messages]
    assert [batch.seq for batch in batches] == [1, *(batch.seq + batch.n for batch in batches[:-1])]
    assert all(batch.n <= MAX_ROWS for batch in batches)
    assert state.last == seq - 1


def test_a_mark_never_passes_what_was_sent() -> None:
    held = [Held(A, 1, 9, sent=500)]
    state, _ = send(Sending(), [Held(A, 1, 5)])
    assert acknowledged(state, held, ack(2**60), now_s=0, pace=WIDE)[1] == Settle(A, 5, "p1")
    assert acknowledged(Sending(), held, ack(3), now_s=0, pace=WIDE)[1] == Settle(A, 0, "p1")


def test_of_an_earlier_life_the_plant_may_know_what_this_life_has_not_sent() -> None:
    held = [Held(A, 1, 9, acked=2, sent=7), Held(B, 1, 0)]
    assert acknowledged(Sending(), held, ack(6), now_s=0, pace=WIDE)[1] == Settle(A, 6, "p1")
    assert acknowledged(Sending(), held, ack(9), now_s=0, pace=WIDE)[1] == Settle(A, 7, "p1")
    assert acknowledged(Sending(), [Held(A, 1, 5, sent=700), Held(B, 1, 0)], ack(900), now_s=0, pace=WIDE)[1] == Settle(A, 5, "p1")


def test_an_unknown_epoch_or_a_repeated_word_changes_nothing() -> None:
    held = [Held(A, 1, 5, acked=5, sent=5, by="p1"), Held(B, 1, 0)]
    state = Sending(by="p1")
    for word in (ack(3), ack(5), ack(4, epoch="c" * 16)):
        assert acknowledged(state, held, word, now_s=0, pace=WIDE) == (state, None)


def test_a_restored_plant_gets_back_what_it_lost_as_far_as_it_is_held() -> None:
    held = [Held(A, 20, 50, acked=50, sent=50, by="p1"), Held(B, 1, 0, by="p1")]
    state, settle = acknowledged(Sending(epoch=B, by="p1"), held, ack(30, "p2"), now_s=0, pace=WIDE)
    assert settle == Settle(A, 30, "p2")
    assert acknowledged(state, held, ack(3, "p2"), now_s=0, pace=WIDE)[1] == Settle(A, 19, "p2")
    gone = [Held(A, 51, 50, acked=50, sent=50, by="p1"), Held(B, 1, 0)]
    assert acknowledged(state, gone, ack(3, "p2"), now_s=0, pace=WIDE)[1] == Settle(A, 50, "p2")


def test_going_back_in_the_epoch_under_way_starts_again_from_the_new_mark() -> None:
    state, _ = send(Sending(by="p1"), [Held(A, 1, 9, acked=5, by="p1")])
    state, settle = acknowledged(state, [Held(A, 1, 9, acked=5, by="p1")], ack(2, "p2"), now_s=1, pace=WIDE)
    assert settle == Settle(A, 2, "p2")
    assert send(state, [Held(A, 1, 9, acked=2, by="p2")], 1.0)[1] == [(A, 3, 9)]


def test_a_new_life_of_the_plant_has_lost_what_was_under_way() -> None:
    state, _ = send(Sending(by="p1"), [Held(A, 1, 9, by="p1")])
    state, _ = acknowledged(state, [Held(A, 1, 9, by="p1")], ack(0, "p2"), now_s=0.5, pace=WIDE)
    assert send(state, [Held(A, 1, 9, by="p2")], 0.5)[1] == [(A, 1, 9)]


def test_the_first_word_of_a_plant_ends_the_long_pauses_of_having_talked_to_nobody() -> None:
    held = [Held(A, 1, 9)]
    state, _ = send(Sending(), held, 0.0)
    for now_s in (3.0, 9.0, 21.0, 45.0):
        state, sent = send(state, held, now_s)
        assert sent
    assert state.resend_at_s == 93.0
    heard, settle = acknowledged(state, held, ack(0), now_s=60.0, pace=WIDE)
    assert settle == Settle(A, 0, "p1")
    assert send(heard, held, 60.0)[1] == [(A, 1, 9)]
    heard, _ = acknowledged(state, held, ack(0), now_s=46.0, pace=WIDE)
    assert heard.resend_at_s == 48.0
    assert acknowledged(Sending(), held, ack(0), now_s=1.0, pace=WIDE)[0].resend_at_s is None


def test_an_answer_for_rows_dropped_meanwhile_moves_the_mark_to_what_the_plant_said() -> None:
    state, _ = send(Sending(), [Held(A, 1, 9)])
    assert acknowledged(state, [Held(A, 8, 9)], ack(4), now_s=0, pace=WIDE)[1] == Settle(A, 4, "p1")


def test_nothing_read_means_nothing_sent() -> None:
    state, fetch = want(Sending(), [Held(A, 1, 5)], now_s=0, pace=WIDE)
    assert fetch is not None
    assert pack(state, "hall-a", fetch, [], now_s=0, pace=WIDE) == (state, ())
    flying, _ = pack(state, "hall-a", fetch, parcels(1, 5), now_s=0, pace=WIDE)
    idle, none = want(flying, [Held(A, 1, 5, acked=5)], now_s=0, pace=WIDE)
    assert (idle.flying, none) == ((), None)
