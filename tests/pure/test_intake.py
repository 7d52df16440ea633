"""What one message comes to: corners that the loop tests do not reach."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from driftwatt.readings import FailedPoll, Reading, Removed
from driftwatt.topics import topic
from driftwatt.wire import EdgeLedger, EpochSpan, Hello, HelloMeter, LedgerLine, message_bytes, row_bytes, to_bytes
from processors.pure import delivery, intake
from processors.pure.backoff import wait_s
from processors.pure.commit import Commit
from processors.pure.intake import Intake, Taken

NOW = 1_900_000_000_000
DAY = "2030-03-17"
A = "a" * 16


def take(taker: Intake, kind: str, payload: bytes, *, edge: str = "hall-a") -> Taken:
    taken = Taken()
    taker.take(f"dw/1/{edge}/{kind}", payload, taken, now_ms=NOW)
    return taken


def taker(**owners: str | None) -> Intake:
    return Intake(owners or {"m1": None}, delivery.begin())


def message(*rows: Reading | FailedPoll | Removed, seq: int = 1, base: int = 1, n: int | None = None, replay: bool = False) -> bytes:
    return message_bytes("hall-a", A, base, seq, [row_bytes(row) for row in rows], n=n, replay=replay)


def test_a_replay_is_stored_again_but_not_counted_or_acknowledged() -> None:
    rows = (Reading("m1", NOW, {"frequency": 50.0}), FailedPoll("m1", NOW, "timeout"), Removed("corrupt"), Reading("m9", NOW, {}))
    taken = take(taker(), "d", message(*rows, replay=True))
    assert [reading.meter for reading in taken.again] == ["m1"]
    assert taken.readings == []
    assert taken.acks == {}
    assert not taken.commit.books
    assert [row.reason for row in taken.commit.set_aside] == ["unknown_meter"]


def test_a_bad_row_is_set_aside_and_its_neighbours_taken() -> None:
    good = row_bytes(Reading("m1", NOW, {"frequency": 50.0}))
    taken = take(taker(), "d", message_bytes("hall-a", A, 1, 1, [b'{"m":"m1"}', good]))
    assert len(taken.readings) == 1
    assert taken.commit.books["-", DAY, "quarantined"] == taken.commit.books["-", DAY, "unreadable"] == 1
    assert taken.acks == {("hall-a", A): 2}


def test_failed_polls_of_strangers_count_under_nobody() -> None:
    taken = take(taker(), "d", message(FailedPoll("m9", NOW, "timeout"), FailedPoll("m1", NOW, "timeout")))
    assert taken.commit.books == {("-", DAY, "failed:timeout"): 1, ("m1", DAY, "failed:timeout"): 1}


def test_two_boxes_with_one_name_raise_an_alarm_for_people() -> None:
    one = taker()
    take(one, "d", message_bytes("hall-a", A, 1, 1, [row_bytes(Reading("m1", NOW, {}))]))
    take(one, "d", message_bytes("hall-a", "b" * 16, 1, 1, [row_bytes(Reading("m1", NOW, {}))]))
    taken = take(one, "d", message_bytes("hall-a", A, 1, 2, [row_bytes(Reading("m1", NOW + 1, {}))]))
    assert "hall-a" in taken.alarms["identity_used_twice"]


def test_a_message_for_which_there_is_no_room_to_wait_is_counted() -> None:
    one = taker()
    one.delivery = delivery.Delivery(held_bytes=delivery.MAX_HELD_BYTES)
    taken = take(one, "d", message(Reading("m1", NOW, {}), seq=9))
    assert taken.commit.books["-", DAY, "let_go"] == 1


def test_the_books_of_an_edge_are_kept_by_meter_and_day() -> None:
    line = LedgerLine("m1", DAY, polled=3, committed=3)
    taken = take(taker(), "ledger", to_bytes(EdgeLedger("hall-a", (line,))))
    assert taken.commit.edge_lines == {("hall-a", "m1", DAY): line}
    assert taken.commit


def test_old_epochs_are_forgotten_once_there_are_many() -> None:
    one = taker()
    one.delivery = delivery.begin(delivery.Checkpoint("hall-a", f"{age:016x}", age, 5) for age in range(intake.MAX_EPOCHS + 3))
    hello = Hello("hall-a", "1", 0, "", "ok", (EpochSpan(A, 1, 9),), ())
    taken = take(one, "hello", to_bytes(hello))
    assert len(taken.commit.forgotten) == 4
    assert len(taken.commit.checkpoints) == intake.MAX_EPOCHS
    assert taken.acks == {("hall-a", A): 0}


def test_state_and_live_are_not_the_intakes_business() -> None:
    taken = take(taker(), "live", b"anything")
    assert not taken.commit


def test_days_are_told_apart_at_midnight_of_utc_and_remembered_in_bounds() -> None:
    one = taker()
    assert [one.day(at) for at in (86_399_999, 86_400_000)] == ["1970-01-01", "1970-01-02"]
    for number in range(1100):
        one.day(number * intake.DAY_MS)
    assert one.day(0) == "1970-01-01"


def test_an_empty_commit_is_nothing() -> None:
    assert not Commit(at_ms=NOW)
    assert Commit(notes={"a": "b"})


def test_waiting_doubles_up_to_a_minute_and_honours_what_was_asked() -> None:
    assert [wait_s(failures) for failures in (1, 2, 3, 9, 1000)] == [0.5, 1.0, 2.0, 60.0, 60.0]
    assert wait_s(1, asked_s=7) == 7
    assert wait_s(1, asked_s=3600) == 60
    assert wait_s(2, chance=0.0) == 0.5


def test_topics_that_are_not_ours_are_set_aside() -> None:
    taken = Taken()
    taker().take("dw/1/Hall A/d", b"{}", taken, now_ms=NOW)
    taker().take(topic("hall-a", "ack"), b"{}", taken, now_ms=NOW)
    assert [row.reason for row in taken.commit.set_aside] == ["topic"]


def test_nothing_that_an_edge_may_send_raises_and_each_is_set_aside_once() -> None:
    spoiled = message(Reading("m1", NOW, {"frequency": 50.0})).replace(b"50.0", b"51.0")
    assert take(taker(), "d", spoiled).commit.books == {("-", DAY, "damaged"): 1}
    unreadable = [b"", b"[" * 10_000, b'{"v":1,"readings":[]}', b"\xff", b"x" * 70_000]
    for payload in unreadable:
        assert take(taker(), "d", payload).commit.books == {("-", DAY, "quarantined"): 1}
    wrong_count = message(Reading("m1", NOW, {}), n=2)
    assert take(taker(), "d", wrong_count).acks == {("hall-a", A): 2}
    nobody_believes = message(Reading("m1", NOW, {}), n=10**6)
    assert take(taker(), "d", nobody_believes).acks == {}
    assert take(taker(), "d", message(Reading("m1", NOW, {})), edge="hall-b").commit.set_aside[0].reason == "edge"
    assert take(taker(), "hello", b"[]").commit.set_aside[0].reason == "header"


def test_a_hello_that_could_not_be_kept_is_set_aside() -> None:
    hello = {"v": 1, "edge": "hall-a", "version": "1", "started_ms": 1, "config": "", "clock": "ntp", "epochs": [], "meters": []}
    meter = {"id": "m1", "bus": "b", "profile": "p", "profile_hash": "", "every_ms": 1000}
    for odd in ({"meters": [{**meter, "counters": {"\ud800": {}}}]}, {"part": 0}, {"part": 10**9}):
        taken = take(taker(), "hello", json.dumps({**hello, **odd}).encode())
        assert [row.reason for row in taken.commit.set_aside] == ["header"]
        assert taken.hellos == []


def test_a_newer_major_is_told_and_left_with_its_edge() -> None:
    newer = message(Reading("m1", NOW, {})).replace(b'{"v":1', b'{"v":2', 1)
    taken = take(taker(), "d", newer)
    assert list(taken.alarms) == ["unknown_major"]
    assert not taken.commit
    assert "unknown_major" in take(taker(), "ledger", b'{"v":2}').alarms


def test_each_row_is_judged_by_owner_and_clock() -> None:
    rows = (Reading("m1", NOW, {}), Reading("m2", NOW, {}), Reading("m1", NOW + intake.FUTURE_MS + 1, {}), Removed("thinned", 4))
    taken = take(taker(m1="hall-a", m2="hall-b"), "d", message(*rows, n=7))
    assert [row.reason for row in taken.commit.set_aside] == ["wrong_edge", "future"]
    assert [(row.meter, row.t_ms) for row in taken.rows["hall-a"]] == [("m1", NOW)]
    assert taken.commit.books["-", DAY, "thinned"] == 4


def test_duplicates_and_gaps_are_counted() -> None:
    one = taker()
    take(one, "d", message(Reading("m1", NOW, {}), FailedPoll("m1", NOW, "timeout")))
    rows = (Reading("m1", NOW, {}), FailedPoll("m1", NOW, "timeout"))
    assert take(one, "d", message(*rows)).commit.books == {("m1", DAY, "duplicates"): 1}
    later = take(one, "d", message(Reading("m1", NOW, {}), seq=10, base=8))
    assert later.commit.books == {("-", DAY, "gaps"): 5}
    assert later.acks == {("hall-a", A): 7}


def test_a_hello_in_another_encoding_is_kept_in_ours() -> None:
    hello = Hello("hall-a", "1", 0, "", "ok", (EpochSpan(A, 1, 9),), ())
    taken = take(taker(), "hello", to_bytes(hello).decode().encode("utf-16"))
    assert list(taken.commit.notes.values()) in ([], [to_bytes(hello).decode()])


HELLO = to_bytes(Hello("hall-a", "1", 0, "", "ok", (EpochSpan(A, 1, 9),), (HelloMeter("m1", "b", "p", "h", 1000),)))
BOOKS = to_bytes(EdgeLedger("hall-a", (LedgerLine("m1", DAY, polled=3, committed=3),)))
SEEDS = [("d", message(Reading("m1", NOW, {"frequency": 50.0}), FailedPoll("m1", NOW, "timeout"))), ("hello", HELLO), ("ledger", BOOKS)]
EDITS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), EDITS)
def test_no_mutation_of_a_message_escapes(seed: tuple[str, bytes], edits: list[tuple[int, int, bytes]]) -> None:
    kind, payload = seed
    for at, cut, put in edits:
        payload = payload[:at] + put + payload[at + cut :]
    taken = take(taker(), kind, payload)
    total = sum(taken.commit.books.values())
    assert total <= 10
    assert len(taken.commit.set_aside) <= 3
