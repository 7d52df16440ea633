"""The feeder tree as a witness: what feeders explain is not opened, moved loads are recognised, many at once are one event."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from driftwatt.alerts import Alert, Cause
from processors.pure import alerts, feeders, tree
from processors.pure.appraise import AlertContext
from processors.pure.document import document
from processors.pure.maintenance import Maintenance
from tests.pure.test_alert_life import CONTEXT, finding
from tests.support.loads import Load
from tests.support.plant_days import PlantDays, calendar, day_ms

FIRST = date(2026, 7, 6)
HOLIDAYS = [FIRST + timedelta(days=n) for n in (64, 65)]
RUN = 23.0 - 4.1


def running(at: float) -> bool:
    return int(at) % 7 < 6 and 0.25 <= at % 1 < 22 / 24


def holiday_plant(**furnace: bool) -> PlantDays:
    """An incomer over two machines that rest on two holidays in a row, and a furnace that works on them."""
    rest = lambda at: -RUN if int(at) in (64, 65) and running(at) else 0.0  # noqa: E731
    shared = calendar(*HOLIDAYS)
    own = calendar(always=True) if furnace.get("own_calendar", True) else shared
    return PlantDays(
        {
            "incomer": Load(9, night=1, run=1, night_noise=0.05, run_noise=0.05),
            "a": Load(1),
            "b": Load(2),
            "furnace": Load(4, night=8, run=60),
        },
        feeds={"incomer": ("a", "b", "furnace")},
        calendars={"incomer": shared, "a": shared, "b": shared, "furnace": own},
        extra={"a": rest, "b": rest},
    )


def test_a_feeder_that_works_on_a_holiday_explains_the_incomer_by_its_own_calendar() -> None:
    plant = holiday_plant()
    plant.run(67)
    incomer = plant.first("incomer")
    assert (incomer.pattern, incomer.state) == ("off_hours", "suppressed")
    assert [line.what for line in incomer.history] == ["opened", "explained_usual"]
    assert (incomer.explained[0].meter, incomer.explained[0].why) == ("furnace", "usual")
    assert incomer.explained[0].share > 0.8
    assert incomer.explained[0].kw > 10
    assert not plant.alerts("furnace"), "it runs as it should"
    assert document(incomer)["explained_by"][0]["meter"] == "furnace"


def test_the_same_excess_without_a_calendar_of_its_own_is_the_incomers_and_the_furnaces() -> None:
    plant = holiday_plant(own_calendar=False)
    plant.run(67)
    assert all(cause.why == "waste" for alert in plant.alerts("incomer") for cause in alert.explained)
    assert [alert.state for alert in plant.alerts("furnace")] == ["unacked"]


def test_waste_below_explains_the_incomer_and_is_listed_with_its_power() -> None:
    book = dict(alerts.on_output({}, finding("compressor", per_night=50), CONTEXT).book)
    change = alerts.on_output(book, finding("incomer", per_night=60), CONTEXT)
    incomer = next(each for each in change.book.values() if each.meter == "incomer")
    (cause,) = incomer.explained
    assert incomer.state == "suppressed"
    assert (cause.meter, cause.why, cause.alert) == ("compressor", "waste", next(iter(book)))
    assert cause.kw == pytest.approx(7.0)


def test_what_rose_while_machines_run_explains_no_night() -> None:
    book = dict(alerts.on_output({}, replace(finding("compressor", per_night=50), channel="on"), CONTEXT).book)
    change = alerts.on_output(book, finding("incomer", per_night=60), CONTEXT)
    incomer = next(each for each in change.book.values() if each.meter == "incomer")
    assert (incomer.channel, incomer.state, incomer.explained) == ("off", "unacked", ())


def test_the_parent_is_the_alert_only_where_no_usual_feeder_explains_more() -> None:
    book = dict(alerts.on_output({}, finding("compressor", per_night=50), CONTEXT).book)
    (below,) = book
    usual = Cause("furnace", 90.0, 0.9, "usual")
    hidden = replace(book[below], id="f" * 16, meter="incomer", actual_kw=104.1, explained=(usual,))
    (found, *_, last) = feeders.inhibit({**book, hidden.id: hidden}, CONTEXT.feeds, hidden.updated_ms)
    assert found.explained[-1] == usual
    assert (last.state, last.parent, last.history[-1].what) == ("suppressed", None, "explained_usual")


def test_a_load_that_moved_from_one_feeder_to_another_is_recognised() -> None:
    plant = PlantDays(
        {"incomer": Load(9, night=1, run=1, night_noise=0.05, run_noise=0.05), "a": Load(1, night=20), "b": Load(2), "c": Load(3)},
        feeds={"incomer": ("a", "b", "c")},
        extra={"a": lambda at: -8.0 if at >= 60 else 0.0, "b": lambda at: 8.0 if at >= 60 else 0.0},
    )
    plant.run(72)
    moved = plant.first("b")
    assert moved.state == "suppressed"
    assert (moved.explained[0].meter, moved.explained[0].why) == ("a", "moved")
    assert moved.explained[0].kw == pytest.approx(-8, rel=0.3)


def test_the_same_rise_without_the_drop_is_waste() -> None:
    plant = PlantDays(
        {"incomer": Load(9, night=1, run=1, night_noise=0.05, run_noise=0.05), "a": Load(1, night=20), "b": Load(2)},
        feeds={"incomer": ("a", "b")},
        extra={"b": lambda at: 8.0 if at >= 60 else 0.0},
    )
    plant.run(72)
    assert plant.first("b").state == "unacked"


def test_an_excess_is_not_explained_by_hours_that_were_not_measured() -> None:
    week = {day_ms(day, hour): (24 * (day % 7) + hour, 10.0 + 5.0 * (day >= 28)) for day in range(35) for hour in range(24)}
    plant = tree.Witness({"p": ("c",)}, lambda meter: week if meter == "p" else {}, lambda _: True, lambda *_: True)
    assert tree.explain("p", day_ms(28), [t for t in week if t >= day_ms(28)], plant) == ()


def test_a_holiday_stays_explained_on_the_working_days_after_it() -> None:
    plant = holiday_plant()
    plant.run(72)
    incomer = plant.first("incomer")
    assert [line.what for line in incomer.history if line.what != "cleared"] == ["opened", "explained_usual"]
    assert incomer.explained[0].meter == "furnace"


def with_a_night_test(kw: float) -> PlantDays:
    """An incomer over two machines; one of them is in a maintenance window for three days, in which it draws some kW at night."""
    plant = PlantDays(
        {"incomer": Load(9, night=1, run=1, night_noise=0.05, run_noise=0.05), "a": Load(1), "b": Load(2)},
        feeds={"incomer": ("a", "b")},
        extra={"a": lambda at: kw if 60 <= at < 63 and not running(at) else 0.0},
    )
    plant.run(60)
    plant.judge.maintain([Maintenance("f" * 16, ("a",), day_ms(60), day_ms(63), "chạy thử", "minh", day_ms(60))])
    plant.run(63)
    return plant


def test_what_a_meter_draws_in_its_maintenance_window_is_no_waste_of_its_incomer() -> None:
    plant = with_a_night_test(15.0)
    assert not plant.alerts("a")
    incomer = plant.first("incomer")
    assert (incomer.state, incomer.parent, incomer.history[-1].what) == ("suppressed", None, "explained_maintenance")
    (cause,) = incomer.explained
    assert (cause.meter, cause.why) == ("a", "maintenance")
    assert cause.share == pytest.approx(1.0, abs=0.1)
    assert document(incomer)["explained_by"][0]["why"] == "maintenance"


def test_a_window_explains_no_more_than_its_meter_can_draw() -> None:
    hours = {day_ms(day, hour): (24 * (day % 7) + hour, 10.0 + 50.0 * (day >= 28)) for day in range(29) for hour in range(24)}
    small = {t: (b, 3.0 if b % 24 == 12 else 1.0) for t, (b, _) in hours.items() if t < day_ms(28)}
    plant = tree.Witness({"p": ("c",)}, {"p": hours, "c": small}.__getitem__, lambda _: True, lambda *_: False, lambda *_: True)
    (cause,) = tree.explain("p", day_ms(28), [t for t in hours if t >= day_ms(28)], plant)
    assert (cause.meter, cause.why) == ("c", "maintenance")
    assert cause.share == pytest.approx(2 / 50, rel=0.1)


SIX = ("a", "b", "c", "d", "e", "f")
SITE = replace(CONTEXT, feeds={"incomer": SIX}, meters=("incomer", *SIX))


def crossing(*meters: str, context: AlertContext = SITE, day: int = 7) -> dict[str, Alert]:
    book: dict[str, Alert] = {}
    for meter in meters:
        book = dict(alerts.on_output(book, finding(meter, day=day), context).book)
    return book


def site_of(book: alerts.AlertBook) -> Alert:
    (site,) = (each for each in book.values() if each.pattern == "site")
    return site


def test_many_meters_that_cross_at_once_are_one_event_of_the_site_that_lists_them() -> None:
    assert not [each for each in crossing("a", "b").values() if each.pattern == "site"], "two are not many"
    book = crossing("a", "b", "c")
    site = site_of(book)
    assert (site.state, site.meter, site.kind) == ("unacked", "incomer", "waste")
    assert {cause.meter for cause in site.explained} == {"a", "b", "c"}
    assert {each.meter: each.state for each in book.values() if each.pattern != "site"} == dict.fromkeys("abc", "suppressed")
    one = next(each for each in book.values() if each.meter == "a")
    assert site.cost is not None
    assert one.cost is not None
    assert site.cost.value == pytest.approx(3 * one.cost.value)
    assert site.per_day["kwh"] == pytest.approx(3 * 56)


def test_a_fourth_joins_and_a_site_event_is_opened_once() -> None:
    book = crossing("a", "b", "c", "d")
    assert len(site_of(book).explained) == 4
    assert sum(each.state == "unacked" for each in book.values()) == 1


def test_what_is_answered_to_the_site_holds_for_its_members_and_is_told_for_each() -> None:
    book = crossing("a", "b", "c")
    change = alerts.dismiss(book, site_of(book).id, by="lan", at_ms=day_ms(100), reason="production")
    assert {each.state for each in change.book.values()} == {"closed"}
    assert sorted(told.meter for told in change.told) == ["a", "b", "c"]


def test_a_site_event_ends_with_its_last_member() -> None:
    book = crossing("a", "b", "c")
    for meter in "abc":
        book = dict(alerts.on_output(book, finding(meter, day=15, state="closed", reason="resolved"), SITE).book)
    assert site_of(book).state in {"cleared_unacked", "closed"}
    assert site_of(book).cleared_ms is not None


def test_three_of_many_meters_are_not_a_site_event() -> None:
    many = replace(SITE, meters=("incomer", *(f"m{n}" for n in range(20)), *SIX))
    assert not [each for each in crossing("a", "b", "c", context=many).values() if each.pattern == "site"]


def hidden() -> tuple[alerts.AlertBook, Alert, Alert]:
    book = dict(alerts.on_output({}, finding("compressor", per_night=50), CONTEXT).book)
    book = dict(alerts.on_output(book, finding("incomer", per_night=60), CONTEXT).book)
    child, parent = (next(each for each in book.values() if each.meter == meter) for meter in ("compressor", "incomer"))
    assert parent.state == "suppressed"
    return book, child, parent


def test_an_answer_to_the_cause_holds_for_what_it_hid() -> None:
    book, child, parent = hidden()
    change = alerts.fixed(book, child.id, by="lan", at_ms=day_ms(90), note="van")
    assert change.book[parent.id].closed_reason == "fixed"
    assert sorted(told.meter for told in change.told) == ["compressor", "incomer"]


def test_what_was_hidden_shows_at_once_when_nothing_hides_it_any_more() -> None:
    book, child, parent = hidden()
    gone = replace(child, state="closed", closed_reason="resolved")
    change = alerts.settled(alerts.Change({**book, child.id: gone}, (gone,)), CONTEXT, day_ms(90))
    assert change.book[parent.id].state == "unacked"


def test_waste_below_the_floor_is_marked_and_comes_up_when_it_grows() -> None:
    floor = replace(CONTEXT, floor_per_month=1e6)
    book = alerts.on_output({}, finding(per_night=1.0), floor).book
    (small,) = book.values()
    assert (small.below_floor, small.state) == (True, "unacked")
    (large,) = alerts.on_output(book, finding(day=8, per_night=400.0), floor).book.values()
    assert not large.below_floor
