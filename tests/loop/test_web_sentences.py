"""What the pages say in words: since when, why, how much of what, and what to do about it."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from driftwatt.alerts import Alert, HistoryLine
from driftwatt.readings import Reading
from processors.pure.outputs import ExpectedPower, IntervalEnergy
from processors.view import Span
from processors.web import alert_text, usual_causes
from processors.web.figures import bar, meter_figure, steady
from processors.web.plant_figure import plant_figure
from processors.web.text import Text
from processors.web.words import words
from tests.loop.page_on_paper import PaperPage
from tests.loop.plant_on_paper import NOW_MS, Q_MS, ZONE, at, compressor_alert
from tests.loop.test_web_routes import post

EN, VI = Text(words("en"), ZONE), Text(words("vi"), ZONE)


def read(page: PaperPage, path: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page.ask(path).text)).replace("\u00a0", " ")


def test_a_night_is_named_by_its_two_days_and_waste_of_unknown_hour_by_its_day() -> None:
    night = compressor_alert()
    assert (alert_text.began(EN, night), alert_text.began(VI, night)) == (
        "Since the night of 13\u00a0Nov to 14\u00a0Nov", "Từ đêm 13/11 rạng 14/11",
    )  # fmt: skip
    by_day = replace(night, since_ms=at("2026-11-13 00:00"))
    with PaperPage(alerts=[by_day]) as page:
        assert "13 Nov  Left the expected band" in read(page, f"/alerts/{by_day.id}?lang=en").replace("   ", "  ")
        assert "00:00" not in read(page, f"/alerts/{by_day.id}?lang=en").partition("History")[2].partition("Left the expected")[0]


def test_energy_that_is_not_power_times_hours_is_told_to_be_a_mean_of_calendar_days() -> None:
    alert = replace(compressor_alert(), pattern="running_hours", actual_kw=97.2, expected_kw=84.0, per_day={"kwh": 165, "hours": 16.0})
    assert alert_text.day_sum(EN, alert) == "≈ 165\u00a0kWh a calendar day"
    with PaperPage(alerts=[alert]) as page:
        told = read(page, f"/alerts/{alert.id}?lang=en")
        assert "about 16 h on a day with waste. Spread over all calendar days: 165 kWh a day." in told


@pytest.mark.parametrize("kind", [*usual_causes.KINDS, "other"])
def test_causes_of_drawing_more_while_running_are_not_those_of_nights(kind: str) -> None:
    running, nights = (usual_causes.usual(EN, kind, pattern) for pattern in ("running_hours", "off_hours"))
    assert running
    assert running != nights


def test_a_chiller_that_draws_more_while_it_runs_has_a_fouled_condenser_first() -> None:
    assert usual_causes.usual(EN, "chiller", "running_hours")[0][0] == "Condenser fouled."
    assert usual_causes.usual(EN, "chiller", "off_hours")[0][0] == "Chilled water runs without load."


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (HistoryLine(NOW_MS, "shelved", "Hạnh", "", "waits for the contractor"), "Hạnh shelved: waits for the contractor"),
        (HistoryLine(NOW_MS, "acked", "Hạnh", "checking", "called"), "Hạnh acknowledged: Going to check: called"),
        (HistoryLine(NOW_MS, "comment", "Hạnh", "", "valve closed"), "Hạnh commented: valve closed"),
    ],
)
def test_a_note_follows_what_was_done_and_no_reason_is_made_up(line: HistoryLine, says: str) -> None:
    assert alert_text.history_text(EN, line) == says


def test_meters_that_report_and_are_in_no_plant_file_are_named_with_their_block() -> None:
    with PaperPage() as page:
        assert "plant file" not in read(page, "/meters?lang=en")
        page.board.unlisted = (Reading("dryer-9", NOW_MS, {}),)
        told = read(page, "/meters?lang=en")
    assert "Meters that report and are in no plant file: 1" in told
    assert '[[meter]]\nid = "dryer-9"' in told


def test_the_parts_of_the_days_energy_add_up_to_it_with_the_running_quarter_hour() -> None:
    with PaperPage() as page:
        plant = plant_figure(page.view, [meter_figure(page.view, page.board.snapshot(), [], each) for each in page.file.meter])
        closed = sum(each.import_wh for each in page.view.today["incomer"].intervals) / 1000
    assert plant.kwh > closed
    assert sum(plant.by_period.values()) == pytest.approx(plant.kwh)


def _span(kwh: float) -> Span:
    expected = tuple(ExpectedPower("m", n * Q_MS, 70_000, 63_000, 77_000) for n in range(4))
    return Span("m", 0, 4 * Q_MS, 0, intervals=(IntervalEnergy("m", "15m", 0, Q_MS, kwh * 1000),), expected=expected, base=(Q_MS, 0.0))


def test_the_pointer_stands_at_the_mean_of_the_last_quarter_hour_not_at_a_live_second() -> None:
    stroke = Reading("m", Q_MS + Q_MS // 3, {"active_power": 130_000.0})
    mean = steady(_span(17.5), stroke, 17_500 + 70_000 / 12)
    assert mean is not None
    assert mean[0] == pytest.approx(70.0)
    assert (mean[1].lo, mean[1].hi) == pytest.approx((63_000, 77_000))
    assert bar(*mean, 110).at == pytest.approx(50.0, abs=0.1)
    assert bar(130.0, mean[1], 110).kind == "over"


def test_where_no_quarter_hour_was_closed_lately_there_is_no_mean() -> None:
    assert steady(_span(17.5), Reading("m", 4 * Q_MS, {}), 0.0) is None
    assert steady(Span("m", 0, Q_MS, 0), Reading("m", 1, {}), 0.0) is None


def test_an_alert_that_was_repaired_while_the_page_is_open_loses_its_rates() -> None:
    """The strip of figures is rendered again with the rest of the page."""
    alert: Alert = compressor_alert()
    with PaperPage(alerts=[alert]) as page:
        assert 'id="facts" data-region' in page.ask(f"/alerts/{alert.id}").text
        page.do(lambda: page.book.by_id.update({alert.id: replace(alert, state="closed", closed_reason="fixed", cleared_ms=NOW_MS)}))
        told = read(page, f"/alerts/{alert.id}?lang=en")
    assert "if left" not in told
    assert "at this rate" not in told


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "the expectation frozen before the waste is not kept any more"),
        ({"parent": "f" * 16}, "counted at the alert that explains this one"),
        ({"pattern": "site"}, "counted at the alerts of the single meters"),
        ({"excess_kwh": None}, "no excess to compare with"),
    ],
)
def test_a_repair_whose_saving_is_not_measured_says_why(change: dict[str, object], says: str) -> None:
    alert = replace(compressor_alert(), state="closed", closed_reason="fixed", cleared_ms=NOW_MS, **change)  # type: ignore[arg-type]
    with PaperPage(alerts=[alert]) as page:
        assert says in read(page, f"/alerts/{alert.id}?lang=en")


def test_a_repair_can_be_told_of_what_went_away_by_itself_and_of_nothing_else_that_is_closed() -> None:
    gone = replace(compressor_alert(), state="closed", closed_reason="resolved", cleared_ms=NOW_MS)
    for alert, offered in ((gone, True), (replace(gone, closed_reason="dismissed"), False), (replace(gone, closed_reason="fixed"), False)):
        with PaperPage(alerts=[alert]) as page:
            assert ('data-act="fixed"' in page.ask(f"/alerts/{alert.id}").text) is offered


def test_a_repair_at_a_time_that_cannot_be_is_refused_with_the_times_that_can() -> None:
    alert = compressor_alert()
    with PaperPage(alerts=[alert]) as page:
        for when in ("2026-11-01T08:00", "2026-12-24T08:00"):
            refused = post(page, "fixed", {"note": "x", "repaired": when}, alert.id)
            assert refused.status == 409
            assert refused.json()["message"] == VI.words("err.repair", time="13/11, 22:00")


def test_the_parts_of_a_meters_energy_by_period_add_up_to_the_figure_above() -> None:
    with PaperPage() as page:
        told = read(page, "/meters/compressor-3?lang=en")
    whole = re.search(r"Energy +([\d,]+) +kWh", told)
    parts = re.search(r"normal ([\d,]+) · peak ([\d,]+) · off-peak ([\d,]+) kWh", told)
    assert whole
    assert parts
    assert abs(sum(int(part) for part in parts.groups()) - int(whole[1])) <= 1


def test_waste_of_an_incomer_that_its_feeders_explain_is_listed_as_counted_there() -> None:
    alert = compressor_alert()
    incomer = replace(alert, id="1" * 16, meter="incomer")
    with PaperPage(alerts=[alert, incomer]) as page:
        for path in ("/alerts?lang=en", "/reports?lang=en"):
            told = read(page, path)
            assert told.count("mostly counted with other events") == 1
            assert told.index("Lộ tổng running off-hours") < told.index("mostly counted with other events")
