"""What people read of a meter beside its first twelve months: its page, the monthly report and its object, the page of an analysis."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html import unescape
from pathlib import Path

import pytest

from driftwatt.__main__ import main
from processors.adapters.folder import Folder
from processors.adapters.sqlite import SqliteStore
from processors.adapters.state import SqliteState
from processors.pure import engine
from processors.pure.commit import Commit
from processors.pure.detector import DetectorState
from processors.pure.energy_state import Energy
from processors.pure.event_lines import iso
from processors.pure.memory import Memory
from processors.pure.playback import WeekCalendar
from processors.report import Wish, as_object, write
from tests.loop.page_on_paper import PaperPage
from tests.loop.plant_on_paper import NOW_MS, PaperClock, at
from tests.support.daemons import write_plant
from tests.support.loads import SETTINGS, Load, step, watch

METER = "compressor-3"
FIRST_MS = at("2025-09-08 00:00")


@cache
def remembered(days: int) -> DetectorState:
    """Return the state of a meter with 3 kW more since its 400th day."""
    return watch(
        Load(7, quarters=4).intervals(days, step(3.0, 400), first_ms=FIRST_MS), replace(SETTINGS, calendar=WeekCalendar(), band=False)
    )[0]


def sentence(days: int, lang: str) -> str:
    with PaperPage() as page:
        page.view.memory = lambda meter: remembered(days).memory if meter == METER else None
        text = page.ask(f"/meters/{METER}?lang={lang}").text
        assert "yr." not in text
    found = re.search(r'<p class="pad specific"><b>([^<]*)</b> ([^<]*)</p>', text)
    assert found is not None
    return unescape(f"{found[1]}: {found[2]}").replace("\u00a0", " ")


def test_the_page_of_a_meter_says_what_changed_since_last_year_with_its_band() -> None:
    told = sentence(438, "en")
    assert re.fullmatch(
        r"Since last year: \+\d\.\d kW ± \d\.\d \(\+\d+%\), ≈ [\d,]+ kWh, ≈ \d\.\d million VND a month · base load \+\d\.\d kW ± \d\.\d"
        r" · last 28 days against 8 Sep 2025 – 7 Sep 2026",
        told,
    ), told


def test_it_says_so_in_vietnamese_too() -> None:
    told = sentence(438, "vi")
    assert told.startswith("So với năm ngoái: +")
    assert told.endswith("28 ngày gần nhất so với 08/09/2025 – 07/09/2026")


def test_before_twelve_months_are_known_the_page_says_from_when_on() -> None:
    assert sentence(120, "en") == "Since last year: from 27 Sep 2026 on; until then the first year is being recorded"
    with PaperPage() as page:
        assert "Since last year" not in page.ask(f"/meters/{METER}?lang=en").text


def test_from_the_third_year_on_the_first_one_is_not_called_last_year() -> None:
    assert sentence(800, "en").startswith("Since the first year: +")


def test_the_monthly_report_has_a_row_for_each_meter_that_can_be_compared() -> None:
    with PaperPage() as page:
        page.view.memory = lambda meter: remembered(438).memory if meter == METER else None
        text = page.ask("/reports?month=2026-11&lang=en").text
        assert text.count("Since last year") == 1
        page.view.memory = lambda _: remembered(438).memory
        table = page.ask("/reports?month=2026-11&lang=en").text.partition("Since last year")[2].partition("</tbody>")[0]
        assert table.count("<tr") == 1 + 6
        page.view.memory = lambda _: None
        assert "Since last year" not in page.ask("/reports?month=2026-11&lang=en").text
        page.view.memory = lambda _: Memory()
        assert "Since last year" not in page.ask("/reports?month=2026-11&lang=en").text


def test_a_report_from_beside_reads_it_from_the_kept_state_and_one_that_cannot_be_read_has_none(tmp_path: Path) -> None:
    file = write_plant(tmp_path, "mqtt://127.0.0.1:1")
    folder = Folder(tmp_path / "data" / "plant-bench")
    store, state = SqliteStore(folder.store), SqliteState(folder.state)
    kept = engine.parts(engine.State("m1", Energy(), remembered(438)))
    state.commit(Commit(parts={("m1", name): data for name, data in kept.items()} | {("m2", "energy"): b"of another version"}))
    try:
        found = {each["meter"]: each["since_last_year"] for each in as_object(file, Wish("2026-11"), clock=PaperClock(NOW_MS))["meters"]}
        assert found["m2"] is None
        assert found["m1"]["delta_kw_lo"] < 3.0 < found["m1"]["delta_kw_hi"]
        assert found["m1"]["to"] == "2026-11-18"
        (page,) = write(file, Wish("2026-11", "en"), tmp_path / "r.html", clock=PaperClock(NOW_MS))
        assert "Since last year" in page.read_text(encoding="utf-8")
        assert {each["since_last_year"] for each in as_object(file, Wish("2026-06"), clock=PaperClock(NOW_MS))["meters"]} == {None}
    finally:
        for each in (store, state, folder):
            each.close()


@pytest.mark.parametrize(("lang", "heading"), [("en", "Since last year"), ("vi", "So với năm ngoái")])
def test_the_page_of_an_analysis_has_a_row_a_month(lang: str, heading: str, tmp_path: Path) -> None:
    rows = "".join(f"{iso(each.start_ms)},{each.import_wh / 1000:.4g}\n" for each in Load(7, quarters=4).intervals(440, first_ms=FIRST_MS))
    csv = tmp_path / "m.csv"
    csv.write_text("timestamp,value\n" + rows, encoding="utf-8")
    out = ["--out", str(tmp_path / "m.jsonl"), "--html", str(tmp_path), "--lang", lang, "--tariff", "vn-2025-manufacturing-22-110kv"]
    assert main(["analyse", str(csv), *out]) == 0
    page = (tmp_path / "m.html").read_text(encoding="utf-8")
    table = page.partition(f"<h2>{heading}</h2>")[2].partition("</table>")[0]
    assert table.count("<tr>") == 1 + (tmp_path / "m.jsonl").read_text(encoding="utf-8").count('"type":"yearly"') > 2
    assert "—" not in table
