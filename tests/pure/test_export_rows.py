"""What an export makes of stored points."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from driftwatt.errors import ConfigError
from processors.export_cli import TABLES as SHOWN
from processors.pure.export import TABLES, instant, interval_rows, long_rows, reach

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def test_a_date_is_the_first_moment_of_the_plants_day_and_an_instant_needs_its_offset() -> None:
    assert instant("2026-11-25", ZONE, "--from") == instant("2026-11-24T17:00:00Z", ZONE, "--from") == 1795539600000
    assert instant("2026-11-25T00:00:00.250+07:00", ZONE, "--from") == 1795539600250
    for wrong in ("2026-11-25T00:00:00", "yesterday", "2026-13-01", "", "9999-99-99"):
        with pytest.raises(ConfigError, match="--to: not an instant"):
            instant(wrong, ZONE, "--to")


def test_a_reading_becomes_one_row_per_quantity_with_its_own_doubt_and_the_clocks() -> None:
    point = {"meter": "m1", "t": 5, "q": 272, "active_power": 9.5, "active_power_q": None, "import_energy": None, "import_energy_q": 256}
    assert list(long_rows([point])) == [
        {"meter": "m1", "t_ms": 5, "quantity": "active_power", "value": 9.5, "quality": 16},
        {"meter": "m1", "t_ms": 5, "quantity": "import_energy", "value": None, "quality": 272},
    ]


def test_only_the_newest_revision_of_an_interval_leaves_unless_all_are_wanted() -> None:
    points = [
        {"meter": "m1", "t": start + rev, "start_ms": start, "import_wh": 10.0 + rev, "rev": rev}
        for start, revs in ((0, 1), (900_000, 3), (1_800_000, 2))
        for rev in range(revs)
    ]
    span = (0, 1_800_000)
    newest = list(interval_rows(points, span, every_rev=False))
    assert [(row["t_ms"], row["rev"]) for row in newest] == [(0, 0), (900_000, 2)]
    assert newest[0] == {"meter": "m1", "t_ms": 0, "import_wh": 10.0, "rev": 0}
    assert [(row["t_ms"], row["rev"]) for row in interval_rows(points, span, every_rev=True)] == [
        (0, 0),
        (900_000, 0),
        (900_000, 1),
        (900_000, 2),
    ]


def test_a_correction_at_the_very_end_of_the_span_is_reached() -> None:
    assert reach("energy_15m", (0, 900_000)) == (0, 901_000)
    assert reach("readings", (0, 900_000)) == (0, 900_000)


def test_the_command_offers_the_tables_that_can_be_exported() -> None:
    assert SHOWN == TABLES
