"""Where waste is drawn: only in hours that an alert of the page tells of. And how a meter in a maintenance window is marked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from driftwatt.alerts import Alert
from processors.pure.maintenance import Maintenance
from processors.pure.outputs import IntervalEnergy
from processors.view import Span
from processors.web import charts
from processors.web.fields import fields
from processors.web.text import Text
from processors.web.words import words
from tests.loop.page_on_paper import PaperPage
from tests.loop.plant_on_paper import NOW_MS, Q_MS, ZONE, PaperStore, at, compressor_alert

EN, VI = Text(words("en"), ZONE), Text(words("vi"), ZONE)
DAY_MS = 96 * Q_MS


def drawn(alert: Alert, page: PaperPage, *, above: float = 3.0) -> list[dict[str, Any]]:
    """The waste of a day on which the meter is above its band all the time."""
    start_ms = at("2026-11-18 00:00")
    store = PaperStore(page.clock)
    expected = tuple(store.expected(alert.meter, start_ms, start_ms + DAY_MS))
    high = [(point.start_ms, (point.hi + 1000 * above) / 4) for point in expected]
    intervals = tuple(IntervalEnergy(alert.meter, "15m", t_ms, t_ms + Q_MS, wh) for t_ms, wh in high)
    return charts.events(page.view, Span(alert.meter, start_ms, start_ms + DAY_MS, 0, intervals=intervals, expected=expected), alert)


def window(meter: str) -> Maintenance:
    return Maintenance("f" * 16, (meter,), NOW_MS - 1, NOW_MS + DAY_MS, "thay vòng bi", "minh", NOW_MS)


def clocks(parts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(EN.clock(part["from"]), EN.clock(part["to"])) for part in parts]


def test_an_alert_of_the_off_hours_colours_no_hour_of_a_shift_and_one_of_running_hours_no_night() -> None:
    alert = compressor_alert()
    with PaperPage() as page:
        assert clocks(drawn(alert, page)) == [("00:00", "06:00"), ("22:00", "00:00")]
        assert clocks(drawn(replace(alert, pattern="running_hours"), page)) == [("06:00", "22:00")]
        assert clocks(drawn(replace(alert, pattern="total"), page)) == [("00:00", "00:00")]


def test_a_meter_in_its_maintenance_window_is_marked_with_a_sign_and_a_word_wherever_its_tile_stands() -> None:
    with PaperPage() as page:
        page.book.windows = {"w": window("compressor-1")}
        for text, word in ((EN, "Maintenance"), (VI, "Bảo trì")):
            table = fields(page.view, text)
            assert (table["t.compressor-1.state"], table["t.compressor-1.tag"]) == ("shut", word)
            assert word in str(table["t.compressor-1.label"])
            assert table["t.compressor-2.state"] == "good"
        for path in ("/", "/?wall=1", "/meters"):
            told = page.ask(path).text
            assert 'id="s-shut"' in told
            assert 'href="#s-shut"' in told


def test_waste_that_somebody_still_has_to_see_stays_orange_in_a_window_and_says_that_it_runs() -> None:
    with PaperPage() as page:
        page.book.windows = {"w": window("compressor-3")}
        table = fields(page.view, VI)
    assert (table["t.compressor-3.state"], table["t.compressor-3.tag"]) == ("waste", "Bảo trì")
