"""The live stream: the whole table first, then what changed, within a second; capped, and over when the server stops."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from processors.web.hub import MAX_PER_ADDRESS
from tests.loop.page_on_paper import PaperPage


class Listener:
    """One tab."""

    def __init__(self, page: PaperPage, lang: str = "en") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
        self.connection.request("GET", f"/api/v1/events?lang={lang}", headers={"Accept-Encoding": "gzip"})
        self.answer = self.connection.getresponse()

    def next(self) -> tuple[str, dict[str, Any]]:
        name = ""
        while True:
            line = self.answer.fp.readline().decode().strip()
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))

    def until(self, key: str, seconds: float = 5.0) -> tuple[str, float]:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            _, table = self.next()
            if key in table:
                return table[key], time.monotonic() - began
        raise AssertionError(f"{key} never came")

    def close(self) -> None:
        self.connection.close()
        self.answer.close()


def test_a_tab_gets_everything_first_and_then_only_changes() -> None:
    with PaperPage() as page:
        tab = Listener(page)
        assert tab.answer.getheader("content-type", "").startswith("text/event-stream")
        assert tab.answer.getheader("content-encoding") is None
        name, table = tab.next()
        assert name == "all"
        assert table["t.office.u"] == "kW"
        page.do(lambda: page.board.says("office", 9.9))
        value, took = tab.until("t.office.v")
        assert value == "9.9"
        assert took < 1.5
        tab.close()


def test_each_tab_is_told_in_its_language() -> None:
    with PaperPage() as page:
        tabs = [Listener(page, lang) for lang in ("vi", "en")]
        for tab in tabs:
            tab.next()
        page.do(lambda: page.board.says("office", 12.3))
        assert [tab.until("t.office.v")[0] for tab in tabs] == ["12,3", "12.3"]
        for tab in tabs:
            tab.close()


def test_streams_of_one_address_are_capped() -> None:
    with PaperPage() as page:
        tabs = [Listener(page) for _ in range(MAX_PER_ADDRESS)]
        for tab in tabs:
            tab.next()
        extra = Listener(page)
        assert extra.answer.status == 503
        assert extra.answer.getheader("retry-after")
        for tab in (*tabs, extra):
            tab.close()


def test_other_sites_may_not_listen() -> None:
    with PaperPage() as page:
        assert page.ask("/api/v1/events", headers={"Sec-Fetch-Site": "cross-site"}).status == 403


def test_an_answer_changes_the_revision_that_tabs_watch() -> None:
    with PaperPage() as page:
        tab = Listener(page)
        _, first = tab.next()
        alert = next(iter(page.book.by_id.values()))

        def close_it() -> None:
            from dataclasses import replace

            page.book.by_id[alert.id] = replace(alert, state="acked", updated_ms=alert.updated_ms + 1)
            page.board.tell("alerts")

        page.do(close_it)
        revision, _ = tab.until("alerts.rev")
        assert revision != first["alerts.rev"]
        tab.close()


def test_the_server_stops_although_a_tab_listens() -> None:
    page = PaperPage().__enter__()
    tab = Listener(page)
    tab.next()
    began = time.monotonic()
    page.__exit__(None, None, None)
    assert time.monotonic() - began < 5
    tab.close()
