"""Maintenance windows set on the page: what may be planned, and what is not judged, not learned and not told because of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.pure import clean
from processors.pure.judge import SILENT_MS
from processors.pure.maintenance import LONGEST_MS, MOST_AHEAD, Maintenance, NotPlannedError, ended, planned, policy_with
from processors.pure.policy import MeterPolicy
from processors.pure.products import Products
from tests.support.loads import Load
from tests.support.plant_bench import policy
from tests.support.plant_days import PlantDays, day_ms

NOW, HOUR = 1_900_000_000_000, 3_600_000
WINDOW = Maintenance("0" * 16, ("m1",), NOW + HOUR, NOW + 5 * HOUR, "thay vòng bi", "minh", NOW)


def refused(window: Maintenance, *others: Maintenance) -> str:
    with pytest.raises(NotPlannedError) as no:
        planned(window, others)
    return no.value.word


def test_a_window_that_can_be_planned_is_kept_as_it_is() -> None:
    assert planned(WINDOW, ()) == WINDOW


def test_a_beginning_a_moment_ago_is_taken_for_now_and_an_earlier_one_is_refused() -> None:
    assert planned(replace(WINDOW, from_ms=NOW - 60_000), ()).from_ms == NOW
    assert refused(replace(WINDOW, from_ms=NOW - HOUR)) == "past"


@pytest.mark.parametrize(
    ("window", "word"),
    [
        (replace(WINDOW, meters=()), "nobody"),
        (replace(WINDOW, reason="  "), "reason"),
        (replace(WINDOW, to_ms=WINDOW.from_ms), "order"),
        (replace(WINDOW, to_ms=WINDOW.from_ms + LONGEST_MS + 1), "long"),
    ],
)
def test_what_is_no_window_is_refused_by_name(window: Maintenance, word: str) -> None:
    assert refused(window) == word


def test_more_windows_than_anybody_plans_are_refused_until_some_are_over() -> None:
    many = [replace(WINDOW, id=f"{n:016x}") for n in range(MOST_AHEAD)]
    assert refused(WINDOW, *many) == "many"
    assert planned(replace(WINDOW, set_ms=NOW), [*many[1:], replace(many[0], ended_ms=NOW)])


def test_a_window_ends_early_from_then_on_and_one_that_has_not_begun_is_taken_back_whole() -> None:
    assert ended(WINDOW, by="an", at_ms=NOW + 2 * HOUR).until_ms == NOW + 2 * HOUR
    back = ended(WINDOW, by="an", at_ms=NOW)
    assert back.until_ms == back.from_ms
    assert policy_with(policy("m1"), {back.id: back}).calendar.closed_windows == ()
    with pytest.raises(NotPlannedError):
        ended(back, by="an", at_ms=NOW + 2 * HOUR)


def test_windows_stand_beside_those_of_the_plant_file_and_only_for_their_meters() -> None:
    known = {WINDOW.id: WINDOW}
    mine = policy_with(policy("m1"), known)
    assert [each.note for each in mine.calendar.closed_windows] == ["thay vòng bi"]
    assert mine.settings.calendar is mine.calendar
    assert policy_with(mine, known) is mine
    other = policy("m2")
    assert policy_with(other, known) is other
    assert policy_with(mine, {}).calendar.closed_windows == ()


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.integers(0, 60)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_setting_and_ending_windows_never_changes_whether_an_hour_that_was_over_is_judged(steps: list[tuple[int, int, int]]) -> None:
    now, known, one = NOW, dict[str, Maintenance](), policy("m1")
    for n, (ahead, hours, later) in enumerate(steps):
        before = closed_hours(one, now)
        window = Maintenance(f"{n:016x}", ("m1",), now + ahead * HOUR // 7, now + ahead * HOUR // 7 + hours * HOUR, "x", "an", now)
        known[window.id] = planned(window, known.values())
        one = policy_with(one, known)
        assert closed_hours(one, now) == before
        now += later * HOUR // 11
        before = closed_hours(one, now)
        if not known[window.id].over(now):
            known[window.id] = ended(known[window.id], by="an", at_ms=now)
        one = policy_with(one, known)
        assert closed_hours(one, now) == before


def closed_hours(one: MeterPolicy, now_ms: int) -> list[bool]:
    """Return for each hour that ended before an instant whether it is left out."""
    first = NOW - NOW % HOUR
    return [one.calendar.closed(at, at + HOUR) for at in range(first, now_ms - HOUR + 1, HOUR)]


def window_over(day: float, days: float) -> Maintenance:
    return Maintenance("a" * 16, ("m1",), day_ms(day), day_ms(day + days), "đại tu", "minh", day_ms(day))


def test_waste_inside_a_window_opens_nothing_and_after_it_the_meter_is_judged_as_before() -> None:
    plain, held = (PlantDays({"m1": Load(1)}, extra={"m1": lambda at: 8.0 * (50 <= at < 58)}) for _ in range(2))
    plain.run(50)
    held.run(50)
    held.judge.maintain([window_over(50, 8)])
    learned = held.judge.states["m1"].detector.memory.valid_days
    plain.run(66)
    held.run(66)
    assert any(alert.kind == "waste" for alert in plain.judge.book.values())
    assert not held.judge.book
    assert held.judge.states["m1"].detector.memory.valid_days == learned + 8  # the eight days after it, none of the eight inside
    assert len([each for each in held.products.intervals if each.kind == "1d"]) == 65  # all of it is stored
    assert clean.calm(held.judge.states["m1"].detector)


def test_silence_inside_a_window_is_no_news_and_is_told_when_the_window_is_over() -> None:
    one = PlantDays({"m1": Load(1)})
    one.run(1)
    at = day_ms(1)
    one.judge.maintain([window_over(1, 1)])
    heard = {"m1": at - 1000 * SILENT_MS}
    products = Products()
    one.judge.on_tick(at + HOUR, heard, products)
    assert not products.alerts
    one.judge.on_tick(at + 25 * HOUR, heard, products)
    assert {alert.pattern for alert in products.alerts.values()} == {"silent", "gap"}
