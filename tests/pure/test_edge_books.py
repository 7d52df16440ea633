"""What the edge's books say of counters with wrong bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.pure.books import UNKNOWN, adds_up, twin, worked_out

counts = st.integers(0, 10_000)


@st.composite
def lines(draw: st.DrawFn) -> dict[str, int]:
    """Return the books of a meter and day that add up."""
    line = {what: draw(counts) for what in ("stored", "waiting", "thinned", "dropped:outbox_full", "failed:timeout", "failed:frame")}
    line["committed"] = line["stored"] + line["waiting"] + line["thinned"] + line["dropped:outbox_full"]
    return line | {"polled": line["committed"] + line["failed:timeout"] + line["failed:frame"]}


@given(lines(), st.sampled_from(["polled", "committed", "stored", "waiting"]))
def test_one_counter_that_is_wrong_is_worked_out_from_the_others(line: dict[str, int], wrong: str) -> None:
    known = {what: n for what, n in line.items() if what != wrong}
    assert worked_out(known, line["waiting"]) == line


@given(lines(), st.sampled_from(["failed:timeout", "failed:frame", "thinned", "dropped:outbox_full"]))
def test_of_a_reason_that_is_wrong_the_number_stays_under_another_word(line: dict[str, int], wrong: str) -> None:
    told = worked_out({what: n for what, n in line.items() if what != wrong}, line["waiting"])
    head = "failed" if wrong.startswith("failed") else "dropped"
    assert told.get(f"{head}:{UNKNOWN}", 0) == line[wrong]
    assert adds_up(told)


@given(lines(), st.sets(st.sampled_from(["polled", "committed", "stored", "thinned", "failed:timeout", "dropped:outbox_full"])), counts)
def test_whatever_is_wrong_the_books_add_up_and_know_what_waits(line: dict[str, int], wrong: set[str], waiting: int) -> None:
    told = worked_out({what: n for what, n in line.items() if what not in wrong}, waiting)
    assert adds_up(told)
    assert told["waiting"] == waiting


@pytest.mark.parametrize("bit", range(40))
@pytest.mark.parametrize("field", ["day", "meter", "n"])
def test_a_bit_that_flips_in_a_counter_or_its_place_shows(field: str, bit: int) -> None:
    counter = {"day": 20_500, "meter": 17, "n": 86_400}
    flipped = counter | {field: counter[field] ^ 1 << bit}
    assert twin(flipped["day"], flipped["meter"], "stored", flipped["n"]) != twin(20_500, 17, "stored", counter["n"])
