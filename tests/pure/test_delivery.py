"""The delivery core: every message is applied once, in order, or said to be missing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwatt.readings import Batch, FailedPoll, Reading, Removed, Row
from driftwatt.wire import EpochSpan
from processors.pure import delivery, identity, in_order
from processors.pure.delivery import Acknowledge, Apply, Checkpoint, Damaged, Delivery, Duplicate, Gap, Held, IdentityAlarm

A, B, C = "a" * 16, "b" * 16, "c" * 16


def batch(seq: int, n: int = 1, *, base: int = 1, epoch: str = A, replay: bool = False) -> Batch:
    rows = tuple((at, Reading("m", at * 1000, {"active_power": float(at)})) for at in range(seq, seq + n))
    return Batch("hall-a", epoch, base, seq, n, rows, (), replay)


def feed(state: Delivery, *batches: Batch) -> tuple[Delivery, list[delivery.Action]]:
    actions: list[delivery.Action] = []
    for one in batches:
        state, more = delivery.receive(state, one, size=100)
        actions += more
    return state, actions


def applied(actions: list[delivery.Action]) -> list[int]:
    return [seq for action in actions if isinstance(action, Apply) for seq, _ in action.rows]


def upto(state: Delivery, epoch: str = A) -> int:
    return state.edges["hall-a"].epochs[epoch].upto


def test_rows_in_order_are_applied_and_acknowledged() -> None:
    state, actions = feed(delivery.begin(), batch(1, 3), batch(4, 2))
    assert applied(actions) == [1, 2, 3, 4, 5]
    assert [action.upto for action in actions if isinstance(action, Acknowledge)] == [3, 5]
    assert list(delivery.checkpoints(state, "hall-a")) == [Checkpoint("hall-a", A, 0, 5)]


def test_a_message_seen_before_changes_nothing_and_is_acknowledged_again() -> None:
    state, _ = feed(delivery.begin(), batch(1, 5))
    again, actions = feed(state, batch(2, 3))
    assert upto(again) == 5
    assert actions == [Duplicate("hall-a", A, batch(2, 3).rows), Acknowledge("hall-a", A, 5)]


def test_a_message_that_overlaps_gives_only_its_new_rows() -> None:
    state, _ = feed(delivery.begin(), batch(1, 5))
    _, actions = feed(state, batch(4, 4))
    assert applied(actions) == [6, 7]


def test_a_removed_row_that_overlaps_is_cut() -> None:
    state, _ = feed(delivery.begin(), batch(1, 5))
    removed: tuple[tuple[int, Row], ...] = ((4, Removed("thinned", 4)), (8, FailedPoll("m", 1, "timeout")))
    _, actions = feed(state, Batch("hall-a", A, 1, 4, 5, removed))
    assert isinstance(actions[0], Apply)
    assert actions[0].rows == ((6, Removed("thinned", 2)), (8, FailedPoll("m", 1, "timeout")))
    assert actions[0].unreadable == 0


def test_an_early_message_waits_without_being_acknowledged_beyond_the_hole() -> None:
    state, actions = feed(delivery.begin(), batch(1, 1), batch(4, 2))
    assert applied(actions) == [1]
    assert isinstance(actions[-1], Held)
    assert actions[-1].kept
    state, actions = feed(state, batch(2, 2))
    assert applied(actions) == [2, 3, 4, 5]
    assert actions[-1] == Acknowledge("hall-a", A, 5)
    assert state.held_bytes == 0


def test_rows_that_the_edge_no_longer_holds_become_a_gap() -> None:
    state, _ = feed(delivery.begin(), batch(1, 2))
    _, actions = feed(state, batch(10, 1, base=8))
    assert actions[0] == Gap("hall-a", A, 3, 7)
    assert Held("hall-a", A, 10, "order", kept=True) in actions
    _, actions = feed(state, batch(10, 1, base=10))
    assert actions[:1] == [Gap("hall-a", A, 3, 9)]
    assert applied(actions) == [10]


def test_waiting_rows_survive_a_base_that_moved_past_them() -> None:
    state, actions = feed(delivery.begin(), batch(1, 5), batch(10, 6), batch(30, 1, base=20))
    assert applied(actions) == [1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
    assert [action for action in actions if isinstance(action, Gap)] == [Gap("hall-a", A, 6, 9), Gap("hall-a", A, 16, 19)]
    assert upto(state) == 19


def test_a_restored_processor_tells_its_own_mark_until_the_edge_goes_back() -> None:
    state, actions = feed(delivery.begin(), batch(500, 1, base=1), batch(501, 1, base=1))
    assert [action for action in actions if isinstance(action, Acknowledge)] == [Acknowledge("hall-a", A, 0)] * 2
    assert upto(state) == 0


def test_every_hello_is_answered_for_every_epoch_it_names() -> None:
    state = delivery.begin([Checkpoint("hall-a", A, 0, 7)])
    spans = (EpochSpan(A, 1, 9), EpochSpan(B, 1, 2))
    state, actions = delivery.on_hello(state, "hall-a", spans)
    assert actions == (Acknowledge("hall-a", A, 7), Acknowledge("hall-a", B, 0))
    assert delivery.on_hello(state, "hall-a", spans)[1] == actions


def test_what_is_missing_of_an_epoch_with_no_row_left_is_a_gap() -> None:
    state, _ = feed(delivery.begin(), batch(1, 2), batch(9, 1))
    state, actions = delivery.on_hello(state, "hall-a", (EpochSpan(A, 7, 20),))
    assert actions == (Acknowledge("hall-a", A, 2),)
    state, actions = delivery.on_hello(state, "hall-a", (EpochSpan(A, 21, 20),))
    assert applied(list(actions)) == [9]
    assert [action for action in actions if isinstance(action, Gap)] == [Gap("hall-a", A, 3, 8), Gap("hall-a", A, 10, 20)]
    assert upto(state) == 20
    assert state.held_bytes == 0


def test_what_an_edge_said_before_a_restart_still_explains_an_older_epoch_that_goes_on() -> None:
    kept = [Checkpoint("hall-a", A, 0, 2), Checkpoint("hall-a", B, 1, 2)]
    _, actions = feed(delivery.begin(kept), batch(3, 1))
    assert IdentityAlarm("hall-a", A, B) in actions
    state = delivery.recall(delivery.begin(kept), "hall-a", (EpochSpan(A, 1, 9), EpochSpan(B, 1, 2)))
    assert list(delivery.checkpoints(state, "hall-a")) == kept
    _, actions = feed(state, batch(3, 1))
    assert applied(actions) == [3]
    assert not [action for action in actions if isinstance(action, IdentityAlarm)]


def test_a_hello_puts_epochs_in_their_order_of_age() -> None:
    state, _ = feed(delivery.begin(), batch(1, 1, epoch=C), batch(1, 1, epoch=A))
    state, _ = delivery.on_hello(state, "hall-a", (EpochSpan(A, 1, 9), EpochSpan(C, 1, 2)))
    assert [point.epoch for point in delivery.checkpoints(state, "hall-a")] == [A, C]
    ordered = identity.by_age([C, A, B], [EpochSpan(A, 1, 1), EpochSpan(C, 1, 1)])
    assert ordered == [A, C, B]


def test_what_waits_is_bounded_in_messages_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_order, "MAX_HELD_MESSAGES", 50)
    state = delivery.begin()
    for seq in range(in_order.MAX_HELD_MESSAGES + 20, 1, -1):
        state, actions = delivery.receive(state, batch(seq), size=1)
    assert len(state.edges["hall-a"].epochs[A].waiting) == in_order.MAX_HELD_MESSAGES
    state, actions = delivery.receive(delivery.begin(), batch(3), size=delivery.MAX_HELD_BYTES + 1)
    assert Held("hall-a", A, 3, "order", kept=False) in actions
    assert state.held_bytes == 0


def test_the_bound_in_bytes_holds_over_all_edges() -> None:
    state, _ = delivery.receive(delivery.begin(), batch(3), size=delivery.MAX_HELD_BYTES - 10)
    other = Batch("hall-b", B, 1, 5, 1, ((5, Removed("corrupt")),))
    state, actions = delivery.receive(state, other, size=11)
    assert Held("hall-b", B, 5, "order", kept=False) in actions
    assert state.held_bytes == delivery.MAX_HELD_BYTES - 10


def test_a_damaged_message_is_asked_for_twice_and_then_counted_as_unreadable() -> None:
    header = Batch("hall-a", A, 1, 1, 4, ())
    state, first = delivery.unreadable(delivery.begin(), header, "damaged", "raw")
    state, second = delivery.unreadable(state, header, "damaged", "raw")
    assert first == second == (Damaged("hall-a", A, 1),)
    state, third = delivery.unreadable(state, header, "damaged", "raw")
    assert third[1] == Apply("hall-a", A, (), 4, ((1, "damaged", "raw"),), 4)
    assert third[2] == Acknowledge("hall-a", A, 4)


def test_a_damaged_message_that_arrives_whole_the_second_time_loses_nothing() -> None:
    state, _ = delivery.unreadable(delivery.begin(), Batch("hall-a", A, 1, 1, 4, ()), "damaged", "raw")
    state, actions = delivery.receive(state, batch(1, 4))
    assert applied(list(actions)) == [1, 2, 3, 4]
    assert not state.edges["hall-a"].epochs[A].damaged


def test_a_message_of_nonsense_cannot_block_its_edge_for_ever() -> None:
    _, actions = delivery.unreadable(delivery.begin(), Batch("hall-a", A, 1, 1, 2, ()), "header", "raw")
    assert isinstance(actions[0], Apply)
    assert actions[0].unreadable == 2


def test_a_header_that_claims_more_rows_than_fit_is_not_believed() -> None:
    state, actions = delivery.unreadable(delivery.begin(), Batch("hall-a", A, 1, 1, 10**9, ()), "header", "raw")
    assert actions == ()
    assert state == delivery.begin()


def test_a_replay_reaches_the_store_but_neither_checkpoint_nor_acknowledgement() -> None:
    state, _ = feed(delivery.begin(), batch(1, 5))
    again, actions = feed(state, batch(2, 2, replay=True))
    assert again == state
    assert isinstance(actions[0], Apply)
    assert actions[0].replay
    assert len(actions) == 1


def test_two_boxes_with_one_identity_raise_an_alarm_and_the_younger_is_held() -> None:
    state, _ = feed(delivery.begin(), batch(1, 2), batch(1, 2, epoch=B))
    state, actions = feed(state, batch(3, 1))
    assert applied(actions) == [3]
    assert IdentityAlarm("hall-a", A, B) in actions
    state, actions = feed(state, batch(3, 1, epoch=B))
    assert actions == [Held("hall-a", B, 3, "identity", kept=False), IdentityAlarm("hall-a", A, B)]


def test_a_cloned_card_is_noticed_although_its_hello_names_the_old_epoch() -> None:
    state, _ = feed(delivery.begin(), batch(1, 10))
    state, _ = delivery.on_hello(state, "hall-a", (EpochSpan(A, 1, 8), EpochSpan(B, 1, 0)))
    state, _ = feed(state, batch(1, 1, epoch=B))
    _, actions = feed(state, batch(11, 1))
    assert IdentityAlarm("hall-a", A, B) in actions


def test_one_box_that_sends_again_for_a_restored_plant_is_not_taken_for_two() -> None:
    state, _ = feed(delivery.begin(), batch(1, 1, epoch=B))
    state, _ = delivery.on_hello(state, "hall-a", (EpochSpan(A, 1, 20), EpochSpan(B, 1, 5)))
    _, actions = feed(state, batch(1, 20), batch(2, 3, epoch=B))
    assert not [action for action in actions if isinstance(action, IdentityAlarm)]
    assert len(applied(actions)) == 23


def test_a_restored_plant_that_has_two_epochs_the_wrong_way_round_believes_the_hello_it_remembers() -> None:
    state = delivery.begin([delivery.Checkpoint("hall-a", B, 0, 5)])
    state = delivery.recall(state, "hall-a", (EpochSpan(A, 1, 20), EpochSpan(B, 1, 5)))
    state, actions = feed(state, batch(1, 20), batch(6, 3, epoch=B))
    assert not [action for action in actions if isinstance(action, IdentityAlarm)]
    assert len(applied(actions)) == 23
    assert not state.edges["hall-a"].conflicts


def test_a_hello_that_explains_a_conflict_ends_it() -> None:
    state, _ = delivery.on_hello(delivery.begin(), "hall-a", (EpochSpan(A, 1, 2),))
    state, _ = feed(state, batch(1, 1), batch(1, 1, epoch=B), batch(2, 1))
    assert state.edges["hall-a"].conflicts
    state, _ = delivery.on_hello(state, "hall-a", (EpochSpan(A, 1, 20), EpochSpan(B, 1, 5)))
    assert not state.edges["hall-a"].conflicts


def test_a_conflict_ends_when_the_older_box_has_been_silent_for_long() -> None:
    state, _ = feed(delivery.begin(), batch(1, 1), batch(1, 1, epoch=B))
    state, _ = delivery.receive(state, batch(2, 1), now_ms=1000)
    _, actions = delivery.receive(state, batch(2, 1, epoch=B), now_ms=1000 + identity.QUIET_MS)
    assert applied(list(actions)) == [2]


def test_only_so_many_hellos_are_remembered() -> None:
    hellos: identity.Hellos = ()
    for number in range(identity.MAX_HELLOS + 5):
        hellos = identity.remember(hellos, [EpochSpan(A, 1, 1), EpochSpan(f"{number:016x}", 1, 1)])
    assert len(hellos) == identity.MAX_HELLOS


def test_forgotten_epochs_free_what_waited() -> None:
    state, _ = feed(delivery.begin(), batch(1), batch(5))
    state = delivery.forget(state, "hall-a", [A])
    assert state.held_bytes == 0
    assert list(delivery.checkpoints(state, "hall-a")) == []


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_shuffled_and_repeated_delivery_gives_what_delivery_in_order_gives(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=8))
    starts = [1 + sum(sizes[:at]) for at in range(len(sizes))]
    messages = [batch(start, n) for start, n in zip(starts, sizes, strict=True)]
    extra = data.draw(st.lists(st.sampled_from(messages), max_size=8))
    order = data.draw(st.permutations(messages + extra))
    state, actions = feed(delivery.begin(), *order)
    assert applied(actions) == list(range(1, sum(sizes) + 1))
    assert upto(state) == sum(sizes)
    assert state.held_bytes == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5), st.integers(0, 40)), max_size=12))
def test_no_row_is_applied_twice_and_every_seq_up_to_the_mark_is_applied_or_a_gap(messages: list[tuple[int, int, int]]) -> None:
    base = 1
    state, actions = delivery.begin(), []
    for seq, n, moved in messages:
        base = max(base, min(moved, seq))
        state, more = feed(state, batch(seq, n, base=min(base, seq)))
        actions += more
    seqs = applied(actions)
    for action in actions:
        if isinstance(action, Gap):
            seqs += range(action.first, action.last + 1)
    done = upto(state) if messages else 0
    assert sorted(seqs) == list(range(1, done + 1))
