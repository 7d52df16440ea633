"""The packed series of the embedded store: late, doubled, killed, damaged, forgotten, and while pages read."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from driftwatt.errors import PartialWrite, Unavailable
from driftwatt.readings import Reading
from processors.adapters import packing
from processors.adapters.packing import Packing
from processors.adapters.sqlite import SAME_INSTANT, SqliteStore
from processors.pure.outputs import IntervalEnergy
from tests.support.store_eyes import stored_times

DAY = 86_400_000
T = 20_800 * DAY
QUARTER = 900_000
LATER = T + 400 * DAY


def row(meter: str, t_ms: int) -> Reading:
    return Reading(meter, t_ms, {"active_power": t_ms % 1000 / 8, "import_energy": 1e6 + t_ms % 100_000 / 100})


def rows(meter: str, first: int, count: int, step: int = 10_000) -> list[Reading]:
    return [row(meter, T + (first + at) * step) for at in range(count)]


def house(store: SqliteStore, now_ms: int = LATER, before_ms: int = 0) -> None:
    while store.keep_house(now_ms, before_ms):
        pass


def chunks(path: Path) -> list[tuple[int, int, int]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT first, last, rows FROM chunk ORDER BY series, first").fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as one:
        yield one


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack early."""
    monkeypatch.setattr(packing, "WAITING", 500)


def powers(store: SqliteStore, meter: str) -> list[tuple[int, float, int]]:
    return store.readings(meter, "active_power", 0, 2**52)


def expected(said: list[Reading]) -> list[tuple[int, float, int]]:
    return sorted((each.t_ms, each.values["active_power"], 0) for each in said)


@pytest.mark.usefixtures("small")
def test_points_are_the_same_while_they_wait_while_they_move_and_when_they_are_packed(store: SqliteStore, path: Path) -> None:
    said = rows("m1", 0, 2000)
    for at in range(0, 2000, 50):
        store.write_readings([*said[at : at + 50], *rows("m2", at, 50)])
        assert powers(store, "m1") == expected(said[: at + 50])
        assert stored_times(path, "m1") == [each.t_ms for each in said[: at + 50]]
    assert chunks(path)
    house(store)
    assert powers(store, "m1") == expected(said)
    assert store.whole_readings("m1", said[7].t_ms, 2**52, 3) == said[7:10]
    with closing(SqliteStore(path)) as again:
        assert powers(again, "m1") == expected(said)


