"""Maintenance windows over their whole way: set and ended on the page, kept through restarts, followed by states that are made again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from driftwatt.errors import Refused
from processors.pure.maintenance import Maintenance
from processors.rebuilding import at_once, rebuild
from tests.loop.page_on_paper import Answer, PaperPage
from tests.loop.test_rebuild import DAY, START, course, messages, take
from tests.loop.test_web_routes import cookie_and_token
from tests.support.plant_bench import bench

HOUR = 3_600_000
WINDOW = Maintenance("b" * 16, ("m1",), START + DAY, START + 2 * DAY, "đại tu", "minh", START + DAY)


@pytest.fixture
def page() -> Iterator[PaperPage]:
    with PaperPage() as running:
        yield running


def post(page: PaperPage, path: str, content: object) -> Answer:
    return page.ask(f"/api/v1/maintenance{path}", method="POST", body=json.dumps(content).encode(), headers=cookie_and_token(page))


def asked(**content: object) -> dict[str, object]:
    return {"meters": ["compressor-3"], "from": "2026-11-20T06:00", "to": "2026-11-20T18:00", "reason": "thay van"} | content


def test_a_window_set_on_the_page_is_listed_in_plant_time_and_taken_back(page: PaperPage) -> None:
    set_one = post(page, "", asked())
    assert set_one.status == 200
    told = set_one.json()
    assert (told["from"], told["to"]) == ("2026-11-19T23:00:00.000Z", "2026-11-20T11:00:00.000Z")
    assert (told["meters"], told["reason"], told["by"]) == (["compressor-3"], "thay van", "local")
    assert page.ask("/api/v1/maintenance").json()["windows"] == [told]
    assert "thay van" in page.ask("/maintenance?lang=vi").text
    assert "Take back" in page.ask("/maintenance?lang=en").text
    back = post(page, f"/{told['id']}/end", {}).json()
    assert (back["to"], back["ended_by"]) == (told["from"], "local")
    assert post(page, f"/{told['id']}/end", {}).status == 409
    assert "Take back" not in page.ask("/maintenance?lang=en").text


def test_a_window_of_an_area_means_its_meters_and_the_tile_says_that_it_runs(page: PaperPage) -> None:
    running = post(page, "", asked(meters=[], area="hall-a", **{"from": "2026-11-19T22:47", "to": "2026-11-20T02:00"})).json()
    assert len(running["meters"]) > 1
    assert "maintenance window running" in page.ask("/?lang=en").text
    assert '"shutdowns":[{' in page.ask(f"/meters/{running['meters'][0]}").text
    assert "End now" in page.ask("/maintenance?lang=en").text


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"meters": ["nobody"]}, 400, "bad_request"),
        ({"meters": "compressor-3"}, 400, "bad_request"),
        ({"from": "tomorrow"}, 400, "bad_request"),
        ({"from": None}, 400, "bad_request"),
        ({"to": "9999-12-31T23:59"}, 400, "bad_request"),
        ({"reason": 7}, 400, "bad_request"),
        ({"reason": "x" * 501}, 400, "bad_request"),
        ({"meters": [], "area": "nowhere"}, 409, "nobody"),
        ({"reason": " "}, 409, "reason"),
        ({"from": "2026-11-18T06:00"}, 409, "past"),
        ({"to": "2026-11-20T05:00"}, 409, "order"),
        ({"to": "2027-06-20T05:00"}, 409, "long"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_its_reason(page: PaperPage, wrong: dict[str, object], status: int, code: str) -> None:
    answer = post(page, "", asked(**wrong))
    assert (answer.status, answer.json()["error"]) == (status, code)
    assert not page.book.windows


def test_nobody_sets_a_window_without_the_page_or_the_role() -> None:
    with PaperPage() as page:
        assert page.ask("/api/v1/maintenance", method="POST", body=b"{}").status == 403
        assert post(page, "/zzz/end", {}).status == 404
        assert post(page, f"/{'0' * 16}/end", {}).status == 404


def test_windows_are_kept_and_followed_by_the_next_life_of_the_processor(tmp_path: Path) -> None:
    async def live() -> None:
        first, _ = bench(tmp_path, ("m1", "m2"))
        await first.begin()
        await first.people.plan(WINDOW)
        await first.people.plan(replace(WINDOW, id="c" * 16, meters=("m2",)))
        await first.people.end_plan("c" * 16, by="an", at_ms=START + DAY + HOUR)
        second, _ = bench(tmp_path, ("m1", "m2"))
        await second.begin()
        assert sorted(each.id[0] for each in second.people.maintenance()) == ["b", "c"]
        assert second.judge.policies["m1"].calendar.closed(START + DAY, START + DAY + 1)
        assert second.judge.policies["m2"].calendar.closed_windows[0].to_ms == START + DAY + HOUR
        with pytest.raises(Refused):
            await second.people.end_plan("c" * 16, by="an", at_ms=START + 2 * DAY)
        with pytest.raises(KeyError):
            await second.people.end_plan("d" * 16, by="an", at_ms=START)

    asyncio.run(live())


def test_a_state_made_again_from_any_snapshot_is_the_running_one_although_windows_were_set_on_the_way(tmp_path: Path) -> None:
    async def live() -> list[bool]:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        rows = course(4.0)
        before = [row for row in rows if row.t_ms < WINDOW.from_ms]
        inside = [row for row in rows if WINDOW.from_ms <= row.t_ms < START + DAY + 9 * HOUR + 17 * 60_000]
        after = rows[len(before) + len(inside) :]
        await take(pipeline, messages(before))
        await pipeline.people.plan(WINDOW)
        await take(pipeline, messages(inside, first=100))
        await pipeline.people.end_plan(WINDOW.id, by="an", at_ms=inside[-1].t_ms)
        await take(pipeline, messages(after, first=200))
        starts = (0, START + DAY + 1, START + 2 * DAY + 1, None)
        return [(await rebuild(pipeline, "m1", from_ms=from_ms, between=at_once, compare=True)).equal for from_ms in starts]

    assert asyncio.run(live()) == [True] * 4
