"""What a bus task decides without waiting: is this the answer, is the unit silent, what time is it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.pure.blocks import MeterPlan
from collector.pure.frames import BusFault, Reply, Request
from collector.pure.patience import (
    CLOSED,
    FIRST_BUSY_S,
    FIRST_PROBE_S,
    LAST_BUSY_S,
    LAST_PROBE_S,
    SPREAD,
    STABLE_S,
    Breaker,
    TimeKeeping,
    is_silence,
    reconnect_delay_s,
    stamp,
)
from collector.pure.roster import COMPLAIN_EVERY_S, PolledMeter
from collector.pure.validate import check
from collector.stamps import Stamps

REQUEST = Request(7, "input", 0, 2)
REPLY = Reply(7, 4, 4, (1, 2), 11, 11)
TIMEOUT = BusFault("timeout")


def test_the_answer_to_the_request_is_believed() -> None:
    check(REQUEST, REPLY)
    check(replace(REQUEST, kind="holding"), REPLY._replace(function=3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": 8},
        {"function": 3},
        {"byte_count": 2},
        {"byte_count": 5},
        {"registers": (1,)},
        {"registers": (1, 2, 3)},
        {"registers": (1, 2, 3), "byte_count": 6},
        {"transaction": 12},
        {"transaction": 0},
        {"transaction": None},
    ],
)
def test_a_reply_that_differs_in_one_field_is_a_mismatch(wrong: dict[str, int]) -> None:
    with pytest.raises(BusFault) as caught:
        check(REQUEST, REPLY._replace(**wrong))  # type: ignore[arg-type]
    assert caught.value.reason == "mismatch"


def test_reconnecting_backs_off_from_one_second_to_thirty() -> None:
    assert [reconnect_delay_s(failures) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert reconnect_delay_s(10_000) == 30


def test_a_breaker_opens_after_three_silent_polls_and_lets_probes_pass_ever_more_seldom() -> None:
    breaker = CLOSED
    for now in (0.0, 1.0):
        breaker = breaker.timed_out(now)
        assert not breaker.is_open
        breaker = replace(breaker, probe_at_s=0.0)
        assert breaker.allows(now)
    pauses, now_s = [], 2.0
    for _ in range(7):
        breaker = breaker.timed_out(now_s, unit=7)
        assert breaker.is_open
        assert not breaker.allows(now_s)
        pauses.append(breaker.probe_at_s - now_s)
        now_s = breaker.probe_at_s
        assert breaker.allows(now_s)
    wanted = [FIRST_PROBE_S, 10.0, 20.0, LAST_PROBE_S, LAST_PROBE_S, LAST_PROBE_S, LAST_PROBE_S]
    assert all(abs(pause / wish - 1) <= SPREAD for pause, wish in zip(pauses, wanted, strict=True)), pauses
    assert not breaker.answered().is_open


def test_units_that_fell_silent_together_are_not_probed_together() -> None:
    instants = {Breaker(silent=9).timed_out(0.0, unit).probe_at_s for unit in range(1, 21)}
    assert len(instants) == 20
    assert max(instants) - min(instants) > 1.0


def test_a_busy_unit_is_left_alone_longer_each_time_and_asked_again_once_it_answered() -> None:
    breaker, now_s, pauses = CLOSED, 0.0, []
    for _ in range(7):
        breaker = breaker.was_busy(now_s, unit=3)
        assert not breaker.is_open
        assert not breaker.allows(now_s)
        pauses.append(breaker.busy_until_s - now_s)
        now_s = breaker.busy_until_s
    assert pauses[:5] == sorted(pauses[:5])
    assert abs(pauses[0] / FIRST_BUSY_S - 1) <= SPREAD
    assert pauses[-1] <= LAST_BUSY_S * (1 + SPREAD)
    assert breaker.answered() == CLOSED


@pytest.mark.parametrize(
    ("reason", "silent"), [("timeout", True), ("exception_11", True), ("exception_2", False), ("mismatch", False), ("frame", False)]
)
def test_only_a_unit_that_says_nothing_is_silent(reason: str, silent: bool) -> None:  # noqa: FBT001
    assert is_silence(reason) is silent


def meter(every_s: float = 1.0) -> PolledMeter:
    return PolledMeter(MeterPlan("m", 1, every_s, 10.0, (), (), 0.0))


@given(st.floats(0.2, 60), st.lists(st.floats(0, 200), max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_meter_keeps_its_grid_and_counts_every_instant_it_missed(every_s: float, delays: list[float]) -> None:
    one = meter(every_s)
    now, missed = 0.0, 0
    for polls, delay in enumerate(delays, start=1):
        now = max(now, one.due_s) + delay
        missed += one.advance(now, every_s)
        assert one.due_s > now - 1e-9
        assert one.due_s == pytest.approx((polls + missed) * every_s)


def test_a_striding_meter_has_no_grid() -> None:
    one = meter(1.0)
    assert one.advance(1000.0, 300.0) == 0
    assert one.due_s == 1300.0


def test_the_first_failure_is_told_aloud_repetitions_softly_recovery_once() -> None:
    one = meter()
    words = [
        one.judge(float(now), answered=good, fault=None if good else TIMEOUT) for now, good in enumerate([True, False, False, True, True])
    ]
    assert words == ["nothing", "complain", "repeat", "recovered", "nothing"]


def test_a_meter_that_fails_on_and_off_is_complained_of_once_a_minute() -> None:
    one = meter()
    words = [one.judge(float(now), answered=now % 2 == 0, fault=None if now % 2 == 0 else TIMEOUT) for now in range(int(COMPLAIN_EVERY_S))]
    assert words.count("complain") == 1
    assert words.count("recovered") == 1


def test_an_exception_is_an_answer_and_closes_the_breaker() -> None:
    one = meter()
    for now in range(3):
        one.judge(float(now), answered=False, fault=TIMEOUT)
    assert one.breaker.is_open
    one.judge(40.0, answered=False, fault=BusFault("exception_2"))
    assert not one.breaker.is_open


def test_state_words_follow_what_happened() -> None:
    one = meter()
    assert one.state().state == "waiting"
    one.last_ok_ms = 1
    assert one.state().state == "ok"
    one.failures = 1
    assert one.state().state == "failing"
    for now in range(3):
        one.judge(float(now), answered=False, fault=TIMEOUT)
    assert one.state().state == "silent"


def test_time_goes_on_as_before_until_a_step_back_has_lasted_two_minutes() -> None:
    keeping, t_ms, state = stamp(TimeKeeping(), 10_000_000, 0.0, synced=True)
    assert (t_ms, state) == (10_000_000, "ok")
    keeping, t_ms, state = stamp(keeping, 6_401_000, 1.0, synced=True)
    assert (t_ms, state) == (10_001_000, "uncertain")
    keeping, t_ms, state = stamp(keeping, 6_500_000, STABLE_S, synced=True)
    assert (t_ms, state) == (10_120_000, "uncertain")
    keeping, t_ms, state = stamp(keeping, 6_522_000, 1.0 + STABLE_S, synced=True)
    assert (t_ms, state) == (6_522_000, "uncertain")


def test_a_step_back_that_was_taken_back_leaves_no_doubt() -> None:
    keeping, *_ = stamp(TimeKeeping(), 10_000_000, 0.0, synced=True)
    keeping, *_ = stamp(keeping, 9_000_000, 1.0, synced=True)
    assert stamp(keeping, 10_002_000, 2.0, synced=True)[1:] == (10_002_000, "ok")


def test_a_step_forward_and_small_corrections_are_followed_at_once() -> None:
    keeping, *_ = stamp(TimeKeeping(), 10_000_000, 0.0, synced=False)
    keeping, t_ms, state = stamp(keeping, 99_000_000, 1.0, synced=False)
    assert (t_ms, state) == (99_000_000, "unsynced")
    assert stamp(keeping, 99_000_600, 2.0, synced=True)[1:] == (99_000_600, "ok")


class _Clock:
    wall_ms, mono_s = 5_000_000, 0.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.mono_s

    def period_s(self, wished_s: float) -> float:
        return wished_s

    async def sleep_until(self, monotonic_s: float) -> None:
        raise AssertionError


def test_a_clock_that_stepped_back_shows_until_it_is_believed() -> None:
    clock = _Clock()
    stamps = Stamps(clock, lambda: True)
    assert stamps.state == "ok"
    assert stamps() == (5_000_000, "ok")
    clock.wall_ms, clock.mono_s = 1_000_000, 1.0
    assert stamps() == (5_001_000, "uncertain")
    assert (stamps.state, stamps.steps) == ("uncertain", 1)


def test_a_kernel_without_synchronisation_makes_stamps_unsynced() -> None:
    assert Stamps(_Clock(), lambda: False)() == (5_000_000, "unsynced")
