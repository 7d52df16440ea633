"""The page in a real browser: it lives, people can act, nothing is cut, everything is readable, nothing calls out."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.loop.page_on_paper import PaperPage
from tests.loop.plant_on_paper import NOW_MS, WASTE_SINCE_MS, compressor_alert

CHROMIUM = os.environ.get("DRIFTWATT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: install it or set DRIFTWATT_CHROMIUM")

ALERT = compressor_alert().id
PATHS = {
    "reports": "/reports?month=2026-10",
    "overview": "/",
    "meters": "/meters",
    "meter, day": "/meters/compressor-3",
    "meter, week": "/meters/furnace-1?range=week",
    "maintenance": "/maintenance?meter=compressor-3",
    "inbox": "/alerts?tab=all",
    "alert": f"/alerts/{ALERT}",
    "nothing found": "/meters/nobody",
}

OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const beyond = [...document.querySelectorAll('main *, header *')].filter((e) => {
    const r = e.getBoundingClientRect(), s = getComputedStyle(e);
    if (!r.width || !r.height || s.position === 'fixed' || e.closest('.tabs, .scroll, .scroll-x, svg, .sr, .u-wrap')) return false;
    return r.right > innerWidth + 0.5 || r.left < -0.5;
  }).map((e) => e.tagName + '.' + e.className);
  return {wide, beyond: beyond.slice(0, 5)};
}"""

CLIPPED = """() => [...document.querySelectorAll('body *')].filter((e) => {
  if (e.closest('svg, .uplot, .sr, .sprite, .tabs, .scroll, .scroll-x, .skip')) return false;
  if (e.closest('dialog:not([open]), details:not([open]) > :not(summary)')) return false;
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || !e.clientWidth || getComputedStyle(e).display.startsWith('inline')) return false;
  return e.scrollWidth > e.clientWidth + 1 || (getComputedStyle(e).overflow !== 'visible' && e.scrollHeight > e.clientHeight + 1);
}).map((e) => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 40)}`)"""

CONTRAST = """() => {
  const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const lum = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const rgb = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const ground = (e) => {
    for (let n = e; n; n = n.parentElement) {
      const c = rgb(getComputedStyle(n).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('svg, .sprite, .sr, .skip, dialog:not([open]), script') || !e.getClientRects().length) continue;
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const [a, b] = [lum(rgb(getComputedStyle(e).color)), lum(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${ratio.toFixed(2)} ${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 30)}`);
  }
  return bad;
}"""

FOCUS = """() => {
  const e = document.activeElement, s = getComputedStyle(e);
  return [e.className || e.tagName, s.outlineStyle + ' ' + s.outlineWidth];
}"""

UNNAMED = """() => [...document.querySelectorAll('a, button')]
  .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML)"""

