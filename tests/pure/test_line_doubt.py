"""What may go out on a line without transaction ids, and what is read along to tell replies apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.pure.along import read_along
from collector.pure.blocks import meter_plan
from collector.pure.doubt import DOUBLE_S, OWED_TIMEOUTS, Doubt
from collector.pure.frames import Request
from config.catalogue import METERS
from config.edge import Meter
from config.loader import load_profile

ASK = Request(7, "input", 100, 4, ((0, 2), (0, 4)))
TWIN = Request(7, "input", 200, 4)


def test_the_same_request_twice_in_a_row_is_asked_in_two_lengths() -> None:
    doubt = Doubt(1.0)
    counts = []
    for turn in range(4):
        chosen = doubt.choose(ASK, turn * 1.0)
        assert chosen is not None
        counts.append(chosen.count)
        doubt.answered(doubt.sent(chosen, turn * 1.0), turn + 0.05)
    assert all(a != b for a, b in zip(counts, counts[1:], strict=False))  # noqa: RUF007 – neighbours of a short list


def test_a_request_like_one_that_is_owed_is_not_sent_until_its_reply_cannot_come_any_more() -> None:
    doubt = Doubt(1.0)
    doubt.sent(TWIN, 0.0)
    other = Request(7, "input", 300, 4)
    assert doubt.choose(other, 1.0) is None
    assert doubt.choose(TWIN, 1.0) is None
    assert doubt.choose(Request(8, "input", 300, 4), 1.0) is not None
    assert doubt.wait_until_s(1.0) == pytest.approx(OWED_TIMEOUTS)
    assert doubt.choose(other, OWED_TIMEOUTS + 0.01) == other


def test_two_blocks_of_one_length_wait_for_a_possible_copy_and_no_longer() -> None:
    doubt = Doubt(1.0)
    doubt.answered(doubt.sent(TWIN, 0.0), 0.05)
    other = Request(7, "input", 300, 4)
    assert doubt.choose(other, 0.06) is None
    assert doubt.choose(TWIN, 0.06) == TWIN
    assert doubt.choose(other, 0.05 + DOUBLE_S) == other


def test_a_longer_read_that_is_ignored_twice_is_given_up_unless_it_was_ever_answered() -> None:
    for before, counts in (([], {4}), ([True], {4, 6, 8})):
        doubt = Doubt(0.01)
        for answered in [*before, False, False, False]:
            doubt.longer(ASK, answered=answered)
        seen = set()
        for turn in range(6):
            chosen = doubt.choose(ASK, turn / 5)
            assert chosen is not None
            seen.add(chosen.count)
            doubt.answered(doubt.sent(chosen, turn / 5), turn / 5)
        assert seen == counts


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 2), st.booleans()), max_size=40))
@settings(max_examples=200, deadline=None)
def test_nothing_is_ever_sent_that_looks_like_what_is_owed(steps: list[tuple[int, float, bool]]) -> None:
    asks = [ASK, TWIN, Request(7, "input", 300, 4, ((0, 1),)), Request(7, "input", 400, 6, ((0, 2),))]
    doubt, now_s = Doubt(1.0), 0.0
    owed: list[tuple[Request, float]] = []
    for which, pause_s, answered in steps:
        now_s += pause_s
        chosen = doubt.choose(asks[which], now_s)
        owed = [(each, at_s) for each, at_s in owed if now_s - at_s < OWED_TIMEOUTS]
        if chosen is None:
            continue
        assert all((each.unit, each.kind, each.count) != (chosen.unit, chosen.kind, chosen.count) for each, _ in owed)
        sent = doubt.sent(chosen, now_s)
        if answered:
            doubt.answered(sent, now_s)
        else:
            owed.append((chosen, now_s))


@pytest.mark.parametrize("name", sorted(file.stem for file in Path(METERS).glob("[a-z]*.toml")))
def test_what_is_read_along_keeps_to_the_models_limits(name: str) -> None:
    profile = load_profile(name, (METERS,))
    plan = read_along(meter_plan(Meter.model_validate({"id": "m", "unit": 1, "profile": name}), profile), profile)
    for block in plan.full:
        for before, after in block.request.along:
            first, count = block.request.address - before, block.request.count + before + after
            assert 0 <= first <= first + count <= 0x10000
            assert count <= profile.limits.max_registers
            assert count % profile.limits.count_step == 0
            assert not any(first <= last and low < first + count for low, last in profile.limits.forbidden)
