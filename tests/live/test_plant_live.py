"""The plant against a real mosquitto and a real InfluxDB 1.8."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from driftwatt.clock import SystemClock
from driftwatt.errors import PartialWrite, Refused, Unavailable
from driftwatt.readings import Reading
from driftwatt.topics import topic
from driftwatt.wire import Ack, EpochSpan, Hello, from_bytes, to_bytes
from processors.adapters.influx import InfluxStore, Server
from processors.ports import SeriesStore
from processors.status import plant_ledger
from tests.laws import test_store_laws as laws
from tests.support.daemons import Peer, running, write_plant
from tests.support.plant_bench import EPOCH, data, reading
from tests.support.servers import InfluxServer, mosquitto

T = 1_790_000_000_000
LAWS = [law for name, law in vars(laws).items() if name.startswith("test_")]


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


def store_on(server: InfluxServer, database: str, *, create: bool = True) -> InfluxStore:
    if create:
        server.create(database)
    return InfluxStore(Server(server.url, database), "plant-1")


@pytest.mark.parametrize("law", LAWS, ids=[law.__name__ for law in LAWS])
def test_a_real_influxdb_obeys_the_law_of_stores(influx: InfluxServer, law: Callable[[SeriesStore], None]) -> None:
    with closing(store_on(influx, law.__name__)) as store:
        law(store)


@pytest.mark.parametrize("bad", [0, 4, 9])
def test_a_real_partial_write_is_taken_apart_to_the_one_bad_line(influx: InfluxServer, bad: int) -> None:
    database = f"partial{bad}"
    influx.create(database)
    body = f'readings,meter=m0,site=plant-1 frequency="text" {T}'.encode()  # types are fixed per shard, a week
    urllib.request.urlopen(f"{influx.url}/write?db={database}&precision=ms", body).read()
    points = [Reading("m1", T + at, {"active_power": float(at)}) for at in range(10)]
    points[bad] = Reading("m1", T + bad, {"active_power": 1.0, "frequency": 50.0})
    with closing(store_on(influx, database)) as store:
        with pytest.raises(PartialWrite) as caught:
            store.write_readings(points)
        assert list(caught.value.rejected) == [bad]
        assert "field type conflict" in caught.value.rejected[bad]
        kept = [t_ms - T for t_ms, _, _ in store.readings("m1", "active_power", T, T + 10)]
        assert [at for at in kept if at != bad] == [at for at in range(10) if at != bad]


def test_a_real_server_is_taken_for_what_it_says_and_for_nothing_else(influx: InfluxServer) -> None:
    told = urllib.request.urlopen(f"{influx.url}/ping").headers["X-Influxdb-Version"]
    with closing(store_on(influx, "auto")) as store:
        assert store.generation() == ("1" if told.lstrip("v").startswith("1.") else ""), told


def test_a_missing_database_holds_everything(influx: InfluxServer) -> None:
    with closing(store_on(influx, "nowhere", create=False)) as store, pytest.raises(Refused):
        store.write_readings([Reading("m1", T, {"active_power": 1.0})])


def test_what_was_answered_survives_a_kill_of_the_database(tmp_path: Path) -> None:
    server = InfluxServer(tmp_path)
    server.start()
    try:
        with closing(store_on(server, "plant")) as store:
            points = [Reading("m1", T + at, {"active_power": float(at)}) for at in range(2000)]
            store.write_readings(points)
            server.kill()
            with pytest.raises(Unavailable):
                store.write_readings(points)
            server.start()
            assert len(store.readings("m1", "active_power", T, T + 2000)) == 2000
    finally:
        server.kill()


def test_readings_walk_through_mosquitto_into_influxdb_and_the_books_balance(tmp_path: Path, influx: InfluxServer) -> None:
    influx.create("walk")
    now_ms = SystemClock().now_ms()
    with mosquitto(tmp_path) as broker:
        file = write_plant(tmp_path, broker, store=f'kind = "influxdb"\nurl = "{influx.url}"\ndatabase = "walk"')
        with running("process", str(file)) as daemon, closing(Peer(broker, topic("hall-a", "ack"))) as edge:
            daemon.line()
            edge.publish(topic("hall-a", "hello"), to_bytes(Hello("hall-a", "1", 0, "", "ok", (EpochSpan(EPOCH, 1, 0),), ())), retain=True)
            assert from_bytes(Ack, edge.heard()[1]).upto == 0
            for seq in range(1, 101, 10):
                message = data(seq, [reading("m1", now_ms - 200_000 + at * 1000) for at in range(seq, seq + 10)])
                edge.publish(message.topic, message.payload)
            upto = 0
            while upto < 100:
                upto = from_bytes(Ack, edge.heard()[1]).upto
            assert daemon.end() == 0
    asked = urllib.parse.urlencode({"db": "walk", "q": 'SELECT count("active_power") FROM readings'})
    with urllib.request.urlopen(f"{influx.url}/query?{asked}") as answer:
        assert json.loads(answer.read())["results"][0]["series"][0]["values"][0][1] == 100
    assert sum(line["stored"] for line in plant_ledger(file)) == 100