def test_late_readings_go_into_the_chunk_of_their_day(store: SqliteStore, path: Path) -> None:
    said = rows("m1", 0, 20_000)
    late = said[3000:3100] + said[9000:9001] + said[:5]
    store.write_readings([each for each in said if each not in late])
    house(store)
    assert max(count for _, _, count in chunks(path)) <= 2880
    store.write_readings(late)
    assert powers(store, "m1") == expected(said)
    house(store)
    assert powers(store, "m1") == expected(said)
    spans = chunks(path)
    assert sum(count for _, _, count in spans) == 20_000
    assert all(first // DAY == last // DAY for first, last, _ in spans)
    assert all(one[1] < other[0] for one, other in pairwise(spans))


def test_written_again_after_it_was_packed_is_nothing_and_another_content_is_refused(store: SqliteStore, path: Path) -> None:
    said = rows("m1", 0, 300)
    store.write_readings(said)
    house(store)
    before = chunks(path)
    store.write_readings(said)
    other = Reading("m1", said[7].t_ms, {**said[7].values, "active_power": -1.0})
    fresh = rows("m1", 300, 1)
    with pytest.raises(PartialWrite) as caught:
        store.write_readings([*said[:3], other, *fresh, fresh[0], row("m2", T), Reading("m2", T, {"frequency": 50.0})])
    assert caught.value.rejected == {3: SAME_INSTANT, 7: SAME_INSTANT}
    assert powers(store, "m1") == expected([*said, *fresh])
    house(store)
    assert sum(count for _, _, count in chunks(path)) == sum(count for _, _, count in before) + 2


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("steps", range(6))
def test_a_death_between_two_steps_of_packing_leaves_every_point_once(path: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Died(BaseException):
        pass

    meters = [f"m{number}" for number in range(4)]
    first, count = SqliteStore(path), 0
    step = Packing.step

    def dies(self: Packing) -> int:
        nonlocal count
        if count == steps:
            raise Died
        count += 1
        return step(self)

    monkeypatch.setattr(Packing, "step", dies)
    few = rows("few", 0, 3)
    first.write_readings(few)

    def write(store: SqliteStore) -> None:
        for at in range(0, 3000, 40):
            store.write_readings([each for meter in meters for each in rows(meter, at, 40)])

    with pytest.raises(Died):
        write(first)
    monkeypatch.undo()
    for meter in meters:
        stamps = stored_times(path, meter)
        assert len(stamps) == len(set(stamps)), "a reader beside sees each once"
    with closing(SqliteStore(path)) as second:  # the first one is dead: it never closed
        write(second)
        assert all(powers(second, meter) == expected(rows(meter, 0, 3000)) for meter in meters)
        assert powers(second, "few") == expected(few)
        house(second)
        assert all(stored_times(path, meter) == [each.t_ms for each in rows(meter, 0, 3000)] for meter in meters)
        assert stored_times(path, "few") == [each.t_ms for each in few]
    first.close()


def test_corrections_of_packed_quarter_hours_are_points_beside_them(store: SqliteStore) -> None:
    quarters = [IntervalEnergy("m1", "15m", T + at * QUARTER, T + (at + 1) * QUARTER, float(at)) for at in range(6000)]
    store.write_intervals(quarters)
    house(store)
    fixed = IntervalEnergy("m1", "15m", T + 100 * QUARTER, T + 101 * QUARTER, 999.0, rev=1)
    store.write_intervals([fixed, quarters[7]])
    for _ in range(2):
        found = store.intervals("15m", "m1", T, T + 6000 * QUARTER)
        assert found == [*quarters[:100], fixed, *quarters[101:]]
        house(store)


def test_retention_takes_whole_chunks_and_the_file_gets_smaller(store: SqliteStore, path: Path) -> None:
    for day in range(6):
        store.write_readings(
            [Reading("m1", T + day * DAY + at * 10_000, {f"voltage_l{n}": hash((at, n)) / 7 for n in (1, 2, 3)}) for at in range(8000)]
        )
    house(store)
    with closing(sqlite3.connect(path)) as db:
        before = db.execute("PRAGMA page_count").fetchone()[0]
    house(store, before_ms=T + 4 * DAY + 40_000_000)
    left = stored_times(path, "m1")
    assert T + 4 * DAY <= left[0] <= T + 4 * DAY + 40_000_000
    assert left[-1] == T + 5 * DAY + 79_990_000
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA page_count").fetchone()[0] < before / 2


def damage(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        ((number, body),) = db.execute(f"SELECT id, body FROM {table} ORDER BY id LIMIT 1").fetchall()
        db.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (body[:40] + bytes((body[40] ^ 1,)) + body[41:], number))


def test_a_damaged_chunk_is_told_and_kept_and_the_rest_goes_on(store: SqliteStore, path: Path) -> None:
    store.write_readings([*rows("m1", 0, 300), *rows("m2", 0, 300)])
    house(store)
    damage(path, "chunk")
    with pytest.raises(Unavailable, match="damaged"):
        powers(store, "m1")
    assert len(powers(store, "m2")) == 300
    late = row("m1", T + 5)
    store.write_readings([late, *rows("m1", 300, 100)])
    house(store)
    assert store.readings("m1", "active_power", T + 3_100_000, 2**52) == expected(rows("m1", 310, 90))
    assert sum(count for _, _, count in chunks(path)) == 701


def test_a_damaged_row_of_the_log_is_set_aside_and_the_store_opens(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.write_readings(rows("m1", 0, 3))
        store.write_readings(rows("m1", 3, 3))
    damage(path, "open")
    with closing(SqliteStore(path)) as store:
        assert powers(store, "m1") == expected(rows("m1", 3, 3))
        store.write_readings(rows("m1", 0, 3))
        assert powers(store, "m1") == expected(rows("m1", 0, 6))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM damaged").fetchone() == (1,)


@pytest.mark.usefixtures("small")
def test_pages_read_a_whole_series_at_any_moment_of_its_packing(store: SqliteStore) -> None:
    said = rows("m1", 0, 6000)
    done = threading.Event()
    wrong: list[str] = []

    def watch(read: Callable[[], list[int]]) -> None:
        newest = 0
        while not done.is_set():
            stamps = read()
            whole = [T + at * 10_000 for at in range(len(stamps))]
            if stamps != whole or len(stamps) < newest:
                wrong.append(f"{len(stamps)} after {newest}")
            newest = len(stamps)

    watcher = threading.Thread(target=watch, args=(lambda: [t_ms for t_ms, _, _ in powers(store, "m1")],))
    watcher.start()
    for at in range(0, 6000, 30):
        store.write_readings(said[at : at + 30])
    done.set()
    watcher.join()
    assert wrong == []
    assert len(powers(store, "m1")) == 6000


def test_a_full_disk_undoes_the_write_and_what_is_in_memory(store: SqliteStore, path: Path) -> None:
    store.write_readings(rows("m1", 0, 100))
    store._db.execute(f"PRAGMA max_page_count={store._db.execute('PRAGMA page_count').fetchone()[0] + 4}")
    many = [Reading("m1", T + DAY + at, {"frequency": at / 3, "active_power": 1.0}) for at in range(5000)]
    with pytest.raises(Unavailable, match="full"):
        store.write_readings(many)
    assert len(powers(store, "m1")) == 100
    store._db.execute("PRAGMA max_page_count=1000000")
    store.write_readings(many)
    assert len(powers(store, "m1")) == 5100
    assert len(stored_times(path, "m1")) == 5100


@pytest.mark.parametrize("at", [3, 40, 108, 4096 * 2 + 5])
def test_a_file_that_cannot_be_read_is_set_aside_and_what_can_be_read_goes_on(path: Path, at: int) -> None:
    with closing(SqliteStore(path)) as store:
        store.write_readings(rows("m1", 0, 300))
        house(store)
        store.write_readings(rows("m1", 300, 10))
    body = bytearray(path.read_bytes())
    body[at] ^= 0xFF
    path.write_bytes(bytes(body))
    with closing(SqliteStore(path)) as store:
        store.write_readings(rows("m1", 400, 10))
        assert set(expected(rows("m1", 400, 10))) <= set(powers(store, "m1")) <= set(expected([*rows("m1", 0, 310), *rows("m1", 400, 10)]))
        aside = list(path.parent.glob("store.sqlite3.damaged-*"))
        assert aside or len(powers(store, "m1")) == 320, "never silently empty"
    with closing(SqliteStore(path)) as store:
        assert set(expected(rows("m1", 400, 10))) <= set(powers(store, "m1"))
