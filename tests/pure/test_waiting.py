"""How long a reply is waited for: what is known of the unit, and less than that only for one that is silent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.pure.waiting import ENOUGH, SILENT, Patience


def bus(*known: int, took_s: float = 0.03, timeout_s: float = 1.0) -> Patience:
    patience = Patience(timeout_s)
    for unit in known:
        for _ in range(ENOUGH):
            patience.answered(unit, took_s)
    return patience


def fall_silent(patience: Patience, unit: int, times: int = SILENT) -> None:
    for _ in range(times):
        patience.timed_out(unit)


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=40))
def test_a_reply_within_half_the_time_out_is_always_waited_for(took_s: list[float]) -> None:
    patience = Patience(1.0)
    for each in took_s:
        patience.answered(7, each)
        assert patience.of(7) >= 0.5


def test_a_time_out_or_two_bring_the_whole_time_back() -> None:
    patience = bus(7)
    assert patience.of(7) == 0.5
    fall_silent(patience, 7, SILENT - 1)
    assert patience.of(7) == 1.0


def test_a_probe_waits_as_long_as_the_slowest_well_known_unit_takes() -> None:
    patience = bus(1, 7)
    fall_silent(patience, 7)
    assert 0.1 < patience.of(7) < 0.25
    for _ in range(ENOUGH):
        patience.answered(2, 0.4)
    assert patience.of(7) >= 0.4


def test_a_probe_waits_for_what_the_silent_unit_itself_used_to_take() -> None:
    patience = bus(1)
    for _ in range(ENOUGH):
        patience.answered(7, 0.3)
    fall_silent(patience, 7)
    assert patience.of(7) >= 0.4


def test_where_nobody_is_known_a_probe_waits_the_whole_time() -> None:
    patience = Patience(1.0)
    fall_silent(patience, 7)
    assert patience.of(7) == 1.0


def test_every_fourth_probe_of_a_unit_that_never_answered_waits_the_whole_time() -> None:
    patience = bus(1)
    waits = []
    for _ in range(14):
        patience.timed_out(7)
        waits.append(patience.of(7))
    assert [wait == 1.0 for wait in waits[SILENT - 1 :]] == [False, False, False, True] * 3


def test_a_reply_after_its_time_makes_the_next_probe_wait_for_it() -> None:
    patience = bus(1, 7)
    fall_silent(patience, 7)
    patience.late(7, 0.6)
    assert 0.6 < patience.of(7) < 1.0


def test_an_answer_ends_the_silence() -> None:
    patience = bus(1, 7)
    fall_silent(patience, 7)
    patience.answered(7, 0.03)
    assert patience.of(7) == 1.0
