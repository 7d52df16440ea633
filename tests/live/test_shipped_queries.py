"""The queries of docs/store.md, run as they stand, over intervals of which one was corrected twice."""

from __future__ import annotations

import json
import re
import sqlite3
import urllib.parse
import urllib.request
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from driftwatt.clock import SystemClock
from processors.adapters.influx import InfluxStore, Server
from processors.adapters.sqlite import SqliteStore
from processors.pure.outputs import IntervalEnergy
from tests.support.servers import InfluxServer

PAGE = (Path(__file__).parents[2] / "docs/store.md").read_text(encoding="utf-8")
QUARTER_MS, DAY_MS = 900_000, 86_400_000


def queries() -> list[str]:
    """Return the blocks of SQL on the page."""
    return [block.strip() for block in re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL)]


def intervals(kind: str, step_ms: int, first_ms: int) -> Iterable[IntervalEnergy]:
    for at in range(6):
        start = first_ms + at * step_ms
        yield IntervalEnergy("compressor-1", kind, start, start + step_ms, 1000.0 * (at + 1), cost=10.0 * at)  # type: ignore[arg-type]
    start = first_ms + 2 * step_ms
    for rev, wh in ((1, 5000.0), (2, 3500.0)):
        yield IntervalEnergy("compressor-1", kind, start, start + step_ms, wh, cost=rev * 1000.0, rev=rev)  # type: ignore[arg-type]


def test_the_page_has_one_query_for_each_kind_of_store() -> None:
    embedded, remote = queries()
    assert embedded.endswith(";")
    assert "fill(none)" in remote


def test_energy_per_day_out_of_sqlite_takes_the_newest_revision(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "store.sqlite3")) as store:
        store.write_intervals([*intervals("1d", DAY_MS, 20_800 * DAY_MS)])
    with closing(sqlite3.connect(f"file:{tmp_path}/store.sqlite3?mode=ro", uri=True)) as db:
        rows = db.execute(queries()[0]).fetchall()
    assert [row[2] for row in rows] == [1.0, 2.0, 3.5, 4.0, 5.0, 6.0]
    assert rows[2][3] == 2000.0, "cost of the same revision"


@pytest.mark.parametrize("again", [False, True])
def test_energy_per_quarter_hour_out_of_influxdb_takes_the_newest_revision(tmp_path: Path, *, again: bool) -> None:
    server = InfluxServer(tmp_path)
    server.start()
    try:
        server.create("plant")
        first_ms = SystemClock().now_ms() // QUARTER_MS * QUARTER_MS - 12 * QUARTER_MS
        said = list(intervals("15m", QUARTER_MS, first_ms))
        with closing(InfluxStore(Server(server.url, "plant"), "plant-1")) as store:
            store.write_intervals(said)
            if again:
                store.write_intervals(said[::-1])
            assert store.energy("15m", ["compressor-1"], first_ms, first_ms + DAY_MS)["compressor-1"].import_wh.sum() == 21_500.0
        asked = urllib.parse.urlencode({"db": "plant", "q": queries()[1], "epoch": "ms"})
        with urllib.request.urlopen(f"{server.url}/query?{asked}") as answer:
            (series,) = json.loads(answer.read())["results"][0]["series"]
        assert [kwh for _, kwh in series["values"]] == [1.0, 2.0, 3.5, 4.0, 5.0, 6.0]
    finally:
        server.kill()
