"""All meters of a plant under judgement: what is produced, what has to be kept, and what people may answer."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from driftwatt.alerts import Alert
from driftwatt.readings import Reading
from driftwatt.wire import Hello, HelloMeter
from processors.pure.alerts import AlertContext, NotPossibleError
from processors.pure.board import Answer, AnswerWord, EdgeNow
from processors.pure.calendar import DayCalendar
from processors.pure.detector import Settings
from processors.pure.judge import SILENT_MS, Judge
from processors.pure.policy import MeterPolicy
from processors.pure.presence import EdgesNow
from processors.pure.products import Products
from tests.support.loads import Load
from tests.support.plant_days import PlantDays, day_ms

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
T = 1_899_999_900_000
MINUTE = 60_000


def policy(meter: str) -> MeterPolicy:
    calendar = DayCalendar(ZONE)
    return MeterPolicy(meter, "plant", ZONE, calendar, Settings(meter, ZONE, calendar))


def judge() -> Judge:
    return Judge({meter: policy(meter) for meter in ("m1", "m2")}, AlertContext("plant"))


def reading(minute: int, meter: str = "m1") -> Reading:
    return Reading(meter, T + minute * MINUTE, {"active_power": 6000.0, "import_energy": 1e6 + minute * 100.0})


def fed(one: Judge, minutes: range) -> Products:
    products = Products()
    for minute in minutes:
        one.on_readings([reading(minute)], products)
    return products


def silenced(one: Judge, at_ms: int = T) -> Alert:
    products = Products()
    one.on_tick(at_ms, {"m2": at_ms, "m1": at_ms - SILENT_MS}, products)
    assert len(products.alerts) == 1
    return next(iter(products.alerts.values()))


def test_readings_become_closed_intervals() -> None:
    products = fed(judge(), range(40))
    assert [interval.import_wh for interval in products.intervals if interval.kind == "15m"][:2] == pytest.approx([1500.0, 1500.0])


def test_only_what_changed_has_to_be_kept_and_the_big_part_once_a_day() -> None:
    one = judge()
    fed(one, range(20))
    assert {name for _, name in one.parts()} == {"energy", "detector", "memory"}
    assert one.parts() == {}
    fed(one, range(20, 22))
    assert {name for _, name in one.parts()} == {"energy"}
    fed(one, range(22, 40))
    assert {name for _, name in one.parts()} == {"energy", "detector"}
    fed(one, range(40, 60 * 24 + 40))
    assert {name for _, name in one.parts()} == {"energy", "detector", "memory"}


def test_a_judge_put_together_from_its_parts_goes_on_as_if_nothing_had_been() -> None:
    whole, first, second = judge(), judge(), judge()
    fed(first, range(100))
    kept: dict[str, dict[str, bytes]] = {"gone": {}}
    for (meter, name), data in first.parts().items():
        kept.setdefault(meter, {})[name] = data
    second.restore(kept, {})
    fed(whole, range(100))
    assert fed(second, range(100, 200)).intervals == fed(whole, range(100, 200)).intervals
    whole.parts()
    assert second.states == whole.states


def test_silence_opens_an_alert_once_and_a_voice_clears_it() -> None:
    one = judge()
    alert = silenced(one)
    assert (alert.meter, alert.pattern, alert.kind) == ("m1", "silent", "device")
    again = Products()
    one.on_tick(T + 1000, {"m2": T + 1000}, again, started_ms=T)
    assert not again.alerts
    back = Products()
    one.on_tick(T + 2000, {"m1": T + 2000, "m2": T + 2000}, back)
    assert back.alerts[alert.id].cleared_ms == T + 2000
    assert back.events == [back.alerts[alert.id]]


def test_a_meter_that_is_asked_seldom_is_not_silent_after_five_minutes() -> None:
    one = judge()
    one.on_hello(Hello("hall-a", "1", 0, "", "ok", (), (HelloMeter("m1", "b", "p", "h", 60_000), HelloMeter("m9", "b", "p", "h", 1))))
    assert one.policies["m1"].every_ms == 60_000
    products = Products()
    one.on_tick(T, {}, products, started_ms=T - 9 * MINUTE)
    assert [alert.meter for alert in products.alerts.values()] == ["m2"]


def test_silence_wakes_the_engine_of_a_meter() -> None:
    one = judge()
    fed(one, range(5))
    one.parts()
    one.on_tick(T + 3 * 3_600_000, {"m1": T}, Products(), started_ms=T)
    assert ("m1", "energy") in one.parts()


@pytest.mark.parametrize(
    ("what", "reason", "state"),
    [("ack", "checking", "acked"), ("comment", "", "unacked"), ("shelve", "checking", "shelved"), ("fixed", "", "closed")],
)
def test_people_answer(what: AnswerWord, reason: str, state: str) -> None:
    one = judge()
    alert = silenced(one)
    products = Products()
    answered = one.on_answer(Answer(alert.id, what, "minh", T + 1, reason, "note", T + 3_600_000), products)
    assert answered.state == state
    assert products.alerts[alert.id] == answered


def test_an_acknowledgement_can_be_taken_back_by_the_same_person() -> None:
    one = judge()
    alert = silenced(one)
    one.on_answer(Answer(alert.id, "ack", "minh", T + 1, "checking"), Products())
    assert one.on_answer(Answer(alert.id, "undo", "minh", T + 2), Products()).state == "unacked"


@pytest.mark.parametrize("before", ["acked", "unacked"])
def test_what_was_shelved_can_be_taken_up_again(before: str) -> None:
    one = judge()
    alert = silenced(one)
    if before == "acked":
        one.on_answer(Answer(alert.id, "ack", "minh", T + 1, "checking"), Products())
    one.on_answer(Answer(alert.id, "shelve", "minh", T + 2, "planned", until_ms=T + 3_600_000), Products())
    again = one.on_answer(Answer(alert.id, "unshelve", "lan", T + 3), Products())
    assert (again.state, again.shelved_until_ms) == (before, None)
    assert [(line.what, line.by) for line in again.history[-2:]] == [("shelved", "minh"), ("unshelve", "lan")]


def test_an_answer_that_the_rules_forbid_changes_nothing() -> None:
    one = judge()
    alert = silenced(one)
    with pytest.raises(NotPossibleError):
        one.on_answer(Answer(alert.id, "undo", "minh", T + 1), Products())
    with pytest.raises(NotPossibleError, match="is not shelved"):
        one.on_answer(Answer(alert.id, "unshelve", "minh", T + 1), Products())
    with pytest.raises(NotPossibleError):
        one.on_answer(Answer(alert.id, "explode", "minh", T + 1), Products())  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        one.on_answer(Answer("nobody", "ack", "minh", T + 1), Products())
    assert one.book[alert.id] == alert


def test_a_lost_edge_is_one_alert_and_its_meters_are_none_until_it_is_back() -> None:
    owners: dict[str, str | None] = {"m1": "hall-a", "m2": "hall-a"}
    one, minute = judge(), MINUTE

    def tick(at_ms: int, edge: EdgeNow, heard: dict[str, int]) -> list[tuple[str, str, str]]:
        products = Products()
        edges = EdgesNow.of({"hall-a": edge}, owners, at_ms, broker_ms=T - 60 * minute)
        one.on_tick(at_ms, heard, products, started_ms=T - 60 * minute, edges=edges)
        return [(alert.meter, alert.pattern, alert.state) for alert in products.alerts.values()]

    heard = {"m1": T, "m2": T}
    gone = EdgeNow("hall-a", online=False, since_ms=T, last_ms=T)
    assert tick(T + minute // 2, gone, heard) == []
    assert tick(T + minute, gone, heard) == [("hall-a", "edge_lost", "unacked")]
    assert tick(T + 30 * minute, gone, heard) == [], "neither again nor for its meters"
    back = EdgeNow("hall-a", online=True, since_ms=T + 40 * minute, last_ms=T + 40 * minute)
    assert tick(T + 40 * minute, back, heard) == [("hall-a", "edge_lost", "cleared_unacked")]
    speaking = EdgeNow("hall-a", online=True, since_ms=T + 40 * minute, last_ms=T + 50 * minute)
    assert tick(T + 50 * minute, speaking, {"m1": T + 50 * minute, "m2": T}) == [("m2", "silent", "unacked")], "now it is the meter's own"
    mute = EdgeNow("hall-a", online=True, since_ms=T + 40 * minute, last_ms=T + 50 * minute)
    assert tick(T + 54 * minute, mute, {"m1": T + 50 * minute, "m2": T}) == [("hall-a", "edge_lost", "unacked")]


def test_while_the_broker_is_away_no_edge_is_called_lost() -> None:
    gone = {"hall-a": EdgeNow("hall-a", online=False, since_ms=0, last_ms=0)}
    assert EdgesNow.of(gone, {"m1": None}, T, broker_ms=None).lost == {}
    assert EdgesNow.of(gone, {"m1": None}, T, broker_ms=T - 1000).lost == {}, "nobody had the time to speak again"
    assert EdgesNow.of(gone, {"m1": None}, T, broker_ms=T - 10 * MINUTE).lost == {"hall-a": 0}
    assert EdgesNow.of(gone, {"m1": "hall-b"}, T, broker_ms=T - 10 * MINUTE).lost == {}, "a stranger is not missed"


def test_thresholds_of_money_that_change_rank_open_alerts_at_once() -> None:
    plant = PlantDays({"m": Load(3)}, extra={"m": lambda at: 7.0 if at >= 60 else 0.0})
    plant.run(70)
    one, alert = plant.judge, plant.first("m")
    assert alert.per_month_cost is not None
    assert (alert.below_floor, alert.severity) == (False, "medium")
    money = alert.per_month_cost.value
    changed = replace(one.context, floor_per_month=2 * money, medium_per_month=2 * money)
    one.follow(one.policies, changed, {})
    one.on_tick(day_ms(70), {}, plant.products)
    assert (one.book[alert.id].below_floor, one.book[alert.id].severity) == (True, "low")
    assert plant.products.alerts[alert.id] == one.book[alert.id]
    one.follow(one.policies, replace(changed, floor_per_month=0.0, high_per_month=money / 2), {})
    one.on_tick(day_ms(70), {}, plant.products)
    assert (one.book[alert.id].below_floor, one.book[alert.id].severity) == (False, "high")
