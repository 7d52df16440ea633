"""SIGHUP: the plant follows its file while it runs, or stays as it was and says so."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector.status_cli import balanced
from config.loader import load_plant
from driftwatt.clock import SystemClock
from driftwatt.errors import ConfigError, ConfigErrors
from driftwatt.topics import topic
from driftwatt.wire import Ack, EpochSpan, Hello, HelloMeter, from_bytes, to_bytes
from processors.rereading import read_again
from processors.status import plant_ledger, plant_status
from processors.web.sessions import Account, Sessions, hash_password
from tests.support.daemons import Peer, running, write_plant
from tests.support.plant_bench import EPOCH, data, reading


def until(seen: Callable[[], Any], within_s: float = 20) -> Any:
    end_s = time.monotonic() + within_s
    while not (found := seen()):
        assert time.monotonic() < end_s, "it did not come"
        time.sleep(0.1)
    return found


def alarms(file: Path) -> dict[str, str]:
    return {alarm["code"]: alarm["text"] for alarm in plant_status(file).get("alarms", ())}


def test_a_meter_listed_at_run_time_gets_its_rows_and_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    now_ms = SystemClock().now_ms()
    with running("broker", "--listen", "127.0.0.1:0") as broker:
        address = broker.line().rpartition(" ")[2]
        file = write_plant(tmp_path, address)
        first = file.read_text()
        with running("process", str(file)) as daemon, closing(Peer(address, topic("hall-a", "ack"))) as edge:
            page = daemon.line().removeprefix("page: ")

            def names() -> dict[str, str]:
                with urllib.request.urlopen(page + "api/v1/meters") as answer:
                    said = json.load(answer)
                rows = said["meters"] if isinstance(said, dict) else said
                return {row["id"]: row["name"] for row in rows}

            said = tuple(HelloMeter(meter, "line-1", "p", "h", 1000) for meter in ("m1", "m9"))
            edge.publish(
                topic("hall-a", "hello"), to_bytes(Hello("hall-a", "1", 0, "", "ok", (EpochSpan(EPOCH, 1, 0),), said)), retain=True
            )
            assert from_bytes(Ack, edge.heard()[1]).upto == 0
            message = data(1, [reading("m9", now_ms - 1000 * at) for at in range(4)])
            edge.publish(message.topic, message.payload)
            assert from_bytes(Ack, edge.heard()[1]).upto == 4
            until(lambda: plant_status(file)["quarantine"]["n"] == 4)

            file.write_text(first + '[[meter]]\nid = "m9"\nnaem = "Oven"\n')
            daemon.process.send_signal(signal.SIGHUP)
            wrong = until(lambda: alarms(file).get("config_invalid"))
            assert "nothing was changed" in wrong
            assert "naem" in wrong
            assert set(names()) == {"m1", "m2"}
            assert plant_status(file)["quarantine"]["n"] == 4

            renamed = first.replace('name = "Chiller"', 'name = "Chiller two"').replace(
                'kind = "sqlite"', 'kind = "sqlite"\nraw_retention = "30d"'
            )
            file.write_text(renamed + '[[meter]]\nid = "m9"\nname = "Oven"\nct_ratio = 40.0\n')
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: plant_status(file)["quarantine"]["n"] == 0)
            until(lambda: names() == {"m1": "Compressor", "m2": "Chiller two", "m9": "Oven"})
            told = until(lambda: alarms(file).get("restart_needed"))
            assert told.endswith("after a restart: store")
            assert "config_invalid" not in alarms(file)
            later = data(5, [reading("m9", now_ms + 1)])
            edge.publish(later.topic, later.payload)
            assert from_bytes(Ack, edge.heard()[1]).upto == 5
            assert daemon.end() == 0
        assert "Traceback" not in "".join(daemon.errors)
    ledger = {line["meter"]: line for line in plant_ledger(file)}
    assert (ledger["m9"]["stored"], ledger["m9"]["in_store"], ledger["m9"]["quarantined"]) == (5, 5, 0)
    assert all(balanced(line) for line in ledger.values())


def test_what_is_bound_at_the_start_stays_and_is_named(tmp_path: Path) -> None:
    file = write_plant(tmp_path, "mqtt://127.0.0.1:1")
    before = load_plant(file)
    text = file.read_text().replace("Asia/Ho_Chi_Minh", "Europe/London").replace('"127.0.0.1:', '"127.0.0.2:').replace("Bench", "Other")
    file.write_text(text)
    fresh = read_again(file, before, now_ms=0)
    assert fresh.waiting == ("plant.timezone", "web.listen")
    assert (fresh.plant.plant.timezone, fresh.plant.web.listen) == (before.plant.timezone, before.web.listen)
    assert fresh.plant.plant.name == "Other"
    assert str(fresh.policies["m1"].zone) == "Asia/Ho_Chi_Minh"


def test_a_page_that_is_open_to_the_network_does_not_lose_its_last_user_by_a_signal(tmp_path: Path) -> None:
    file = write_plant(tmp_path, "mqtt://127.0.0.1:1")
    before = load_plant(file)
    wide = before.model_copy(update={"web": before.web.model_copy(update={"listen": "0.0.0.0:8080"})})
    with pytest.raises((ConfigError, ConfigErrors), match="without sign-in"):
        read_again(file, wide, now_ms=0)


def test_people_who_are_gone_or_changed_are_signed_out_and_the_others_stay() -> None:
    stays, goes, rises = (Account(name, "viewer", hash_password(name)) for name in ("an", "binh", "chi"))
    sessions = Sessions([stays, goes, rises])
    cookies = {name: sessions.sign_in(name, name, "here", 0) or "" for name in ("an", "binh", "chi")}
    sessions.follow([stays, Account("chi", "operator", rises.password)])
    assert {name: sessions.person(cookie).name for name, cookie in cookies.items()} == {"an": "an", "binh": "", "chi": ""}
    again = sessions.sign_in("chi", "chi", "here", 0)
    assert again is not None
    assert sessions.person(again).role == "operator"
    assert sessions.sign_in("binh", "binh", "here", 0) is None
