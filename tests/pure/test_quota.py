"""Nobody makes a plant grow by inventing names: edges, epochs, meters, days and reasons are bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

from driftwatt.readings import FailedPoll, Reading
from driftwatt.topics import topic
from driftwatt.wire import EdgeLedger, EpochSpan, Hello, HelloMeter, LedgerLine, message_bytes, row_bytes, to_bytes
from processors.adapters.inbox import EDGE_MESSAGES, MAX_MESSAGES, Inbox
from processors.adapters.state import QUARANTINE_EDGE_ROWS, SqliteState
from processors.pure import delivery
from processors.pure.commit import NOBODY, Commit, SetAside
from processors.pure.intake import Intake, Taken
from processors.pure.quota import MAX_EPOCHS, MAX_REASONS, MAX_STRANGE_METERS, MAX_STRANGERS

NOW = 1_900_000_000_000
OWNERS: dict[str, str | None] = {"m1": "hall-a"}


def taker() -> Intake:
    return Intake(OWNERS, delivery.begin())


def rows(edge: str, epoch: int, meter: str = "m1", seq: int = 1, reason: str = "") -> bytes:
    row = FailedPoll(meter, NOW, reason) if reason else Reading(meter, NOW, {"active_power": 1.0})
    return message_bytes(edge, f"{epoch:016x}", 1, seq, [row_bytes(row)])


def test_strangers_share_a_few_places_and_named_edges_are_always_taken() -> None:
    intake, taken = taker(), Taken()
    for number in range(10_000):
        intake.take(topic(f"mad-{number}", "d"), rows(f"mad-{number}", 1), taken, now_ms=NOW)
        intake.take(topic(f"mad-{number}", "hello"), to_bytes(Hello(f"mad-{number}", "1", 1, "c", "ntp", (), ())), taken, now_ms=NOW)
    intake.take(topic("hall-a", "d"), rows("hall-a", 1), taken, now_ms=NOW)
    assert len(intake.delivery.edges) <= MAX_STRANGERS + 2
    assert [reading.meter for reading in taken.readings] == ["m1"], "the rows of strangers are set aside"
    assert {edge for edge, _ in taken.acks} >= {"hall-a"}
    assert len(taken.acks) <= MAX_STRANGERS + 2
    assert taken.commit.books[NOBODY, intake.day(NOW), "not_admitted"] >= 2 * (10_000 - MAX_STRANGERS - 2)
    assert "too_many_edges" in taken.alarms
    assert len(taken.commit.notes) <= MAX_STRANGERS + 2


def test_epochs_that_an_edge_invents_are_not_taken_beyond_a_bound() -> None:
    intake, taken = taker(), Taken()
    for number in range(MAX_EPOCHS + 200):
        intake.take(topic("hall-a", "d"), rows("hall-a", number + 1), taken, now_ms=NOW)
        taken.commit.checkpoints.clear()
    assert len(intake.delivery.edges["hall-a"].epochs) == MAX_EPOCHS
    assert len(taken.acks) <= MAX_EPOCHS


def test_damaged_messages_are_remembered_only_as_many_as_may_be_under_way() -> None:
    intake, taken = taker(), Taken()
    for number in range(1000):
        broken = rows("hall-a", 1, seq=number * 3 + 1).replace(b'"active_power":1.0', b'"active_power":2.0')
        intake.take(topic("hall-a", "d"), broken, taken, now_ms=NOW)
    assert len(intake.delivery.edges["hall-a"].epochs[f"{1:016x}"].damaged) <= 101


def test_reasons_days_and_meters_in_the_books_are_bounded() -> None:
    intake, taken = taker(), Taken()
    for number in range(5000):
        intake.take(topic("hall-a", "d"), rows("hall-a", 1, seq=number + 1, reason=f"mad_{number}"), taken, now_ms=NOW)
    reasons = {what for _, _, what in taken.commit.books if what.startswith("failed:")}
    assert len(reasons) == MAX_REASONS + 1
    assert sum(n for (_, _, what), n in taken.commit.books.items() if what.startswith("failed:")) == 5000, "each is counted"
    for lot in range(0, 5000, 100):
        lines = tuple(LedgerLine(f"mad-{number}", f"{2000 + number % 99}-01-01") for number in range(lot, lot + 100))
        today = tuple(LedgerLine(f"mad-{number}", intake.day(NOW)) for number in range(lot, lot + 100))
        intake.take(topic("hall-a", "ledger"), to_bytes(EdgeLedger("hall-a", (*lines, *today))), taken, now_ms=NOW)
    intake.take(topic("hall-a", "ledger"), to_bytes(EdgeLedger("hall-a", (LedgerLine("m1", intake.day(NOW)),))), taken, now_ms=NOW)
    assert len(taken.commit.edge_lines) == MAX_STRANGE_METERS + 1
    assert ("hall-a", "m1", intake.day(NOW)) in taken.commit.edge_lines


def test_a_stranger_is_remembered_without_its_meters() -> None:
    intake, taken = taker(), Taken()
    meters = tuple(HelloMeter(name, "bus", "p", "h", 1000) for name in ("m1", "x1", "x2"))
    for edge in ("hall-a", "stranger"):
        for part in (1, 500):
            said = Hello(edge, "1", 1, "c", "ntp", (EpochSpan("0" * 16, 1, 1),), meters, part, 1000)
            intake.take(topic(edge, "hello"), to_bytes(said), taken, now_ms=NOW)
    assert {hello.edge: [meter.id for meter in hello.meters] for hello in taken.hellos} == {
        "hall-a": ["m1", "x1", "x2"],
        "stranger": ["m1"],
    }
    assert set(taken.commit.notes) == {"hello:hall-a:1", "hello:stranger:1"}


def test_one_mad_edge_does_not_push_the_rows_of_others_out_of_the_quarantine(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.sqlite3")
    state.commit(Commit(set_aside=[SetAside(1, "row", "", "{}", "hall-a") for _ in range(10)]))
    for lot in range(30):
        state.commit(Commit(set_aside=[SetAside(2 + lot, "row", "", "{}", "mad") for _ in range(1000)]))
    kept = [row.edge for row in state.aside(0, 100_000)]
    state.close()
    assert (kept.count("hall-a"), kept.count("mad")) == (10, QUARANTINE_EDGE_ROWS)


def test_a_flood_of_one_edge_leaves_room_and_turns_to_the_others() -> None:
    async def scenario() -> None:
        box = Inbox(asyncio.get_running_loop(), frozenset({"hall-a", "hall-b"}))
        for number in range(3000):
            box.put(topic("hall-b", "d"), b"%d" % number)
            box.put(topic(f"mad-{number}", "d"), b"x")
        for number in range(5):
            box.put(topic("hall-a", "d"), b"%d" % number)
        first = [message for message in box.counted(15) if message.topic == topic("hall-a", "d")]
        assert len(first) >= 3, "an edge that speaks last is served with the first"
        left = []
        while more := box.counted(1000):
            left += more
        assert len(left) < MAX_MESSAGES
        mine = [message.payload for message in [*first, *left] if message.topic == topic("hall-a", "d")]
        assert mine == [b"%d" % number for number in range(5)]
        loud = [int(message.payload) for message in left if message.topic == topic("hall-b", "d")]
        assert loud == sorted(loud)
        assert len(loud) <= EDGE_MESSAGES
        assert box.bytes == 0
        assert box.let_go > 3000

    asyncio.run(scenario())
