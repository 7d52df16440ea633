"""What every store obeys: written twice is once, the newest revision wins, answers are ascending, doubt survives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from driftwatt.alerts import Alert, Range
from driftwatt.readings import Reading
from processors.adapters.influx import InfluxStore, Server
from processors.adapters.sqlite import SqliteStore
from processors.ports import SeriesStore
from processors.pure.outputs import ExpectedPower, IntervalEnergy
from tests.support.fake_influx import FakeInflux, serving

T = 1_900_000_000_000
QUARTER = 900_000


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[SeriesStore]:
    with ExitStack() as stack:
        if kind == "sqlite":
            store: SeriesStore = SqliteStore(folder / "store.sqlite3")
        else:
            fake = stack.enter_context(serving(FakeInflux(kind, token="secret")))
            store = InfluxStore(Server(fake.url, "plant", token="secret"), "plant-1")
        stack.callback(store.close)
        yield store


@pytest.fixture(params=["sqlite", "1.8", "2.7", "3-core"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SeriesStore]:
    with opened(request.param, tmp_path) as one:
        yield one


def interval(start_ms: int, wh: float, *, rev: int = 0, meter: str = "m1") -> IntervalEnergy:
    return IntervalEnergy(
        meter, "15m", start_ms, start_ms + QUARTER, wh, peak_w=4 * wh, cost=wh * 2, co2e_g=0.5, coverage=0.75, quality=32, rev=rev
    )


def test_readings_come_back_as_the_meter_said_them_in_order(store: SeriesStore) -> None:
    readings = [Reading("m1", T + at * 1000, {"active_power": at / 3, "import_energy": 1e9 + at}) for at in (2, 0, 1)]
    store.write_readings(readings)
    assert store.readings("m1", "active_power", T, T + 3000) == [(T, 0.0, 0), (T + 1000, 1 / 3, 0), (T + 2000, 2 / 3, 0)]
    assert store.readings("m1", "import_energy", T, T + 1000) == [(T, 1e9, 0)]


def test_the_same_points_written_twice_are_there_once(store: SeriesStore) -> None:
    readings = [Reading("m1", T, {"active_power": 1.0}), Reading("m2", T, {"active_power": 2.0})]
    for _ in range(2):
        store.write_readings(readings)
        store.write_intervals([interval(T, 5.0)])
        store.write_expected([ExpectedPower("m1", T, 1.0, 0.5, 1.5)])
    assert len(store.readings("m1", "active_power", T, T + 1)) == 1
    assert len(store.intervals("15m", "m1", T, T + 1)) == 1
    assert len(store.expected("m1", T, T + 1)) == 1


def test_meters_and_quantities_do_not_mix(store: SeriesStore) -> None:
    store.write_readings([Reading("m1", T, {"active_power": 1.0}), Reading("m2", T, {"voltage_l1": 230.0})])
    assert store.readings("m2", "active_power", 0, T * 2) == []
    assert store.readings("m1", "voltage_l1", 0, T * 2) == []
    assert store.readings("m1", "no_such_quantity", 0, T * 2) == []
    assert store.readings("m3", "active_power", 0, T * 2) == []


def test_a_whole_number_does_not_fix_the_type_of_a_field(store: SeriesStore) -> None:
    store.write_readings([Reading("m1", T, {"active_power": 0})])
    store.write_readings([Reading("m1", T + 1, {"active_power": 0.5})])
    assert [value for _, value, _ in store.readings("m1", "active_power", T, T + 2)] == [0.0, 0.5]


def test_the_doubt_of_a_value_and_of_its_clock_survive(store: SeriesStore) -> None:
    store.write_readings(
        [
            Reading("m1", T, {"active_power": 1.0, "frequency": 50.0}, {"active_power": 4, "current_n": 256}),
            Reading("m1", T + 1, {"active_power": 1.0}, clock="uncertain"),
        ]
    )
    assert [doubt for _, _, doubt in store.readings("m1", "active_power", T, T + 2)] == [4, 16]
    assert [doubt for _, _, doubt in store.readings("m1", "frequency", T, T + 2)] == [0]


def test_the_newest_revision_of_an_interval_wins_whatever_the_order(store: SeriesStore) -> None:
    store.write_intervals([interval(T, 6.0, rev=1), interval(T + QUARTER, 7.0)])
    store.write_intervals([interval(T, 5.0)])
    found = store.intervals("15m", "m1", T, T + 2 * QUARTER)
    assert found == [interval(T, 6.0, rev=1), interval(T + QUARTER, 7.0)]
    assert store.intervals("1h", "m1", T, T + 2 * QUARTER) == []
    assert store.intervals("year", "m1", T, T + 2 * QUARTER) == []


def test_the_energy_of_many_meters_counts_each_interval_once_with_its_correction(store: SeriesStore) -> None:
    for meter, factor in (("m1", 1.0), ("m2", 10.0)):
        store.write_intervals([interval(T + at * QUARTER, factor * at, meter=meter) for at in range(6)])
    store.write_intervals([interval(T + 2 * QUARTER, 100.0, rev=1), interval(T + 2 * QUARTER, 200.0, rev=2)])
    day = IntervalEnergy("m1", "1d", T, T + 86_400_000, 12.0)
    store.write_intervals([day, IntervalEnergy("m1", "1d", T, T + 86_400_000, 13.0, rev=1)])
    found = store.energy("15m", ["m1", "m2", "m9"], T + QUARTER, T + 5 * QUARTER)
    assert found["m1"].starts.tolist() == [T + at * QUARTER for at in range(1, 5)]
    assert found["m1"].import_wh.tolist() == [1.0, 200.0, 3.0, 4.0]
    assert found["m2"].import_wh.sum() == 100.0
    assert len(found["m9"].starts) == 0
    assert store.energy("1d", ["m1"], T, T + 1)["m1"].import_wh.tolist() == [13.0]
    assert store.energy("week", ["m1"], T, T + 1) == {}


def test_an_interval_comes_back_whole(store: SeriesStore) -> None:
    day = IntervalEnergy("m1", "1d", T, T + 25 * 3_600_000, 1.5, 0.25, 3.0, 4.0, 5.0, None, None, 0.5, 96, 2)
    store.write_intervals([day])
    assert store.intervals("1d", "m1", T, T + 1) == [day]


def test_expected_power_is_ascending(store: SeriesStore) -> None:
    points = [ExpectedPower("m1", T + at * QUARTER, 10.0 + at, 9.0, 12.0) for at in range(3)]
    store.write_expected(points[::-1])
    assert store.expected("m1", T, T + 2 * QUARTER) == points[:2]


def test_alerts_of_one_meter_at_one_instant_are_two_events(store: SeriesStore) -> None:
    def alert(name: str) -> Alert:
        return Alert(
            name, "unacked", "waste", "high", "m1", "hall-a", T, T, T, "base_load", cost=Range(1.0, 0.5, 2.0), tariff='say "no"\\\n', vat=0
        )

    store.write_events([alert("a"), alert("b")])
    store.write_events([alert("a"), alert("b")])


def test_nothing_is_asked_of_an_empty_write(store: SeriesStore) -> None:
    store.write_readings([])
    store.write_intervals([])
    assert store.readings("m1", "active_power", 0, T) == []
