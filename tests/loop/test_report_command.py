"""`driftwatt report`: a month out of the plant's files, read from beside a processor that holds them; pages, table and object agree."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from driftwatt.errors import ConfigError, Refused, Unavailable
from processors.adapters.folder import Folder
from processors.adapters.sqlite import SqliteStore
from processors.adapters.state import SqliteState
from processors.adapters.stored import StoredSeries
from processors.adapters.tables import StoredTables
from processors.pure.commit import Commit
from processors.pure.outputs import ExpectedPower, IntervalEnergy
from processors.report import Wish, as_object, write
from tests.loop.plant_on_paper import PaperClock, at, compressor_alert, repaired_alert
from tests.support.daemons import write_plant

NOW_MS = at("2026-11-21 00:00")
FIRST_MS, QUARTERS = at("2026-11-01 00:00"), 20 * 96


@dataclass
class Plant:
    """The plant file and the daemon's own hold on its folder."""

    file: Path
    store: SqliteStore


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    file = write_plant(tmp_path, "mqtt://127.0.0.1:1")
    folder = Folder(tmp_path / "data" / "plant-bench")
    store, state = SqliteStore(folder.store), SqliteState(folder.state)
    made = [quarter(meter, n, wh) for meter, wh in (("m1", 2500.0), ("m2", 1000.0)) for n in range(QUARTERS)]
    store.write_intervals([*made, quarter("m1", 5, 9000.0, rev=1)])
    store.write_expected([ExpectedPower("m1", FIRST_MS + n * 900_000, 9900.0, 9000.0, 11_000.0) for n in range(QUARTERS)])
    state.commit(
        Commit(alerts={each.id: replace(each, meter="m1", area="", evidence=()) for each in (compressor_alert(), repaired_alert())})
    )
    yield Plant(file, store)
    for each in (store, state, folder):
        each.close()


def quarter(meter: str, n: int, wh: float, rev: int = 0) -> IntervalEnergy:
    start_ms = FIRST_MS + n * 900_000
    return IntervalEnergy(meter, "15m", start_ms, start_ms + 900_000, wh, cost=2.0 * wh, co2e_g=0.66 * wh, rev=rev)


def test_pages_table_and_object_are_written_beside_the_running_processor_and_say_the_same(plant: Plant, tmp_path: Path) -> None:
    files = write(plant.file, Wish("2026-11", "en"), tmp_path / "out", clock=PaperClock(NOW_MS))
    assert [path.name for path in files] == [f"bench_2026-11.{form}" for form in ("html", "csv", "json")]
    told = json.loads(files[2].read_text(encoding="utf-8"))
    with files[1].open(encoding="utf-8") as text:
        rows = {row["id"]: row for row in csv.DictReader(text)}
    kwh = {"m1": QUARTERS * 2.5 + 6.5, "m2": QUARTERS * 1.0}  # the corrected quarter-hour counts once, as corrected
    assert {each["meter"]: each["kwh"] for each in told["meters"]} == pytest.approx(kwh)
    assert {meter: float(rows[meter]["kwh"]) for meter in kwh} == pytest.approx(kwh)
    assert told["total"]["kwh"] == pytest.approx(sum(kwh.values()))
    assert told["total"]["cost"] == pytest.approx(2000 * sum(kwh.values()))
    assert not told["complete"]
    assert [each["id"] for each in told["waste"]] == [compressor_alert().id]  # the other one was over in October
    page = files[0].read_text(encoding="utf-8")
    assert "Energy report 11/2026" in page
    assert "6,726" in page.replace("\u00a0", " ")
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "&#34;" not in page.partition("</style>")[0]


def test_one_form_is_written_where_a_file_is_named_and_the_language_is_the_plants_own(plant: Plant, tmp_path: Path) -> None:
    out = tmp_path / "thang-11.html"
    assert write(plant.file, Wish("2026-11"), out, clock=PaperClock(NOW_MS)) == [out]
    assert '<html lang="vi"' in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("month", ["2026-13", "november", "2027-01", "1999-12", "2026-1"])
def test_a_month_that_is_none_or_has_not_begun_is_refused_by_name(plant: Plant, month: str) -> None:
    with pytest.raises(ConfigError, match="--month"):
        as_object(plant.file, Wish(month), clock=PaperClock(NOW_MS))


def test_a_plant_that_never_ran_and_a_folder_that_cannot_be_written_are_told_in_words(plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(Unavailable, match="taken"):
        write(plant.file, Wish("2026-11"), tmp_path / "taken" / "x.csv", clock=PaperClock(NOW_MS))
    (tmp_path / "new").mkdir()
    with pytest.raises(Unavailable, match="never ran"):
        as_object(write_plant(tmp_path / "new", "mqtt://127.0.0.1:1"), Wish("2026-11"), clock=PaperClock(NOW_MS))


def test_whoever_looks_from_beside_reads_what_the_processor_reads_and_writes_nothing(plant: Plant, tmp_path: Path) -> None:
    seen = StoredSeries(StoredTables(tmp_path / "data" / "plant-bench" / "store.sqlite3"))
    span = (FIRST_MS, FIRST_MS + 86_400_000)
    assert seen.intervals("15m", "m1", *span) == plant.store.intervals("15m", "m1", *span)
    assert seen.expected("m1", *span) == plant.store.expected("m1", *span)
    with pytest.raises(Refused):
        seen.write_intervals([quarter("m1", 1, 1.0)])


def test_the_command_prints_the_object_for_scripts_and_its_own_help() -> None:
    done = subprocess.run([sys.executable, "-m", "driftwatt", "report", "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert "driftwatt report plant.toml --month 2026-11" in done.stdout
