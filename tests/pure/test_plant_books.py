"""The books of a plant: both sides compared, nobody believed alone."""

from __future__ import annotations

from typing import Any

from driftwatt.wire import LedgerLine
from processors.pure.books import BookRow, EdgeLine, ledger

DAY = "2026-10-05"


def rows(meter: str = "m1", at_ms: int = 10, **counts: int) -> list[BookRow]:
    return [BookRow(meter, DAY, what.replace("__", ":"), n, at_ms) for what, n in counts.items()]


def edge(at_ms: int = 20, *, name: str = "hall-a", meter: str = "m1", **line: Any) -> EdgeLine:
    return EdgeLine(name, LedgerLine(meter, DAY, **line), at_ms)


def one(lines: list[dict[str, Any]], meter: str = "m1") -> dict[str, Any]:
    return next(line for line in lines if line["meter"] == meter)


def adds_up(line: dict[str, Any]) -> bool:
    places = line["stored"] + line["waiting"] + sum(line["dropped"].values()) + line["thinned"] + line["quarantined"]
    return bool(line["polled"] == line["committed"] + sum(line["failed"].values()) and line["committed"] == places)


def test_both_sides_agreeing_balances() -> None:
    told = edge(polled=11, failed={"timeout": 1}, committed=10, stored=8, waiting=0, dropped={"oldest": 1}, thinned=1)
    line = one(ledger(rows(stored=7, quarantined=1, duplicates=3, failed__timeout=1), [told], {"m1": None}))
    assert adds_up(line)
    assert (line["stored"], line["quarantined"], line["waiting"], line["duplicates"]) == (7, 1, 0, 3)


def test_rows_under_way_are_waiting() -> None:
    line = one(ledger(rows(stored=6), [edge(polled=10, committed=10, stored=5, waiting=5)], {"m1": "hall-a"}))
    assert adds_up(line)
    assert line["waiting"] == 4


def test_a_row_that_the_edge_saw_acknowledged_but_the_plant_never_took_is_told() -> None:
    line = one(ledger(rows(stored=9), [edge(polled=10, committed=10, stored=10)], {"m1": None}))
    assert not adds_up(line)


def test_rows_that_nobody_could_read_explain_what_a_meter_misses() -> None:
    kept = rows(stored=9) + rows("-", quarantined=1, unreadable=1)
    lines = ledger(kept, [edge(polled=10, committed=10, stored=10)], {"m1": None})
    assert adds_up(one(lines))
    assert one(lines)["quarantined"] == 1


def test_a_plant_that_is_ahead_of_its_edges_books_balances() -> None:
    line = one(ledger(rows(stored=12, at_ms=30), [edge(at_ms=20, polled=11, failed={"timeout": 1}, committed=10, stored=10)], {"m1": None}))
    assert adds_up(line)
    assert (line["committed"], line["polled"]) == (12, 13)


def test_a_row_dropped_while_its_acknowledgement_was_on_the_way_is_reconciled() -> None:
    told = edge(polled=10, committed=10, stored=7, dropped={"oldest": 3})
    line = one(ledger(rows(stored=8), [told], {"m1": None}))
    assert adds_up(line)
    assert line["dropped"] == {"oldest": 2}
    assert line["reconciled"] == 1


def test_more_than_an_edge_ever_committed_does_not_balance() -> None:
    line = one(ledger(rows(stored=11), [edge(polled=10, committed=10, stored=10)], {"m1": None}))
    assert not adds_up(line)


def test_days_without_the_edges_word_stand_on_the_plants_own() -> None:
    line = one(ledger(rows(stored=5, quarantined=1, imported=90, failed__timeout=2), [], {"m1": None}))
    assert adds_up(line)
    assert (line["polled"], line["imported"]) == (8, 90)


def test_what_another_edge_says_of_a_meter_is_not_its_books() -> None:
    lines = ledger(rows(stored=1), [edge(name="hall-b", polled=9, committed=9), edge(meter="m9", polled=3, committed=3)], {"m1": "hall-a"})
    assert [line["meter"] for line in lines] == ["m1"]
    assert one(lines)["committed"] == 1
