"""A store file of the first version, recorded with the code that wrote it, becomes one of today's, whatever interrupts."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from driftwatt.errors import ConfigError, Unavailable
from processors.adapters import migration, records
from processors.adapters.sqlite import SqliteStore
from processors.adapters.tables import StoredTables
from processors.pure.outputs import IntervalEnergy
from tests.support.store_eyes import stored_rows

OLD = Path(__file__).parents[1] / "cases/store/v1.sqlite3"
T = 1_795_539_600_000
QUARTER = 900_000


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD, tmp_path / "store.sqlite3"))


def old_rows(path: Path, table: str) -> list[tuple[tuple[str, object], ...]]:
    with closing(sqlite3.connect(path)) as db:
        cursor = db.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        return sorted(tuple(sorted((name, value) for name, value in zip(names, row, strict=True) if value is not None)) for row in cursor)


TABLES = ("readings", "energy_15m", "energy_1h", "energy_1d", "expected_15m", "events")
TRUTH = {table: old_rows(OLD, table) for table in TABLES}


def test_every_point_of_the_old_file_is_in_the_new_one_bit_for_bit(old: Path) -> None:
    with closing(SqliteStore(old)) as store:
        assert {table: stored_rows(old, table) for table in TABLES} == TRUTH
        assert len(TRUTH["readings"]) == 600
        assert store.readings("office", "active_power", T + 7 * 600_000, T + 9 * 600_000) == [
            (T + 7 * 600_000, 1009.59, 4),
            (T + 8 * 600_000, 1010.96, 16),
        ]
        assert store.intervals("15m", "compressor-1", T + QUARTER, T + QUARTER + 1) == [
            IntervalEnergy("compressor-1", "15m", T + QUARTER, T + 2 * QUARTER, 999.0, rev=1)
        ]
    with closing(SqliteStore(old)):
        assert {table: stored_rows(old, table) for table in TABLES} == TRUTH, "opened again it is as it was"


def test_a_death_right_before_or_after_the_exchange_leaves_the_old_or_the_new_file(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Died(BaseException):
        pass

    replace = Path.replace

    def dies(path: Path, target: Path) -> None:
        if after:
            replace(path, target)
        raise Died

    monkeypatch.setattr(Path, "replace", dies)
    for after in (False, True):
        with pytest.raises(Died):
            SqliteStore(old)
        if after:
            assert {table: stored_rows(old, table) for table in TABLES} == TRUTH
        else:
            assert {table: old_rows(old, table) for table in TABLES} == TRUTH
    monkeypatch.undo()
    SqliteStore(old).close()
    assert {table: stored_rows(old, table) for table in TABLES} == TRUTH
    assert not [path for path in old.parent.iterdir() if ".new" in path.name]


SLOWLY = """
import os, sys, signal
from pathlib import Path
from processors.adapters import migration, packing
from processors.adapters.sqlite import SqliteStore
migration.COPIED = 40
at, calls = int(sys.argv[2]), 0
def died(*_):
    global calls
    calls += 1
    if calls == at:
        os.kill(os.getpid(), signal.SIGKILL)
NAMES = ("execute", "executemany", "executescript", "replace")
sys.setprofile(lambda frame, event, arg: died() if event == "c_call" and getattr(arg, "__name__", "") in NAMES else None)
SqliteStore(Path(sys.argv[1])).close()
"""


@pytest.mark.parametrize("statement", [4, 9, 23, 48, 80, 105, 140])
def test_a_kill_at_any_statement_leaves_a_file_that_opens_with_every_point(old: Path, statement: int) -> None:
    done = subprocess.run([sys.executable, "-c", SLOWLY, str(old), str(statement)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    SqliteStore(old).close()
    assert {table: stored_rows(old, table) for table in TABLES} == TRUTH


def test_a_file_that_would_lose_points_is_not_exchanged(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "_copy", lambda *_: None)
    with pytest.raises(Unavailable, match="had 600 points and would have 0"):
        SqliteStore(old)
    assert {table: old_rows(old, table) for table in TABLES} == TRUTH


def test_a_file_of_a_later_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=3")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="later version"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_who_only_reads_is_told_about_a_file_that_was_not_migrated_yet(old: Path) -> None:
    with pytest.raises(Unavailable, match="earlier version"):
        StoredTables(old)
    assert records.readings_in_store(old, "office", T, T + 10 * 600_000) == 10