SMALL = """() => [...document.querySelectorAll('main a.btn, main button, .sections a, .seg a, .tile, dialog[open] button')].filter((e) => {
  const r = e.getBoundingClientRect(); return r.width && r.height < 43.5 && !e.closest('td');
}).map((e) => `${e.className}: ${e.getBoundingClientRect().height}`)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def page() -> Iterator[PaperPage]:
    with PaperPage() as running:
        yield running


def until(tab: Any, condition: str, *, seconds: float = 5.0) -> None:
    """Ask again until a condition holds (the browser's own waiting evaluates text, which the page forbids)."""
    end = time.monotonic() + seconds
    while not tab.evaluate(condition):
        assert time.monotonic() < end, condition
        tab.wait_for_timeout(30)


def opened(
    browser: Any, page: PaperPage, path: str = "/", *, width: int = 1440, height: int = 900, lang: str = "vi", theme: str = "light"
) -> Any:
    tab = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, locale="vi-VN").new_page()
    tab.problems = []
    tab.asked = []
    tab.on("pageerror", lambda error: tab.problems.append(str(error)))
    tab.on("console", lambda message: tab.problems.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.goto(page.address + path + ("&" if "?" in path else "?") + f"lang={lang}")
    until(tab, "!document.querySelector('[data-chart]') || !!document.querySelector('canvas') || innerWidth < 640")
    return tab


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_nothing_is_asked_of_anybody_else_and_nothing_fails(browser: Any, page: PaperPage, path: str) -> None:
    tab = opened(browser, page, path)
    assert tab.asked
    assert [url for url in tab.asked if not url.startswith(page.address)] == []
    assert [problem for problem in tab.problems if "404" not in problem] == []
    tab.context.close()


@pytest.mark.parametrize("lang", ["vi", "en"])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_at_360_px_nothing_is_wider_than_the_screen_or_cut(browser: Any, page: PaperPage, path: str, lang: str) -> None:
    tab = opened(browser, page, path, width=360, height=780, lang=lang)
    assert tab.evaluate(OVERFLOW) == {"wide": 0, "beyond": []}
    assert tab.evaluate(CLIPPED) == []
    assert tab.evaluate(SMALL) == []
    tab.context.close()


@pytest.mark.parametrize("width", [1440, 1100, 800])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_no_text_is_cut_on_larger_screens(browser: Any, page: PaperPage, path: str, width: int) -> None:
    tab = opened(browser, page, path, width=width, lang="en" if width == 1100 else "vi")
    assert tab.evaluate(OVERFLOW)["wide"] == 0
    assert tab.evaluate(CLIPPED) == []
    tab.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_all_text_has_enough_contrast(browser: Any, page: PaperPage, path: str, theme: str) -> None:
    tab = opened(browser, page, path, theme=theme)
    assert tab.evaluate(CONTRAST) == []
    tab.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_degraded_page_is_as_readable_as_a_good_one(browser: Any, theme: str) -> None:
    def gone(page: PaperPage) -> None:
        then = NOW_MS - 14 * 60_000
        page.board.edges = {name: replace(edge, online=False, since_ms=then, last_ms=then) for name, edge in page.board.edges.items()}
        for n, (meter, now) in enumerate(page.board.meters.items()):
            assert now.reading
            stale = replace(now, reading=replace(now.reading, t_ms=then))
            page.board.meters[meter] = stale if n % 3 else replace(stale, failing_since_ms=then)

    with PaperPage(change=gone) as page:
        for width in (1440, 360):
            tab = opened(browser, page, theme=theme, width=width)
            assert tab.evaluate(CONTRAST) == []
            assert tab.evaluate(CLIPPED) == []
            assert tab.evaluate(OVERFLOW) == {"wide": 0, "beyond": []}
            tab.context.close()


def test_a_live_value_changes_within_a_second_and_a_half(browser: Any) -> None:
    with PaperPage() as page:
        tab = opened(browser, page)
        tab.wait_for_timeout(500)
        page.do(lambda: page.board.says("office", 17.3))
        until(tab, "document.querySelector('[data-text=\"t.office.v\"]').textContent === '17,3'", seconds=1.5)
        assert tab.locator('.tile[href="/meters/office"] .bar').get_attribute("data-kind") == "over"
        tab.context.close()


@pytest.mark.parametrize("width", [1440, 360])
def test_two_taps_acknowledge_and_undo_takes_it_back(browser: Any, width: int) -> None:
    with PaperPage() as page:
        tab = opened(browser, page, width=width)
        tab.locator('#needs-action [data-act="ack"]').click()
        assert tab.locator("#sheet-ack h2").is_visible()
        tab.locator('#sheet-ack [data-reason="checking"]').click()
        tab.locator(".toast").wait_for()
        assert page.book.by_id[ALERT].state == "acked"
        until(tab, "document.querySelector('.tile[href=\"/meters/compressor-3\"]').dataset.state === 'waste_acked'")
        tab.locator(".toast button").click()
        until(tab, "document.querySelector('.tile[href=\"/meters/compressor-3\"]').dataset.state === 'waste'")
        assert page.book.by_id[ALERT].state == "unacked"
        assert [answer.what for answer in page.book.answers] == ["ack", "undo"]
        assert tab.problems == []
        tab.context.close()


def test_an_alert_can_be_shelved_commented_and_fixed_through_sheets(browser: Any) -> None:
    with PaperPage() as page:
        tab = opened(browser, page, f"/alerts/{ALERT}")
        tab.locator('.buttons [data-act="comment"]').click()
        tab.locator("#sheet-comment textarea").fill("đã gọi bảo trì")
        tab.locator('#sheet-comment [data-send="comment"]').click()
        tab.locator("#history", has_text="đã gọi bảo trì").wait_for()
        tab.locator('.buttons [data-act="shelve"]').click()
        tab.locator('#sheet-shelve [data-send="shelve"]').click()
        assert page.book.by_id[ALERT].state == "unacked", "a reason is required"
        tab.locator("#sheet-shelve textarea").fill("chờ nhà thầu")
        tab.locator('#sheet-shelve [data-send="shelve"]').click()
        tab.locator('.buttons [data-act="unshelve"]').click()
        tab.locator('.buttons [data-act="fixed"]').click()
        tab.locator("#sheet-fixed [data-chip]").first.click()
        tab.locator('#sheet-fixed [data-send="fixed"]').click()
        tab.locator("#history", has_text="đã khắc phục").wait_for()
        assert [answer.what for answer in page.book.answers] == ["comment", "shelve", "unshelve", "fixed"]
        assert page.book.answers[1].reason == "", "nobody chose one"
        tab.context.close()


def test_somebody_else_was_first_and_nothing_is_sent_twice(browser: Any) -> None:
    with PaperPage() as page:
        tab = opened(browser, page)
        tab.locator('#needs-action [data-act="ack"]').click()

        def by_another() -> None:
            page.book.by_id[ALERT] = replace(page.book.by_id[ALERT], state="acked", ack_by="Hạnh", ack_at_ms=NOW_MS, ack_reason="known")

        page.do(by_another)
        tab.locator('#sheet-ack [data-reason="checking"]').click()
        tab.locator("#sheet-ack .err", has_text="Hạnh").wait_for()
        assert page.book.answers == []
        tab.context.close()


def test_the_language_can_be_switched_and_is_remembered(browser: Any, page: PaperPage) -> None:
    tab = opened(browser, page)
    tab.locator('.lang a[lang="en"]').click()
    assert tab.locator("html").get_attribute("lang") == "en"
    tab.goto(page.address + "/alerts")
    assert tab.locator("html").get_attribute("lang") == "en"
    assert tab.locator(".sections").inner_text().startswith("Overview")
    tab.context.close()


def test_the_browser_formats_as_the_server_does(browser: Any, page: PaperPage) -> None:
    for lang in ("vi", "en"):
        tab = opened(browser, page, lang=lang)
        text = page.app.state.site.hub.text(lang)
        format_js = f"{page.app.state.site.static}/js/format.js"
        for kw in (0.0, 4.14, 97.83, 684.2, 1234.4, 12_345.0, -3.21):
            told = tab.evaluate(f"import('{format_js}').then((f) => f.power({kw}))")
            assert told == str(text.power(kw))
        for seconds in (0.4, 4, 59, 60, 3599, 7200, 200_000):
            told = tab.evaluate(f"import('{format_js}').then((f) => [f.age({seconds}), f.clock({WASTE_SINCE_MS})])")
            assert told == [text.age(seconds), text.clock(WASTE_SINCE_MS)]
        tab.context.close()


def test_a_page_that_loses_its_server_says_so_and_disables_actions(browser: Any) -> None:
    running = PaperPage()
    page = running.__enter__()
    tab = opened(browser, page, lang="en")
    tab.wait_for_timeout(300)
    running.__exit__(None, None, None)
    tab.locator("#offline b", has_text="Connection lost").wait_for(timeout=10_000)
    assert tab.locator('#needs-action [data-act="ack"]').is_disabled()
    assert tab.locator('#needs-action [data-act="ack"]').get_attribute("title") == "Possible again when connected"
    tab.context.close()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser: Any, page: PaperPage) -> None:
    tab = opened(browser, page)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(40):
        tab.keyboard.press("Tab")
        name, outline = tab.evaluate(FOCUS)
        if name == "BODY":
            break  # once around
        assert outline == "solid 3px", name
        seen.add(name)
    assert {"tile", "btn primary", "chart tall"} <= seen
    tab.keyboard.press("g")
    tab.keyboard.press("a")
    tab.wait_for_url("**/alerts")
    tab.keyboard.press("j")
    assert tab.evaluate("document.activeElement.closest('[data-row]') !== null")
    tab.context.close()


