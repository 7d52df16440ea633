"""A plant's store read from beside, whatever kind it is and whoever writes meanwhile: what reports and exports look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from config.plant import PlantFile
from driftwatt.alerts import Alert
from driftwatt.errors import Refused
from driftwatt.extras import needing
from driftwatt.readings import Reading
from processors.adapters.folder import STORE, folder_of
from processors.adapters.tables import StoredTables
from processors.pure import export
from processors.pure.interval_columns import EnergyColumns, energy_columns
from processors.pure.lines import INTERVAL_NAMES
from processors.pure.outputs import DriverHour, ExpectedPower, IntervalEnergy

_FIELDS = {name: field for field, name in INTERVAL_NAMES.items() if field not in ("start_ms", "end_ms")}


class Tables(Protocol):
    """A store as an export reads it."""

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table."""

    def series(self, table: str) -> list[str]:
        """Return the meters or drivers that have rows."""

    def points(self, table: str, series: str, from_ms: int, to_ms: int) -> Iterator[Mapping[str, Any]]:
        """Yield stored points in `[from_ms, to_ms)`, ascending by time."""


def tables_of(plant: PlantFile, file: Path) -> Tables:
    """Return the tables of the plant that `file` describes. Raises ConfigError, Unavailable, MissingExtra."""
    if plant.store.kind == "sqlite":
        return StoredTables(folder_of(file, plant) / STORE)
    with needing("processor"):
        from processors.adapters.influx_tables import InfluxTables  # noqa: PLC0415 - only plants with InfluxDB need it

    meters, drivers = ([each.id for each in listed] for listed in (plant.meter, plant.driver))
    return InfluxTables(plant.store, file.parent, plant.plant.id, meters, drivers)


class StoredSeries:
    """The reading half of processors.ports.SeriesStore over such tables; every write is refused."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def intervals(self, kind: str, meter: str, from_ms: int, to_ms: int) -> list[IntervalEnergy]:
        """See SeriesStore."""
        table, span = f"energy_{kind}", (from_ms, to_ms)
        points = self._tables.points(table, meter, *export.reach(table, span))
        return [
            IntervalEnergy(
                meter,
                kind,  # type: ignore[arg-type]
                row["t_ms"],
                int(row["end_ms"]),
                **{field: row[name] for name, field in _FIELDS.items() if row.get(name) is not None},
            )
            for row in export.rows(table, points, span)
        ]

    def energy(self, kind: str, meters: Collection[str], from_ms: int, to_ms: int) -> Mapping[str, EnergyColumns]:
        """See SeriesStore."""
        found = {meter: self.intervals(kind, meter, from_ms, to_ms) for meter in meters}
        return {meter: energy_columns((each.start_ms, each.import_wh) for each in mine) for meter, mine in found.items()}

    def expected(self, meter: str, from_ms: int, to_ms: int) -> list[ExpectedPower]:
        """See SeriesStore."""
        points = self._tables.points("expected_15m", meter, from_ms, to_ms)
        return [ExpectedPower(meter, int(each["t"]), each["w"], each["lo"], each["hi"]) for each in points]

    def readings(self, meter: str, quantity: str, from_ms: int, to_ms: int) -> list[tuple[int, float, int]]:
        """See SeriesStore."""
        rows = export.rows("readings", self._tables.points("readings", meter, from_ms, to_ms), (from_ms, to_ms))
        return [(row["t_ms"], row["value"], row["quality"]) for row in rows if row["quantity"] == quantity and row["value"] is not None]

    def whole_readings(self, meter: str, from_ms: int, to_ms: int, limit: int) -> NoReturn:
        """Nothing that is made again from readings is made from beside."""
        self._refuse(meter, from_ms, to_ms, limit)

    def write_readings(self, readings: Sequence[Reading]) -> NoReturn:
        """Refused."""
        self._refuse(readings)

    def write_intervals(self, intervals: Sequence[IntervalEnergy]) -> NoReturn:
        """Refused."""
        self._refuse(intervals)

    def write_expected(self, points: Sequence[ExpectedPower]) -> NoReturn:
        """Refused."""
        self._refuse(points)

    def write_drivers(self, hours: Sequence[DriverHour]) -> NoReturn:
        """Refused."""
        self._refuse(hours)

    def write_events(self, alerts: Sequence[Alert]) -> NoReturn:
        """Refused."""
        self._refuse(alerts)

    def close(self) -> None:
        """Nothing stays open between two looks."""

    def _refuse(self, *_: object) -> NoReturn:
        raise Refused("the store is only looked at")
