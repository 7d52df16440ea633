"""Temperature and production by quarter-hour: from registers, messages and files, into the baseline and beside the energy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from config.plant import Driver, PlantFile
from driftwatt.errors import ConfigError
from driftwatt.readings import Reading
from processors.policies import drivers, policies
from processors.pure import detector
from processors.pure.drivers import KEPT, QUARTER_MS, Driven, Drivers, Series
from processors.pure.judge import Judge
from processors.pure.outputs import DriverHour
from processors.pure.past import plan_of
from tests.loop.plant_on_paper import plant_file
from tests.support.loads import Load
from tests.support.plant_days import PlantDays, day_ms


def with_drivers(*sources: str) -> PlantFile:
    kinds = ["production" if "count" in source or "pieces" in source else "temperature" for source in sources]
    rows = [{"id": f"d{n}", "kind": kind, "source": source} for n, (kind, source) in enumerate(zip(kinds, sources, strict=True))]
    file, ids = plant_file(), tuple(str(row["id"]) for row in rows)
    made = tuple(Driver.model_validate(row) for row in rows)
    return file.model_copy(update={"driver": made, "meter": tuple(meter.model_copy(update={"drivers": ids}) for meter in file.meter)})


def test_a_temperature_is_the_mean_of_its_quarter_hour() -> None:
    line = Series("temperature")
    for t_ms, value in ((1, 20.0), (450_000, 22.0), (QUARTER_MS, 24.0), (QUARTER_MS + 1, 30.0)):
        line.add(t_ms, value)
    assert (line.at(0), line.at(QUARTER_MS), line.at(2 * QUARTER_MS)) == (22.0, 30.0, None)


def test_what_a_sensor_says_that_is_cut_off_is_no_weather() -> None:
    outdoor = Series("temperature")
    for minute, value in enumerate((29.0, -127.0, 85.0, 31.0, 1e30)):
        outdoor.add(minute * 60_000 + 1, value)
    assert outdoor.at(0) == 30.0


def test_a_reset_counts_nothing_and_a_long_silence_is_unknown() -> None:
    line = Series("production")
    for t_ms, count in ((0, 500.0), (600_000, 520.0), (1_200_000, 3.0), (1_500_000, 8.0), (20_000_000, 900.0), (20_100_000, 901.0)):
        line.total(t_ms, count)
    assert (line.at(0), line.at(QUARTER_MS)) == (20.0, 5.0)
    assert line.at(10_000_000) is None
    assert line.units(0, 2 * QUARTER_MS) == (25.0, 1.0)


def test_an_hour_is_told_once_it_is_over_with_the_share_of_it_that_is_known() -> None:
    line, hour = Series("production"), 4 * QUARTER_MS
    for at in (0, 1, 2):  # 100 units in three of the quarter-hours
        line.add(at * QUARTER_MS + 1, 100.0)
    assert line.hours("pieces") == []
    line.add(hour + 1, 50.0)
    assert line.hours("pieces") == [DriverHour("pieces", 0, 300.0, 0.75)]
    assert line.hours("pieces") == []
    line.add(5 * hour + 1, 7.0)  # hours of which nothing is known are not told
    assert line.hours("pieces") == [DriverHour("pieces", hour, 50.0, 0.25)]
    warm = Series("temperature")
    for at, value in enumerate((20.0, 30.0, 10.0, 40.0, 0.0)):
        warm.add(at * QUARTER_MS + 1, value)
    assert warm.hours("outdoor") == [DriverHour("outdoor", 0, 25.0, 1.0)]


def test_what_is_known_survives_as_bytes_and_damage_is_nothing_known() -> None:
    line, other = Series("production"), Series("production")
    for t_ms in range(0, 40 * QUARTER_MS, 300_000):
        line.total(t_ms, t_ms / 1000)
    other.load(line.dump())
    assert (other.quarters, other.last) == (line.quarters, line.last)
    other.load(b"nonsense")
    assert other.quarters == line.quarters


def test_memory_is_bounded() -> None:
    line = Series("temperature")
    for n in range(KEPT + 500):
        line.add(n * QUARTER_MS + 1, 1.0)
    assert len(line.quarters) == KEPT
    assert min(line.quarters) == 500


def test_registers_topics_and_files_feed_the_drivers_that_the_plant_file_names(tmp_path: Path) -> None:
    (tmp_path / "pieces.csv").write_text("timestamp,value\n2026-11-19T00:00:00Z,40\n2026-11-19T01:00:00Z,80\n")
    book = drivers(with_drivers("meter:office.temperature", "mqtt:line/count", "csv:pieces.csv"), tmp_path)
    at_ms = 1_795_046_400_000
    book.feed([Reading("office", at_ms + 1000, {"temperature": 31.5}), Reading("lighting", at_ms, {"temperature": 99.0})])
    assert book.message("line/count", b"100", at_ms)
    assert book.message("line/count", b'{"value": 107}', at_ms + 60_000)
    assert book.message("line/count", b'{"units": 5}', at_ms + 61_000)
    assert book.message("line/count", b"broken", at_ms + 62_000), "a driver's topic, whatever it says"
    assert not book.message("dw/1/hall-a/d", b"1", at_ms)
    assert book.series["d0"].at(at_ms) == 31.5
    assert book.series["d1"].at(at_ms) == 12.0
    assert [book.series["d2"].at(at_ms + n * QUARTER_MS) for n in (0, 3, 4, 8)] == [10.0, 10.0, 20.0, None]


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pieces\.csv"):
        drivers(with_drivers("csv:pieces.csv"), tmp_path)


def test_drivers_do_not_change_the_name_of_a_plan(tmp_path: Path) -> None:
    """What arrives is no decision of people."""
    made = policies(with_drivers("mqtt:line/count"), tmp_path, now_ms=day_ms(0))["office"]
    name = plan_of(made)
    made.drivers.book.message("line/count", b"5", day_ms(0))  # type: ignore[union-attr]
    assert plan_of(made) == name == plan_of(replace(made, drivers=None))


def driven(plant: PlantDays, kind: str) -> Series:
    """Give all meters of a plant one driver."""
    line = Series(kind)  # type: ignore[arg-type]
    book = Drivers({"d": line})
    made = Driven(book, line if kind == "temperature" else None, line if kind == "production" else None)
    plant.judge = Judge({meter: replace(policy, drivers=made) for meter, policy in plant.judge.policies.items()}, plant.judge.context)
    return line


def rate(at: float) -> float:
    """Units per quarter-hour: another mix each day, a third more from day 70 on."""
    return 10.0 * (1 + 0.15 * ((int(at) * 7) % 5 - 2)) * (1.3 if at >= 70 else 1.0)


def test_more_production_is_no_waste_when_the_baseline_knows_it_and_is_told_apart_when_not() -> None:
    seen = {}
    for known in (True, False):
        plant = PlantDays({"m": Load(5, night=4, run=4, run_noise=0.3)}, extra={"m": lambda at: 2.0 * rate(at)})
        if known:
            line = driven(plant, "production")
            for quarter in range(84 * 96):
                line.add(day_ms(0) + quarter * QUARTER_MS + 1, rate(quarter / 96))
        plant.run(84)
        seen[known] = len(plant.alerts("m"))
    assert seen == {True: 0, False: 1}


def test_a_restarted_judge_still_knows_its_drivers() -> None:
    plant = PlantDays({"m": Load(1)})
    line = driven(plant, "temperature")
    plant.run(1)
    line.add(day_ms(0, 1), 30.0)
    parts = plant.judge.parts()
    assert ("~d", "driver") in parts
    again = PlantDays({"m": Load(1)})
    fresh = driven(again, "temperature")
    kept: dict[str, dict[str, bytes]] = {}
    for (meter, name), data in parts.items():
        kept.setdefault(meter, {})[name] = data
    again.judge.restore(kept, {})
    assert fresh.quarters == line.quarters
    assert detector.dump(again.judge.states["m"].detector) == detector.dump(plant.judge.states["m"].detector)
