"""The wall screen in a real browser: whatever the plant's size it fits, without scrolling, and what is abnormal stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.test_page import CHROMIUM, CLIPPED, browser, opened, until  # noqa: F401 – the fixture
from tests.loop import plant_on_paper
from tests.loop.page_on_paper import PaperPage

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: install it or set DRIFTWATT_CHROMIUM")

FITS = "document.body.getBoundingClientRect().bottom <= innerHeight + 1 && document.documentElement.scrollHeight <= innerHeight + 1"
SHOWN = "[...document.querySelectorAll('.areas .tile')].filter((e) => e.getClientRects().length).length"


@pytest.fixture
def eighty_eight_meters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight plants of eleven feeders in one, the new ones spread over nine areas more."""
    meters, areas = plant_on_paper.METERS, plant_on_paper.AREAS
    for n in range(11, 88):
        name, _, *rest = meters[plant_on_paper.FEEDERS[n % 11]]
        monkeypatch.setitem(areas, f"area-{n % 9}", f"Khu {n % 9}")
        monkeypatch.setitem(meters, f"more-{n}", (f"{name} · {n}", f"area-{n % 9}", *rest))
    monkeypatch.setattr(plant_on_paper, "FEEDERS", tuple(meter for meter in meters if meter != "incomer"))


def test_twelve_meters_stand_on_the_wall_whole(browser: Any) -> None:  # noqa: F811
    with PaperPage() as page:
        tab = opened(browser, page, "/?wall=1", width=1920, height=1080)
        until(tab, FITS)
        assert tab.evaluate(SHOWN) == 12
        assert tab.evaluate(CLIPPED) == []


@pytest.mark.usefixtures("eighty_eight_meters")
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160), (1280, 720)])
@pytest.mark.parametrize("lang", ["vi", "en"])
def test_many_meters_fold_and_the_wasting_one_stays(browser: Any, width: int, height: int, lang: str) -> None:  # noqa: F811
    with PaperPage(file=plant_on_paper.plant_file()) as page:
        tab = opened(browser, page, "/?wall=1", width=width, height=height, lang=lang)
        until(tab, FITS)
        assert tab.evaluate(CLIPPED) == []
        assert tab.locator(".tile[data-state=waste]").is_visible()
        assert tab.evaluate(SHOWN) < 88
        assert tab.locator(".fold:visible").count() >= 1
        assert tab.problems == []


def test_a_meter_that_goes_wrong_comes_out_of_its_fold(browser: Any) -> None:  # noqa: F811
    with PaperPage() as page:
        tab = opened(browser, page, "/?wall=1", width=1610, height=1002)
        until(tab, FITS)
        hidden = "document.querySelector('.areas .tile[hidden]')"
        until(tab, f"!!{hidden}")
        tab.evaluate(f"{hidden}.id = 'sick'; document.getElementById('sick').dataset.state = 'fault'")
        until(tab, "!document.getElementById('sick').hidden")
        until(tab, FITS)