def test_the_cursor_of_a_chart_begins_by_keyboard_at_the_newest_point(browser: Any, page: PaperPage) -> None:
    tab = opened(browser, page, "/meters/compressor-3", lang="en")
    tab.locator('.chart[tabindex="0"]').first.focus()
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_selector("output.tip:not([hidden])")
    assert "22:40" < tab.locator("output.tip").first.inner_text()[:5] <= "22:47"
    tab.context.close()


def test_the_key_a_means_the_alert_in_focus_and_the_sheet_names_it(browser: Any, page: PaperPage) -> None:
    tab = opened(browser, page, "/alerts", lang="en")
    tab.keyboard.press("a")
    assert tab.locator("dialog[open]").count() == 0, "no alert is in focus"
    rows = tab.locator("[data-row]:has([data-act=ack])")
    last = rows.last.locator("a").first.inner_text()
    for _ in range(tab.locator("[data-row]").count()):
        tab.keyboard.press("j")
        if tab.evaluate("document.activeElement.innerText") == last:
            break
    tab.keyboard.press("a")
    assert tab.locator("#sheet-ack [data-about]").inner_text() == last
    tab.keyboard.press("Escape")
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.type") == "search"
    assert tab.url.endswith("/alerts?lang=en")
    tab.context.close()


def test_escape_closes_a_sheet_and_focus_returns(browser: Any, page: PaperPage) -> None:
    tab = opened(browser, page)
    tab.locator('#needs-action [data-act="ack"]').focus()
    tab.keyboard.press("Enter")
    assert tab.locator("#sheet-ack").is_visible()
    tab.keyboard.press("Escape")
    assert not tab.locator("#sheet-ack").is_visible()
    assert tab.evaluate("document.activeElement.dataset.act") == "ack"
    tab.context.close()


def test_a_cold_load_is_small(browser: Any, page: PaperPage) -> None:
    tab = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    sizes: list[int] = []
    tab.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", "0"))))
    tab.goto(page.address + "/?lang=vi")
    tab.wait_for_selector("canvas")
    assert 30_000 < sum(sizes) < 150_000
    tab.context.close()


def test_landmarks_names_and_one_heading(browser: Any, page: PaperPage) -> None:
    for path in PATHS.values():
        tab = opened(browser, page, path)
        assert tab.locator("h1").count() == 1, path
        assert tab.locator("main").count() == 1
        unnamed = tab.evaluate(UNNAMED)
        assert unnamed == []
        tab.context.close()
