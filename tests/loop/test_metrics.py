"""What a monitoring system sees of a running plant, and the rules that we ship for it."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from driftwatt.clock import SystemClock, utc_day
from driftwatt.topics import topic
from driftwatt.wire import Ack, EdgeAlarm, EdgeLedger, EdgeState, EpochSpan, Hello, LedgerLine, from_bytes, to_bytes
from processors import gauges
from processors.gauges import Gauges
from processors.ports import Message
from processors.pure.board import EdgeNow
from processors.pure.books import balanced
from processors.pure.gauges import of_books, of_edges
from processors.status import plant_status
from tests.support.daemons import Peer, running, write_plant
from tests.support.plant_bench import EPOCH, NOW_MS, bench, data, reading

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
LINE = re.compile(r"^(driftwatt_[a-z_]+)(\{[^}]*\})? (\S+)$")


def figures(text: str) -> dict[str, float]:
    found = [LINE.match(line) for line in text.splitlines() if not line.startswith("#")]
    assert all(found), text
    return {f"{each[1]}{each[2] or ''}": float(each[3]) for each in found if each}


def test_every_metric_that_a_rule_names_is_on_the_page_of_a_running_plant(tmp_path: Path) -> None:
    now_ms = SystemClock().now_ms()
    with running("broker", "--listen", "127.0.0.1:0") as broker:
        address = broker.line().rpartition(" ")[2]
        file = write_plant(tmp_path, address)
        with running("process", str(file)) as daemon, closing(Peer(address, topic("hall-a", "ack"))) as edge:
            page = daemon.line().removeprefix("page: ")
            edge.publish(topic("hall-a", "hello"), to_bytes(Hello("hall-a", "1", 0, "", "ok", (EpochSpan(EPOCH, 1, 0),), ())), retain=True)
            assert from_bytes(Ack, edge.heard()[1]).upto == 0
            alarms = (EdgeAlarm("outbox_filling", 0, ""), EdgeAlarm("clock_unsynced", 0, ""))
            edge.publish(topic("hall-a", "state"), to_bytes(EdgeState("hall-a", online=True, hours_left=9.5, alarms=alarms)), retain=True)
            short = LedgerLine("m1", utc_day(now_ms), polled=9, committed=9, stored=9)
            edge.publish(topic("hall-a", "ledger"), to_bytes(EdgeLedger("hall-a", (short,))), retain=True)
            message = data(1, [reading("m1", now_ms), reading("m9", now_ms), reading("m9", now_ms + 1)])
            edge.publish(message.topic, message.payload)
            assert from_bytes(Ack, edge.heard()[1]).upto == 3
            end_s = time.monotonic() + 20
            while [each["hours_left"] for each in plant_status(file).get("edges", ())] != [9.5]:
                assert time.monotonic() < end_s, "the state of the edge was not heard"
                time.sleep(0.1)
            with urllib.request.urlopen(page + "metrics") as answer:
                seen = figures(answer.read().decode())
            assert daemon.end() == 0
    named = set(re.findall(r"\bdriftwatt_[a-z_]+", "\n".join(re.findall(r"expr: (.*)", RULES.read_text(encoding="utf-8")))))
    assert len(named) >= 9
    assert not named - {name.partition("{")[0] for name in seen}
    edge_now = '{edge="hall-a"}'
    assert seen[f"driftwatt_edge_outbox_filling{edge_now}"] == 1
    assert seen[f"driftwatt_edge_outbox_hours_left{edge_now}"] == 9.5
    assert seen[f"driftwatt_edge_clock_ok{edge_now}"] == 0
    assert seen["driftwatt_quarantine_rows"] == 2
    assert seen['driftwatt_books_polls{is="stored"}'] == 1
    assert seen["driftwatt_books_unbalanced"] == 1, "the edge saw nine acknowledged, the plant took one"
    assert seen["driftwatt_store_ok"] == 1


def test_there_is_a_rule_for_everything_that_ends_in_loss_when_nobody_looks() -> None:
    rules = set(re.findall(r"alert: Driftwatt(\w+)", RULES.read_text(encoding="utf-8")))
    assert rules >= {"EdgeSilent", "OutboxFilling", "ClockUnsure", "QuarantineGrowing", "StoreLagging", "BooksUnbalanced"}


def test_edges_and_books_become_figures() -> None:
    now = EdgeNow("hall-a", online=False, since_ms=0, last_ms=4000)
    found = {gauge.name: dict(gauge.rows) for gauge in of_edges([now, replace(now, edge="hall-b", hours_left=3.0)], 10_000)}
    assert found["edge_silent_seconds"] == {'{edge="hall-a"}': 6.0, '{edge="hall-b"}': 6.0}
    assert found["edge_outbox_hours_left"] == {'{edge="hall-b"}': 3.0}
    good = {"polled": 5, "failed": {"timeout": 1}, "committed": 4, "stored": 2, "waiting": 0, "dropped": {"outbox_full": 1}, "thinned": 1}
    bad = {**good, "stored": 3}
    assert (balanced(good), balanced(bad)) == (True, False)
    books = {gauge.name: dict(gauge.rows) for gauge in of_books([good, bad])}
    assert books["books_unbalanced"] == {"": 1}
    assert (books["books_polls"]['{is="dropped"}'], books["books_polls"]['{is="stored"}']) == (2, 5)


def test_books_that_do_not_add_up_twice_raise_an_alarm_that_ends_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "AUDIT_S", 0.02)

    async def until(true: Callable[[], object]) -> None:
        for _ in range(500):
            if true():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("waited in vain")

    async def main() -> None:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        audit = asyncio.create_task(Gauges(pipeline, tmp_path / "state.sqlite3", lambda: (0, 0)).audit_books())
        day = utc_day(NOW_MS)

        def told(wrong: object) -> bool:
            return ("books_unbalanced" in pipeline.standing) == wrong

        for said in (LedgerLine("m1", day, polled=9, committed=9, stored=9), LedgerLine("m1", day)):
            await pipeline.cycle([Message(topic("hall-a", "ledger"), to_bytes(EdgeLedger("hall-a", (said,))))])
            wrong = bool(said.polled)
            await until(partial(told, wrong))
            if wrong:
                assert f"m1 on {day}" in pipeline.standing["books_unbalanced"].text
        audit.cancel()

    asyncio.run(main())
