"""`driftwatt process` as people start it: a broker, an edge played by the test, real files, real signals."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from driftwatt.clock import SystemClock, utc_day
from driftwatt.readings import Reading
from driftwatt.topics import topic
from driftwatt.wire import Ack, EdgeLedger, EdgeState, EpochSpan, Hello, HelloMeter, LedgerLine, from_bytes, live_bytes, row_bytes, to_bytes
from processors.status import plant_ledger, plant_status
from tests.support.daemons import Daemon, Peer, running, write_plant
from tests.support.plant_bench import EPOCH, data, reading
from tests.support.store_eyes import empty_of_readings


@pytest.fixture
def broker() -> Iterator[str]:
    with running("broker", "--listen", "127.0.0.1:0") as daemon:
        yield daemon.line().rpartition(" ")[2]


def page_of(daemon: Daemon) -> str:
    line = daemon.line()
    assert line.startswith("page: "), (line, daemon.errors)
    return line.removeprefix("page: ")


def test_readings_reach_the_store_and_the_books_and_the_daemon_leaves_cleanly(tmp_path: Path, broker: str) -> None:
    file = write_plant(tmp_path, broker)
    now_ms = SystemClock().now_ms()
    day = utc_day(now_ms - 5000)
    with running("process", str(file)) as daemon, closing(Peer(broker, topic("hall-a", "ack"))) as edge:
        page = page_of(daemon)
        hello = Hello("hall-a", "1", 0, "", "ok", (EpochSpan(EPOCH, 1, 0),), (HelloMeter("m1", "line-1", "p", "h", 1000),))
        edge.publish(topic("hall-a", "hello"), to_bytes(hello), retain=True)
        assert from_bytes(Ack, edge.heard()[1]).upto == 0
        edge.publish(topic("hall-a", "state"), to_bytes(EdgeState("hall-a", online=True)), retain=True)
        rows = [reading("m1", now_ms - 5000 + at) for at in range(3)]
        first = data(1, rows)
        edge.publish(first.topic, first.payload)
        ack = from_bytes(Ack, edge.heard()[1])
        assert (ack.epoch, ack.upto) == (EPOCH, 3)
        ledger = EdgeLedger("hall-a", (LedgerLine("m1", day, polled=4, failed={"timeout": 1}, committed=3, stored=3),))
        edge.publish(topic("hall-a", "ledger"), to_bytes(ledger), retain=True)
        last = data(4, [reading("m9", now_ms)])
        edge.publish(last.topic, last.payload)
        assert from_bytes(Ack, edge.heard()[1]).upto == 4
        edge.publish(topic("hall-a", "live"), live_bytes("hall-a", [row_bytes(Reading("m1", now_ms + 1, {"active_power": 9.0}))]))
        with urllib.request.urlopen(page + "healthz") as answer:
            assert answer.status == 200
        assert plant_status(file)["running"]
        assert daemon.end() == 0
    assert "Traceback" not in "".join(daemon.errors)
    status = plant_status(file)
    assert not status["running"]
    assert status["quarantine"]["n"] == 1
    lines = {line["meter"]: line for line in plant_ledger(file)}
    line = lines["m1"]
    assert [line[key] for key in ("polled", "committed", "stored", "waiting", "in_store")] == [4, 3, 3, 0, 3]
    assert lines["-"]["quarantined"] == 1
    (store,) = tmp_path.rglob("store.sqlite3")
    empty_of_readings(store)
    assert [line["missing"] for line in plant_ledger(file) if line["meter"] == "m1"] == [3]
    write_plant(tmp_path, broker, store='kind = "sqlite"\nraw_retention = "1s"')
    assert "missing" not in next(line for line in plant_ledger(file) if line["meter"] == "m1"), "what is past its keeping is not missed"


def test_a_second_processor_on_the_same_folder_is_refused(tmp_path: Path, broker: str) -> None:
    file = write_plant(tmp_path, broker)
    with running("process", str(file)) as first:
        page_of(first)
        with running("process", str(file)) as second:
            assert second.process.wait(30) == 2
            assert first.end() == 0
    assert "another processor is using this folder" in "".join(second.errors)


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file = write_plant(tmp_path, "mqtt://127.0.0.1:1", web=port)
        with running("process", str(file)) as daemon:
            assert daemon.process.wait(30) == 1
            daemon.end()
    assert "".join(daemon.errors).strip() == f"driftwatt: the page cannot listen on 127.0.0.1:{port}: address already in use"


def test_the_page_is_up_and_says_so_while_the_broker_is_away(tmp_path: Path) -> None:
    file = write_plant(tmp_path, "mqtt://127.0.0.1:1")
    with running("process", str(file)) as daemon:
        with urllib.request.urlopen(page_of(daemon) + "api/v1/live") as answer:
            assert answer.status == 200
        assert daemon.end() == 0


def test_a_history_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    history = tmp_path / "nowhere.jsonl"
    with running("process", str(write_plant(tmp_path, "mqtt://127.0.0.1:1")), "--history", str(history)) as daemon:
        assert daemon.process.wait(60) == 2
        daemon.end()
    said = "".join(daemon.errors)
    assert f"driftwatt: {history}: history cannot be read" in said
    assert "Traceback" not in said


def test_an_unreachable_broker_is_told_once_with_its_reason(tmp_path: Path) -> None:
    with running("process", str(write_plant(tmp_path, "mqtt://127.0.0.1:1"))) as daemon:
        page_of(daemon)
        time.sleep(2.5)
        assert daemon.end() == 0
    said = [line for line in daemon.errors if "broker 127.0.0.1:1" in line]
    assert len(said) == 1
    assert "cannot be reached: connection refused; trying again" in said[0]


def test_history_is_imported_once_and_faulty_lines_are_set_aside(tmp_path: Path, broker: str) -> None:
    file, history = write_plant(tmp_path, broker), tmp_path / "history.jsonl"
    start_ms = SystemClock().now_ms() - 2 * 86_400_000
    lines = [row_bytes(reading("m1", start_ms + at * 900_000, 1000.0, 1e6 + at * 250.0)) for at in range(96)]
    lines += [b"{not json", row_bytes(reading("m9", start_ms)), b""]
    history.write_bytes(b"\n".join(lines))
    for _ in range(2):
        with running("process", str(file), "--history", str(history), "--once") as daemon:
            page_of(daemon)
            assert daemon.process.wait(60) == 0
    totals = [line for line in plant_ledger(file, 10) if line["meter"] == "m1"]
    assert sum(line["imported"] for line in totals) == sum(line["in_store"] for line in totals) == 96
    assert plant_status(file)["quarantine"]["n"] == 2
    assert json.loads((tmp_path / "data/plant-bench/status.json").read_text())["role"] == "plant"
