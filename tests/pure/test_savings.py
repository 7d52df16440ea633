"""What a repair saved: looked at after 14, 30 and 90 days against the frozen reference, and seen when it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from driftwatt.alerts import Alert, Range
from processors.adapters.state import ALERT
from processors.pure import alerts, savings
from processors.pure.clean import Excess, Reference
from processors.pure.document import document
from tests.support.loads import Load
from tests.support.plant_days import PlantDays, day_ms

BROKEN, MENDED, KW = 60, 80, 7.0


def plant(until: float = MENDED, again: float = 1e9) -> PlantDays:
    """A compressor that draws 7 kW more day and night from day 60 until it is mended, and again from a later day on."""
    return PlantDays({"m": Load(3)}, extra={"m": lambda at: KW if BROKEN <= at < until or at >= again else 0.0})


def mended(one: PlantDays, *, first: str = "fixed") -> Alert:
    one.run(MENDED)
    alert = one.first("m")
    if first == "known":
        alert = one.say(alert, "ack", reason="known")
        one.run(MENDED + 3)
    return one.say(alert, "fixed", note="sửa rò rỉ")


def test_a_repair_is_verified_after_14_30_and_90_days_with_the_true_saving_inside_its_band() -> None:
    one = plant()
    alert = mended(one)
    assert (alert.state, savings.state(alert)) == ("closed", "verifying")
    one.run(MENDED + 93)
    alert = one.judge.book[alert.id]
    assert alert.saving is not None
    assert [verdict.day for verdict in alert.saving.verdicts] == [14, 30, 90]
    for verdict in alert.saving.verdicts:
        assert verdict.outcome == "verified"
        assert verdict.coverage == 1.0
        assert verdict.kwh.value == pytest.approx(24 * KW, rel=0.15)
        assert verdict.kwh.low < 24 * KW < verdict.kwh.high
        assert verdict.cost is not None
        assert verdict.cost.value == pytest.approx(365.25 * 2000 * verdict.kwh.value)
        assert verdict.co2e_kg == pytest.approx(365.25 * 0.6592 * verdict.kwh.value)
    assert [line.what for line in alert.history][-3:] == ["saving_verified"] * 3
    assert not savings.followed(alert)


def test_waste_that_somebody_knew_before_it_was_mended_is_measured_against_the_reference_before_it() -> None:
    one = PlantDays({"m": Load(3)}, extra={"m": lambda at: KW if BROKEN <= at < MENDED + 3 else 0.0})
    alert = mended(one, first="known")
    one.run(MENDED + 20)
    saving = one.judge.book[alert.id].saving
    assert saving is not None
    assert saving.verdicts[0].kwh.value == pytest.approx(24 * KW, rel=0.2)


def test_what_was_not_mended_is_told_again_within_days() -> None:
    one = plant(until=1e9)
    alert = mended(one)
    one.run(MENDED + 4)
    again = one.alerts("m")[-1]
    assert (again.state, again.id != alert.id) == ("unacked", True)
    assert savings.state(one.judge.book[alert.id]) == "came_back"


def test_what_nothing_else_found_is_opened_again_when_14_days_show_no_reduction() -> None:
    alert = savings.book(paper(), days(14, 90.0), 1)
    assert (alert.state, savings.state(alert)) == ("unacked", "not_seen")


def test_what_comes_back_is_seen_within_days_and_can_be_mended_again() -> None:
    one = plant(again=MENDED + 20)
    alert = mended(one)
    one.run(MENDED + 26)
    alert = one.judge.book[alert.id]
    assert alert.saving is not None
    assert savings.state(alert) == "came_back"
    assert alert.saving.came_back_ms is not None
    assert day_ms(MENDED + 20) < alert.saving.came_back_ms <= day_ms(MENDED + 25)
    if alert.state == "unacked":
        again = one.say(alert, "fixed", note="thay van")
        assert savings.state(again) == "verifying"
        assert again.saving is not None
        assert again.saving.theta == alert.saving.theta


def test_a_repaired_alert_goes_on_after_a_restart_as_if_nothing_had_been() -> None:
    whole, cut = plant(), plant()
    for one in (whole, cut):
        mended(one)
        one.run(MENDED + 5)
    parts: dict[str, dict[str, bytes]] = {}
    for (meter, name), data in cut.judge.parts().items():
        parts.setdefault(meter, {})[name] = data
    book = cut.judge.book
    cut.judge = cut.fresh()
    cut.judge.restore(parts, book)
    for one in (whole, cut):
        one.run(MENDED + 16)
    assert cut.judge.book == whole.judge.book
    assert savings.state(cut.first("m")) == "verified"


def paper(**more: object) -> Alert:
    """A repaired alert of 100 ± 60 kWh a day over ten days."""
    alert = alerts._blank("waste", "m", "off", since_ms=0, at_ms=0, context=alerts.AlertContext("p"))
    alert = replace(alert, excess_kwh=Range(1000, 400, 1600), per_day={"kwh": 100.0, "cost": 2e5}, state="closed", days_learned=400)
    return savings.begin(replace(alert, **more), Reference("off", all_day=False, theta=(1.0,), level=1.0), [], 0)  # type: ignore[arg-type]


def days(count: int, kwh: float, first: int = 1) -> list[Excess]:
    return [Excess(day, day * savings.DAY_MS, kwh) for day in range(first, first + count)]


def test_a_saving_whose_band_holds_zero_is_not_called_verified() -> None:
    sure, unsure = paper(), paper(excess_kwh=Range(1000, 0, 2200))
    assert savings.state(savings.book(sure, days(14, 0.0), 1)) == "verified"
    assert savings.state(savings.book(unsure, days(14, 0.0), 1)) == "within_band"


def test_too_few_days_give_no_verdict_and_silence_gives_one_too() -> None:
    thin = savings.book(paper(), [*days(5, 0.0), *days(3, 0.0, 12)], 1)
    assert savings.state(thin) == "no_data"
    assert thin.state == "closed"
    silent = paper()
    at_ms = 16 * savings.DAY_MS
    assert savings.state(alerts.on_time({silent.id: silent}, at_ms - 1).book[silent.id]) == "verifying"
    assert savings.state(alerts.on_time({silent.id: silent}, at_ms).book[silent.id]) == "no_data"


def test_a_claim_needs_twelve_months_of_baseline() -> None:
    assert paper().saving.claim  # type: ignore[union-attr]
    assert not paper(days_learned=90).saving.claim  # type: ignore[union-attr]


def test_an_integrator_reads_the_saving_with_its_band() -> None:
    told = document(savings.book(paper(), days(14, 10.0), 1))["verified_saving"]
    assert (told["state"], told["days"], told["kwh_per_day"]["value"]) == ("verified", 14, 90.0)
    assert told["kwh_per_day"]["low"] < 90 < told["kwh_per_day"]["high"]
    assert told["cost_per_year"]["value"] == pytest.approx(90 * 2000 * 365.25)


def known_and_mended(again: float, kw_again: float = KW) -> tuple[PlantDays, Alert]:
    """A plant whose waste was known for three weeks and then mended, when it comes back with so many kW."""
    gone = MENDED + 21
    one = PlantDays({"m": Load(3)}, extra={"m": lambda at: KW if BROKEN <= at < gone else kw_again if at >= again else 0.0})
    one.run(MENDED)
    alert = one.say(one.first("m"), "ack", reason="known")
    one.run(gone)
    return one, one.say(one.judge.book[alert.id], "fixed", note="sửa rò rỉ")


@pytest.mark.parametrize("kw", [KW, 0.45 * KW])
def test_waste_that_was_known_and_mended_is_found_when_it_comes_back_although_charts_had_followed_it(kw: float) -> None:
    one, alert = known_and_mended(again=MENDED + 28, kw_again=kw)
    one.run(MENDED + 50)
    back = [each for each in one.alerts("m") if each.opened_ms > day_ms(MENDED + 28)]
    assert back or savings.state(one.judge.book[alert.id]) == "came_back"
    assert all(each.opened_ms <= day_ms(MENDED + 48) for each in back)


def test_a_meter_that_was_mended_after_its_waste_was_known_stays_quiet_at_its_old_level() -> None:
    one, alert = known_and_mended(again=1e9)
    before = len(one.alerts("m"))
    one.run(MENDED + 60)
    assert len(one.alerts("m")) == before
    assert savings.state(one.judge.book[alert.id]) == "verified"


def test_a_repair_told_days_later_ends_the_waste_when_it_was_made_and_its_saving_counts_from_there() -> None:
    late, prompt = plant(), plant()
    mended(prompt)
    prompt.run(MENDED + 20)
    late.run(MENDED + 5)
    alert = late.say(late.first("m"), "fixed", note="sửa rò rỉ", repaired_ms=day_ms(MENDED))
    assert alert.cleared_ms == day_ms(MENDED)
    assert alert.history[-1].of_ms == day_ms(MENDED)
    assert alert.excess_kwh is not None
    assert alert.cost is not None
    assert alert.excess_kwh.value == pytest.approx(24 * KW * (MENDED - BROKEN), rel=0.05)
    assert alert.cost.value == pytest.approx(2000 * alert.excess_kwh.value)
    assert alert.per_day["kwh"] == pytest.approx(24 * KW, rel=0.05)
    late.run(MENDED + 20)
    ours, theirs = (one.judge.book[alert.id].saving for one in (late, prompt))
    assert ours is not None
    assert theirs is not None
    assert (ours.fixed_ms, ours.days) == (theirs.fixed_ms, theirs.days)
    assert ours.verdicts[0].outcome == "verified"
    assert ours.verdicts[0].kwh.value == pytest.approx(theirs.verdicts[0].kwh.value, rel=0.02)


@pytest.mark.parametrize("day", [BROKEN - 10, MENDED + 1])
def test_a_repair_before_the_waste_or_in_the_future_is_refused(day: int) -> None:
    one = plant()
    one.run(MENDED)
    with pytest.raises(alerts.NotPossibleError):
        one.say(one.first("m"), "fixed", repaired_ms=day_ms(day))


def gone(*, known: bool) -> tuple[PlantDays, Alert]:
    """A plant whose waste was mended without a word and went away by itself, whether somebody knew of it or not."""
    one = plant()
    one.run(MENDED)
    if known:
        one.say(one.first("m"), "ack", reason="known")
    while one.first("m").cleared_ms is None:
        one.run(one.day + 1)
    return one, one.first("m")


@pytest.mark.parametrize(("state", "reason"), [("cleared_unacked", None), ("closed", "resolved")])
def test_a_repair_that_is_told_after_its_alert_had_gone_is_measured_from_the_day_on_which_waste_ended(state: str, reason: str) -> None:
    one, alert = gone(known=reason is not None)
    assert (alert.state, alert.closed_reason) == (state, reason)
    assert one.day > MENDED + 7
    told = one.say(alert, "fixed", note="sửa rò rỉ")
    assert (told.state, told.closed_reason, savings.state(told)) == ("closed", "fixed", "verifying")
    assert told.saving is not None
    assert told.saving.fixed_ms == day_ms(MENDED)
    assert told.saving.before.value == pytest.approx(24 * KW, rel=0.1)
    one.run(max(one.day + 2, MENDED + 31))
    saving = one.judge.book[alert.id].saving
    assert saving is not None
    assert [(verdict.day, verdict.outcome) for verdict in saving.verdicts] == [(14, "verified"), (30, "verified")]
    assert saving.verdicts[0].kwh.value == pytest.approx(24 * KW, rel=0.15)


def test_the_time_of_a_repair_counts_where_it_is_told_although_the_alert_had_gone() -> None:
    one, alert = gone(known=True)
    told = one.say(alert, "fixed", note="sửa rò rỉ", repaired_ms=day_ms(MENDED - 2))
    assert told.saving is not None
    assert told.saving.fixed_ms == day_ms(MENDED - 2)


def test_what_is_left_of_a_gone_alert_outlives_a_restart() -> None:
    _, alert = gone(known=False)
    assert alert.reference is not None
    assert ALERT.validate_json(ALERT.dump_json(alert)) == alert


def test_a_gone_alert_without_its_reference_is_closed_as_mended_and_nothing_is_measured() -> None:
    one, alert = gone(known=False)
    one.judge.book = {alert.id: replace(alert, reference=None)}
    told = one.say(alert, "fixed", note="sửa rò rỉ")
    assert (told.state, told.closed_reason, told.saving) == ("closed", "fixed", None)


def test_a_dismissed_alert_cannot_be_mended_afterwards() -> None:
    one = plant()
    one.run(MENDED)
    alert = one.say(one.first("m"), "dismiss", reason="new_normal")
    with pytest.raises(alerts.NotPossibleError):
        one.say(alert, "fixed")


def in_shift(at: float) -> bool:
    return int(at) % 7 < 6 and 6 <= round(at % 1 * 24, 6) < 22


@pytest.mark.parametrize(
    ("part", "hours_a_week"),
    [("on", 6 * 16), ("off", 168 - 6 * 16), ("edge", 6 * 2)],
)
def test_waste_of_any_part_of_the_day_is_verified_per_calendar_day_in_a_week_with_a_day_off(part: str, hours_a_week: int) -> None:
    wasted = {"on": in_shift, "off": lambda at: not in_shift(at), "edge": lambda at: in_shift(at + 2 / 24) and not in_shift(at)}
    kw, inside = 12.0, cast("Callable[[float], bool]", wasted[part])
    one = PlantDays({"m": Load(3)}, extra={"m": lambda at: kw if BROKEN <= at < MENDED and inside(at) else 0.0})
    alert = mended(one)
    one.run(MENDED + 31)
    saving = one.judge.book[alert.id].saving
    assert saving is not None
    assert [(verdict.day, verdict.outcome, verdict.coverage) for verdict in saving.verdicts] == [
        (14, "verified", 1.0),
        (30, "verified", 1.0),
    ]
    assert saving.verdicts[1].kwh.value == pytest.approx(kw * hours_a_week / 7, rel=0.15)


def test_a_sunday_says_nothing_of_running_hours_that_came_back() -> None:
    working = [replace(day, kwh=90.0) if day.ordinal > 4 else replace(day, kwh=0.0) for day in days(7, 0.0)]
    sunday = replace(working[5], kwh=0.0, idle=True)
    alert = savings.book(paper(), [*working[:5], sunday, *working[6:], *days(1, 90.0, 8)], 1)
    assert savings.state(alert) == "came_back"
