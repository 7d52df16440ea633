"""When an edge says that what it sends does not arrive."""

from __future__ import annotations

from collector.pure.unanswered import CUTS, PATIENCE_S, Unanswered


def waiting(until_s: float, *, heard: bool) -> Unanswered:
    said = Unanswered()
    said.sent(0.0, 1234)
    for now_s in range(round(until_s)):
        if said.asks(float(now_s)) and heard:
            said.heard()
    return said


def test_a_plant_that_answers_and_acknowledges_nothing_means_that_the_broker_keeps_data_back() -> None:
    told = waiting(PATIENCE_S, heard=True).trouble(PATIENCE_S)
    assert told
    assert told[0] == "acl_denied"
    assert "1234 bytes" in told[1]


def test_without_any_answer_nobody_knows_who_is_away() -> None:
    told = waiting(PATIENCE_S, heard=False).trouble(PATIENCE_S)
    assert told
    assert told[0] == "not_acknowledged"


def test_nothing_is_told_before_patience_is_over_or_once_something_was_acknowledged() -> None:
    said = waiting(PATIENCE_S, heard=True)
    assert said.trouble(PATIENCE_S - 1) is None
    said.settled()
    assert said.trouble(1e6) is None


def test_a_broker_that_hangs_up_at_once_is_told_after_the_third_time() -> None:
    said = Unanswered()
    for at in range(CUTS):
        assert said.trouble(10.0 * at) is None
        said.connected(10.0 * at)
        said.lost(10.0 * at + 1)
    told = said.trouble(10.0 * CUTS)
    assert told
    assert told[0] == "acl_denied"


def test_a_connection_that_lasted_is_no_refusal() -> None:
    said = Unanswered()
    for at in range(2 * CUTS):
        said.connected(100.0 * at)
        said.lost(100.0 * at + 60)
    assert said.trouble(1e6) is None


def test_the_plant_is_asked_once_in_a_minute() -> None:
    said = Unanswered()
    said.sent(0.0, 1)
    asked = [now_s for now_s in range(129) if said.asks(float(now_s))]
    assert asked == [10, 70]
