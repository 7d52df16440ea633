"""The life of an alert: what opens, escalates, clears and closes it, what people may do, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from driftwatt.alerts import Alert, Range, alert_id
from processors.pure import alerts
from processors.pure.alerts import AlertContext, Change, NotPossibleError
from processors.pure.appraise import DAYS_PER_MONTH
from processors.pure.outputs import DataFinding, Readiness, WasteFinding
from processors.pure.price import FactorBook, FactorVersion, PriceVersion, ScheduleVersion, TariffBook, Window

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
SINCE_MS = round(datetime(2026, 9, 7, tzinfo=ZONE).timestamp() * 1000)
ALL_WEEK = frozenset(range(7))

TARIFF = TariffBook(
    ZONE,
    name="test",
    currency="VND",
    prices=[PriceVersion(0, "2025-05-10", 2000.0, 1000.0, 3000.0)],
    schedules=[
        ScheduleVersion(
            0,
            "vn-963-2026",
            (Window(frozenset(range(6)), 17 * 60 + 30, 22 * 60 + 30, "peak"), Window(ALL_WEEK, 0, 6 * 60, "off_peak")),
            status="unconfirmed",
        )
    ],
    vat=0.08,
)
CONTEXT = AlertContext(
    "plant",
    areas={"compressor": "hall"},
    feeds={"incomer": ("board",), "board": ("compressor",)},
    tariff=TARIFF,
    factors=FactorBook("grid", (FactorVersion(0, "2023", 0.6592, status="single"),)),
)


def finding(meter: str = "compressor", *, day: int = 7, per_night: float = 56.0, state: str = "updated", reason: str = "") -> WasteFinding:
    """Waste of `per_night` kWh, spread over 22:00–06:00 of each day since SINCE_MS."""
    hours = [(SINCE_MS + d * DAY_MS + h * HOUR_MS, per_night / 8) for d in range(day) for h in (0, 1, 2, 3, 4, 5, 22, 23)]
    total = per_night * day
    return WasteFinding(
        meter, state, "off", SINCE_MS + day * DAY_MS + 900_000, SINCE_MS, 6.2, 6.0, provisional=True,  # type: ignore[arg-type]
        days=day, days_learned=50, expected_kw=4.1, actual_kw=11.1, hours=8.0,
        kwh=Range(total, total / 2, total * 1.5), daily_kwh=per_night, spread=tuple(hours), reason=reason,
    )  # fmt: skip


def opened(**more: float) -> tuple[alerts.AlertBook, Alert]:
    change = alerts.on_output({}, finding(state="opened", **more), CONTEXT)  # type: ignore[arg-type]
    return change.book, change.changed[0]


def only(change: Change) -> Alert:
    assert len(change.changed) == 1
    return change.changed[0]


def test_an_alert_opens_with_a_deterministic_id_and_a_price_for_every_hour() -> None:
    book, alert = opened()
    assert alert.id == alert_id("plant", "compressor", "off", SINCE_MS)
    assert list(book) == [alert.id]
    assert (alert.state, alert.kind, alert.pattern, alert.area, alert.channel) == ("unacked", "waste", "off_hours", "hall", "off")
    nights_on_workdays, sundays = 6, 1
    work = 7.0 * (6 * 1000 + 0.5 * 3000 + 0.5 * 2000 + 2000)
    sunday = 7.0 * (6 * 1000 + 2 * 2000)
    assert alert.cost is not None
    assert alert.cost.value == pytest.approx(nights_on_workdays * work + sundays * sunday)
    assert [alert.cost.low, alert.cost.high] == pytest.approx([alert.cost.value / 2, alert.cost.value * 1.5])
    assert alert.co2e_kg == pytest.approx(7 * 56 * 0.6592)
    assert alert.unconfirmed == ("schedule vn-963-2026", "factor 2023")
    assert (alert.tariff, alert.schedule, alert.factor, alert.vat) == ("2025-05-10", "vn-963-2026", "2023", 0.08)


def test_a_day_and_a_month_follow_the_present_rate() -> None:
    _, alert = opened()
    updated = only(alerts.on_output({alert.id: alert}, finding(day=14), CONTEXT))
    assert updated.cost is not None
    assert updated.per_month_cost is not None
    assert updated.per_day == {"kwh": pytest.approx(56.0), "hours": 8.0, "cost": pytest.approx(updated.cost.value / 14)}
    assert updated.per_month_cost.value == pytest.approx(updated.per_day["cost"] * DAYS_PER_MONTH)
    assert updated.per_month_cost.low == pytest.approx(updated.per_month_cost.value / 2)
    assert sum(price * kwh for _, price, kwh in updated.priced) == pytest.approx(updated.cost.value)
    assert sum(kwh for *_, kwh in updated.priced) == pytest.approx(14 * 56.0)
    assert updated.message_args["cost_per_month"] == updated.per_month_cost.value
    assert updated.opened_ms == alert.opened_ms < updated.updated_ms


def test_energy_of_nothing_costs_nothing_and_without_a_tariff_there_is_no_figure() -> None:
    nothing = only(alerts.on_output({}, replace(finding(per_night=0.0), spread=()), CONTEXT))
    assert nothing.cost == Range(0.0, 0.0, 0.0)
    free = only(alerts.on_output({}, finding(), AlertContext("plant")))
    assert (free.cost, free.per_month_cost, free.co2e_kg, free.severity, free.per_day["kwh"]) == (None, None, None, "medium", 56.0)


def test_energy_from_before_the_first_price_is_told_and_the_rate_goes_by_what_is_priced() -> None:
    whole = only(alerts.on_output({}, finding(day=14), CONTEXT))
    from_second_week = [replace(row, from_ms=SINCE_MS + 7 * DAY_MS) for row in TARIFF.prices]
    late = TariffBook(ZONE, name="late", currency="VND", prices=from_second_week, schedules=TARIFF.schedules)
    half = only(alerts.on_output({}, finding(day=14), replace(CONTEXT, tariff=late)))
    assert whole.unpriced_kwh == 0.0
    assert half.unpriced_kwh == pytest.approx(7 * 56.0)
    assert half.cost is not None
    assert whole.cost is not None
    assert half.cost.value == pytest.approx(whole.cost.value / 2)
    assert half.per_day["cost"] == pytest.approx(whole.per_day["cost"])
    unpriced = only(alerts.on_output({}, finding(day=7), replace(CONTEXT, tariff=late)))
    assert (unpriced.cost, unpriced.per_month_cost) == (None, None)
    assert unpriced.unpriced_kwh == pytest.approx(7 * 56.0)


def test_severity_follows_the_money_of_a_month_and_only_rises() -> None:
    _, alert = opened()
    assert alert.severity == "medium"
    large = only(alerts.on_output({alert.id: alert}, finding(day=8, per_night=400.0), CONTEXT))
    assert (large.severity, large.history[-1].what, large.history[-1].reason) == ("high", "escalated", "high")
    small = only(alerts.on_output({alert.id: large}, finding(day=9, per_night=1.0), CONTEXT))
    assert small.severity == "high"


def test_the_same_finding_twice_is_one_alert_and_a_closed_one_stays_closed() -> None:
    book, alert = opened()
    again = alerts.on_output(book, finding(state="opened"), CONTEXT)
    assert len(again.book) == 1
    closed = alerts.dismiss(book, alert.id, by="lan", at_ms=SINCE_MS, reason="false_alarm").book
    assert alerts.on_output(closed, finding(day=9), CONTEXT) == Change(closed)


def test_acknowledging_stands_after_ten_seconds_and_only_then_tells_the_detector() -> None:
    book, alert = opened()
    at_ms = alert.opened_ms + 5000
    acked = alerts.acknowledge(book, alert.id, by="lan", at_ms=at_ms, reason="checking", note="đi xem")
    assert acked.told == ()
    assert (only(acked).state, only(acked).ack_by, only(acked).ack_note) == ("acked", "lan", "đi xem")
    assert alerts.on_time(acked.book, at_ms + 10_000) == Change(acked.book)
    later = alerts.on_time(acked.book, at_ms + 10_001)
    assert [(t.what, t.channel, t.since_ms, t.meter) for t in later.told] == [("known", "off", SINCE_MS, "compressor")]
    assert alerts.on_time(later.book, at_ms + 99_999).told == (), "told once"
    assert later.book[alert.id].state == "acked"


def test_undo_is_for_the_same_person_and_for_ten_seconds() -> None:
    book, alert = opened()
    acked = alerts.acknowledge(book, alert.id, by="lan", at_ms=1000, reason="planned").book
    with pytest.raises(NotPossibleError, match="only lan"):
        alerts.undo(acked, alert.id, by="minh", at_ms=2000)
    with pytest.raises(NotPossibleError, match="10 s"):
        alerts.undo(acked, alert.id, by="lan", at_ms=11_001)
    back = only(alerts.undo(acked, alert.id, by="lan", at_ms=11_000))
    assert (back.state, back.ack_by, [line.what for line in back.history]) == ("unacked", None, ["opened", "acked", "undo"])
    with pytest.raises(NotPossibleError, match="no acknowledgement"):
        alerts.undo({alert.id: back}, alert.id, by="lan", at_ms=11_000)


def test_the_second_to_acknowledge_hears_who_was_first() -> None:
    book, alert = opened()
    acked = alerts.acknowledge(book, alert.id, by="lan", at_ms=1, reason="known").book
    with pytest.raises(NotPossibleError, match="lan acknowledged"):
        alerts.acknowledge(acked, alert.id, by="minh", at_ms=2, reason="known")
    with pytest.raises(NotPossibleError, match="not one of"):
        alerts.acknowledge(book, alert.id, by="lan", at_ms=1, reason="because")


def test_unanswered_for_72_hours_means_known_to_the_detector_and_nothing_to_people() -> None:
    book, alert = opened()
    early = alerts.on_output(book, finding(day=9), CONTEXT)
    assert early.told == ()
    late = alerts.on_output(early.book, finding(day=10), CONTEXT)
    assert [told.what for told in late.told] == ["known"]
    assert (only(late).state, only(late).told) == ("unacked", "known")
    assert alerts.on_output(late.book, finding(day=11), CONTEXT).told == ()
    assert alert.told == ""


def test_waste_that_goes_away_waits_to_be_seen_unless_somebody_saw_it() -> None:
    book, alert = opened()
    gone = only(alerts.on_output(book, finding(day=20, state="closed", reason="resolved"), CONTEXT))
    assert (gone.state, gone.cleared_ms, gone.closed_reason) == ("cleared_unacked", gone.updated_ms, None)
    seen = only(alerts.acknowledge({gone.id: gone}, gone.id, by="lan", at_ms=gone.updated_ms + 1, reason="checking"))
    assert (seen.state, seen.closed_reason) == ("closed", "resolved")
    acked = alerts.acknowledge(book, alert.id, by="lan", at_ms=1, reason="checking").book
    assert only(alerts.on_output(acked, finding(day=20, state="closed", reason="resolved"), CONTEXT)).state == "closed"


@pytest.mark.parametrize(("reason", "what"), [("new_normal", "new_normal"), ("planned", "dismissed"), ("false_alarm", "dismissed")])
def test_dismissing_closes_and_tells_the_detector_why(reason: str, what: str) -> None:
    book, alert = opened()
    change = alerts.dismiss(book, alert.id, by="lan", at_ms=5, reason=reason)
    assert (only(change).state, only(change).closed_reason, change.told[0].what) == ("closed", reason, what)
    with pytest.raises(NotPossibleError, match="closed already"):
        alerts.fixed(change.book, alert.id, by="lan", at_ms=6)


def test_fixed_closes_and_tells_the_detector() -> None:
    book, alert = opened()
    change = alerts.fixed(book, alert.id, by="lan", at_ms=5, note="thay van")
    assert (only(change).closed_reason, change.told[0].what, only(change).history[-1].note) == ("fixed", "fixed", "thay van")


def test_a_shelf_ends_by_time_or_when_the_excess_grows_by_half() -> None:
    book, alert = opened()
    at_ms = alert.opened_ms
    with pytest.raises(NotPossibleError, match="7 days"):
        alerts.shelve(book, alert.id, by="lan", at_ms=at_ms, until_ms=at_ms + 8 * DAY_MS, reason="planned")
    with pytest.raises(NotPossibleError, match="say why"):
        alerts.shelve(book, alert.id, by="lan", at_ms=at_ms, until_ms=at_ms + DAY_MS, reason="")
    shelved = alerts.shelve(book, alert.id, by="lan", at_ms=at_ms, until_ms=at_ms + DAY_MS, reason="planned").book
    assert alerts.on_time(shelved, at_ms + DAY_MS - 1) == Change(shelved)
    assert only(alerts.on_time(shelved, at_ms + DAY_MS)).state == "unacked"
    assert only(alerts.on_output(shelved, finding(day=8, per_night=70.0), CONTEXT)).state == "shelved"
    assert only(alerts.on_output(shelved, finding(day=8, per_night=100.0), CONTEXT)).state == "unacked"


def test_a_comment_is_kept_in_any_state() -> None:
    book, alert = opened()
    line = only(alerts.comment(book, alert.id, by="lan", at_ms=7, note="van số 3")).history[-1]
    assert (line.what, line.by, line.note) == ("commented", "lan", "van số 3")
    with pytest.raises(NotPossibleError):
        alerts.comment(book, alert.id, by="lan", at_ms=7, note=" ")


def test_a_feeders_alert_is_suppressed_while_one_below_explains_half_of_it() -> None:
    book = alerts.on_output({}, finding("incomer", per_night=100.0), CONTEXT).book
    change = alerts.on_output(book, finding("compressor", per_night=56.0), CONTEXT)
    parent = next(each for each in change.book.values() if each.meter == "incomer")
    child = next(each for each in change.book.values() if each.meter == "compressor")
    assert (parent.state, parent.parent, child.state) == ("suppressed", child.id, "unacked")
    freed = alerts.dismiss(change.book, child.id, by="lan", at_ms=9, reason="planned").book
    later = alerts.on_output(freed, finding("incomer", day=8, per_night=100.0), CONTEXT)
    assert (only(later).state, only(later).parent) == ("unacked", None)


def test_a_hidden_alert_names_a_cause_that_is_still_there() -> None:
    context = replace(CONTEXT, feeds={"incomer": ("compressor", "chiller")})
    book: alerts.AlertBook = {}
    for meter, per_night in (("incomer", 100.0), ("compressor", 60.0), ("chiller", 40.0)):
        book = alerts.on_output(book, finding(meter, per_night=per_night), context).book
    of = {each.meter: each.id for each in book.values()}
    assert book[of["incomer"]].parent == of["compressor"]
    book = alerts.dismiss(book, of["compressor"], by="lan", at_ms=9, reason="planned").book
    book = alerts.on_output(book, finding("chiller", day=8, per_night=40.0), context).book
    assert (book[of["incomer"]].state, book[of["incomer"]].parent) == ("suppressed", of["chiller"])


def test_a_child_too_small_in_energy_and_power_suppresses_nothing() -> None:
    book = alerts.on_output({}, replace(finding("incomer", per_night=100.0), expected_kw=60.0, actual_kw=80.0), CONTEXT).book
    change = alerts.on_output(book, finding("compressor", per_night=40.0), CONTEXT)
    assert {each.state for each in change.book.values()} == {"unacked"}


def test_a_child_that_explains_what_opened_its_feeders_alert_suppresses_it_whatever_the_energy() -> None:
    """The energy of a feeder is taken round the clock and carries the noise of everything below it."""
    book = alerts.on_output({}, replace(finding("incomer", per_night=800.0), expected_kw=60.0, actual_kw=68.0), CONTEXT).book
    change = alerts.on_output(book, finding("compressor", per_night=40.0), CONTEXT)
    assert sorted(each.state for each in change.book.values()) == ["suppressed", "unacked"]
    grown = replace(finding("incomer", day=8, per_night=800.0), expected_kw=60.0, actual_kw=80.0)
    assert only(alerts.on_output(change.book, grown, CONTEXT)).state == "suppressed", "a third is explained still"
    more = replace(finding("incomer", day=9, per_night=800.0), expected_kw=60.0, actual_kw=99.0)
    assert only(alerts.on_output(change.book, more, CONTEXT)).state == "unacked"


def test_doubtful_data_open_an_alert_of_their_own() -> None:
    seen = DataFinding("compressor", "opened", "stuck", 100, 50, {"kw": 4.0})
    book = alerts.on_output({}, seen, CONTEXT).book
    alert = next(iter(book.values()))
    assert (alert.kind, alert.pattern, alert.message_key, alert.severity) == ("data", "stuck", "data.stuck", "medium")
    assert alerts.on_output(book, seen, CONTEXT) == Change(book)
    gone = only(alerts.on_output(book, replace(seen, state="closed", at_ms=900), CONTEXT))
    assert (gone.state, gone.cleared_ms) == ("cleared_unacked", 900)
    assert alerts.on_time(alerts.acknowledge(book, alert.id, by="lan", at_ms=1, reason="known").book, 99_999).told == ()


def test_a_gap_that_healed_asks_for_nobody() -> None:
    seen = DataFinding("compressor", "opened", "gap", 100, 50)
    book = alerts.on_output({}, seen, CONTEXT).book
    assert only(alerts.on_output(book, replace(seen, state="closed", at_ms=900), CONTEXT)).state == "closed"


def test_silence_opens_one_device_alert_and_the_voice_clears_it() -> None:
    book = alerts.on_silence({}, "compressor", since_ms=10, at_ms=40, context=CONTEXT).book
    alert = next(iter(book.values()))
    assert (alert.kind, alert.pattern, alert.since_ms, alert.opened_ms) == ("device", "silent", 10, 40)
    assert alerts.on_silence(book, "compressor", since_ms=10, at_ms=41, context=CONTEXT).book == book
    gone = alerts.on_voice(book, "compressor", at_ms=50)
    assert only(gone).state == "cleared_unacked"
    assert alerts.on_voice(gone.book, "compressor", at_ms=51) == Change(gone.book)


def test_what_is_no_finding_changes_nothing() -> None:
    assert alerts.on_output({}, Readiness("compressor", 1, "learning", 3), CONTEXT) == Change({})


def test_every_step_of_a_long_life_is_in_its_history() -> None:
    book, alert = opened()
    for hour in range(300):
        book = alerts.comment(book, alert.id, by="lan", at_ms=hour, note=f"{timedelta(hours=hour)}").book
    history = book[alert.id].history
    assert (history[0].what, len(history), history[-1].at_ms) == ("opened", 200, 299)
