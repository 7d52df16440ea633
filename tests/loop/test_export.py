"""`driftwatt export` as people start it, beside a store that another process goes on writing."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from driftwatt.readings import Reading
from processors.adapters.folder import Folder
from processors.adapters.sqlite import SqliteStore
from processors.adapters.tables import PAGE_ROWS, StoredTables
from processors.export import Wish, run
from processors.pure.outputs import ExpectedPower, IntervalEnergy
from tests.loop.plant_on_paper import compressor_alert
from tests.support.daemons import write_plant

START_MS = 1_795_539_600_000  # 2026-11-25 in the plant's zone
DAY = ("--from", "2026-11-25", "--to", "2026-11-26")


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "driftwatt", "export", *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    return write_plant(tmp_path, "mqtt://127.0.0.1:1")


def store_of(plant: Path) -> Path:
    return plant.parent / "data" / "plant-bench"


def test_readings_leave_while_another_process_holds_the_folder_and_writes(plant: Path) -> None:
    folder = Folder(store_of(plant))
    store = SqliteStore(folder.store)
    store.write_readings(
        [
            Reading("m1", START_MS, {"active_power": 1000.25}),
            Reading("m1", START_MS + 1000, {"active_power": 2.0}, {"import_energy": 256}, clock="unsynced"),
            Reading("m2", START_MS - 1, {"active_power": 3.0}),
            Reading("m2", START_MS + 86_400_000, {"active_power": 4.0}),
        ]
    )
    done = command(str(plant), "--table", "readings", *DAY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "meter,t_ms,quantity,value,quality",
        f"m1,{START_MS},active_power,1000.25,0",
        f"m1,{START_MS + 1000},active_power,2.0,16",
        f"m1,{START_MS + 1000},import_energy,,272",
    ]
    store.write_readings([Reading("m2", START_MS + 5, {"active_power": 5.0})])
    more = command(str(plant), "--table", "readings", "--meter", "m2", *DAY, "--format", "jsonl")
    assert [json.loads(line) for line in more.stdout.splitlines()] == [
        {"meter": "m2", "t_ms": START_MS + 5, "quantity": "active_power", "value": 5.0, "quality": 0}
    ]
    store.close()
    folder.close()


def test_intervals_expectations_and_events_leave_as_wide_rows(plant: Path) -> None:
    folder = Folder(store_of(plant))
    with closing(SqliteStore(folder.store)) as store:
        first = IntervalEnergy("m1", "15m", START_MS, START_MS + 900_000, 250.0, cost=458.25)
        store.write_intervals([first, replace(first, import_wh=260.0, rev=1)])
        store.write_expected([ExpectedPower("m1", START_MS, 1000.0, 900.0, 1100.0)])
        alerts = [replace(compressor_alert(), id=f"{at:016x}", meter="m1", updated_ms=START_MS) for at in range(3)]
        store.write_events(alerts)

    def rows(table: str, *, all_revs: bool = False) -> list[dict[str, str]]:
        out = io.StringIO()
        run(plant, Wish(table, "2026-11-25", "2026-11-26", all_revs=all_revs), out, bar=False)
        return list(csv.DictReader(io.StringIO(out.getvalue())))

    (newest,) = rows("energy_15m")
    assert [newest[name] for name in ("meter", "t_ms", "end_ms", "import_wh", "cost", "rev")] == [
        "m1",
        str(START_MS),
        str(START_MS + 900_000),
        "260.0",
        "458.25",
        "1",
    ]
    assert [row["rev"] for row in rows("energy_15m", all_revs=True)] == ["0", "1"]
    assert rows("expected_15m") == [{"meter": "m1", "t_ms": str(START_MS), "w": "1000.0", "lo": "900.0", "hi": "1100.0"}]
    assert [row["alert"] for row in rows("events")] == [f"{at:016x}" for at in range(3)]
    assert rows("drivers_1h") == []
    folder.close()


def test_pages_join_without_a_row_twice_or_missing(plant: Path) -> None:
    folder = Folder(store_of(plant))
    with closing(SqliteStore(folder.store)) as store:
        store.write_readings([Reading("m1", START_MS + at, {"active_power": float(at)}) for at in range(2 * PAGE_ROWS + 1)])
        same = [replace(compressor_alert(), id=f"{at:016x}", meter="m1", updated_ms=START_MS + at // 2) for at in range(PAGE_ROWS + 3)]
        for alert in same:
            store.write_events([alert])
    tables = StoredTables(folder.store)
    assert [point["t"] - START_MS for point in tables.points("readings", "m1", START_MS, START_MS + 10**6)] == list(
        range(2 * PAGE_ROWS + 1)
    )
    assert len({(p["t"], p["alert"]) for p in tables.points("events", "m1", START_MS, START_MS + 10**6)}) == PAGE_ROWS + 3
    assert tables.series("readings") == ["m1"]
    folder.close()


def test_a_long_export_takes_no_more_memory_than_a_short_one(plant: Path) -> None:
    folder = Folder(store_of(plant))
    with closing(SqliteStore(folder.store)) as store:
        for chunk in range(6):
            at = range(chunk * 20_000, (chunk + 1) * 20_000)
            store.write_readings([Reading("m1", START_MS + ms, {"active_power": float(ms)}) for ms in at])
    folder.close()
    code = (
        "import sys, resource; from pathlib import Path; from processors.export import Wish, run;"
        "out = open('/dev/null', 'w'); wish = Wish('readings', '2026-11-25T00:00:00+07:00', sys.argv[2]);"
        "n = run(Path(sys.argv[1]), wish, out, bar=False);"
        "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    sizes = []
    for end, count in (("2026-11-25T00:00:04+07:00", 4000), ("2026-11-26T00:00:00+07:00", 120_000)):
        told = subprocess.run([sys.executable, "-c", code, str(plant), end], capture_output=True, text=True, check=True, timeout=60).stdout
        assert int(told.split()[0]) == count
        sizes.append(int(told.split()[1]))
    assert sizes[1] - sizes[0] < 3000, f"{sizes} KiB"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--table", "readings", "--format", "parquet", *DAY), "pyarrow"),
        (("--table", "readings", "--meter", "m7", *DAY), "nothing of that name"),
        (("--table", "readings", "--from", "2026-11-26", "--to", "2026-11-25"), "the span is empty"),
        (("--table", "readings", "--from", "tomorrow", "--to", "2026-11-25"), "--from: not an instant"),
        (("--table", "secrets", *DAY), "invalid choice"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line_with_exit_2(plant: Path, words: tuple[str, ...], says: str) -> None:
    Folder(store_of(plant)).close()
    SqliteStore(store_of(plant) / "store.sqlite3").close()
    done = command(str(plant), *words)
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]
    assert not done.stdout


def test_a_plant_that_never_ran_has_nothing_to_export(plant: Path) -> None:
    done = command(str(plant), "--table", "readings", *DAY)
    assert done.returncode == 1
    assert "nothing was stored yet" in done.stderr
