"""Export out of a real InfluxDB 1.8 says what export out of the embedded store says."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from driftwatt.readings import Reading
from processors.adapters.folder import Folder
from processors.adapters.influx import InfluxStore, Server
from processors.adapters.sqlite import SqliteStore
from processors.export import Wish, run
from processors.pure.export import TABLES
from processors.pure.outputs import ExpectedPower, IntervalEnergy
from tests.loop.plant_on_paper import compressor_alert
from tests.support.daemons import write_plant
from tests.support.servers import InfluxServer

START_MS = 1_795_539_600_000
BEGIN, END = "2026-11-25", "2026-11-27"


def rows(file: Path, table: str, *, form: str = "csv", all_revs: bool = False) -> list[dict[str, str]]:
    out = io.StringIO()
    run(file, Wish(table, BEGIN, END, form=form, all_revs=all_revs), out, bar=False)
    text = out.getvalue()
    found = csv.DictReader(io.StringIO(text)) if form == "csv" else [json.loads(line) for line in text.splitlines()]
    return [{key: value for key, value in row.items() if value not in ("", None)} for row in found]


def test_both_stores_export_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "influx").mkdir()
    server = InfluxServer(tmp_path / "influx")
    server.start()
    try:
        server.create("out")
        embedded, remote = tmp_path / "embedded", tmp_path / "remote"
        embedded.mkdir()
        remote.mkdir()
        here = write_plant(embedded, "mqtt://127.0.0.1:1")
        there = write_plant(remote, "mqtt://127.0.0.1:1", store=f'kind = "influxdb"\nurl = "{server.url}"\ndatabase = "out"')
        folder = Folder(embedded / "data" / "plant-bench")
        with closing(SqliteStore(folder.store)) as first, closing(InfluxStore(Server(server.url, "out"), "bench")) as second:
            for store in (first, second):
                readings = [Reading(m, START_MS + at * 3_600_000, {"active_power": at + 0.25}) for m in ("m1", "m2") for at in range(50)]
                readings.append(Reading("m1", START_MS + 7, {"frequency": 50.0}, {"import_energy": 256}, clock="unsynced"))
                store.write_readings(readings)
                interval = IntervalEnergy("m1", "15m", START_MS, START_MS + 900_000, 250.0, cost=458.25)
                store.write_intervals([interval, replace(interval, import_wh=260.0, rev=1)])
                store.write_expected([ExpectedPower("m1", START_MS, 1000.0, 900.0, 1100.0)])
                store.write_events([replace(compressor_alert(), meter="m1", updated_ms=START_MS)])
        folder.close()
        (mine,), (theirs,) = rows(here, "events", form="jsonl"), rows(there, "events", form="jsonl")
        assert mine == theirs
        for table in [each for each in TABLES if each != "events"]:
            assert rows(here, table) == rows(there, table), table
            assert rows(here, table, form="jsonl") == rows(there, table, form="jsonl"), table
        assert len(rows(there, "readings")) == 98
        assert [row["rev"] for row in rows(there, "energy_15m", all_revs=True)] == ["0", "1"]
    finally:
        server.kill()
