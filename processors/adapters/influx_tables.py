"""Reads whole tables of an InfluxDB store in InfluxQL, a slice of time after the other. All server generations speak it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from config.plant import Store
from driftwatt.errors import ConfigError
from processors.adapters.influxql import InfluxQL
from processors.pure.lines import INTERVAL_NAMES

TIMEOUT_S = 30.0
SLICE_MS = 86_400_000
WIDE_SLICE_MS = 31 * SLICE_MS
_FIXED = {"expected_15m": ("meter", "t", "w", "lo", "hi"), "drivers_1h": ("driver", "t", "value", "coverage")}


class InfluxTables:
    """The tables of one site. `meters` and `drivers` are those that the plant file lists. Every method raises Unavailable."""

    def __init__(self, store: Store, folder: Path, site: str, meters: Sequence[str], drivers: Sequence[str] = ()) -> None:
        bucket = store.bucket or store.database
        if not store.url or not bucket:
            raise ConfigError(
                "an InfluxDB store needs url and bucket (or database)", key="store", found=f"url {store.url}, bucket {bucket}"
            )
        self._site, self._meters, self._drivers = site, list(meters), list(drivers)
        token = store.token.reveal(folder) if store.token else ""
        self._influxql = InfluxQL(store.url, bucket, token, timeout_s=TIMEOUT_S)

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table; those of events are the server's fields of today."""
        if table in _FIXED:
            return _FIXED[table]
        if table.startswith("energy_"):
            return ("meter", "t", *INTERVAL_NAMES.values())
        return ("meter", "t", *sorted(self._types(table)))

    def series(self, table: str) -> list[str]:
        """Return the listed meters, or drivers."""
        return self._drivers if table == "drivers_1h" else self._meters

    def points(self, table: str, series: str, from_ms: int, to_ms: int) -> Iterator[dict[str, Any]]:
        """Yield the points of a meter in `[from_ms, to_ms)`, ascending; a slice in memory at most."""
        tag = "driver" if table == "drivers_1h" else "meter"
        floats = {name for name, kind in self._types(table).items() if kind == "float"}
        step = SLICE_MS if table == "readings" else WIDE_SLICE_MS
        for start in range(from_ms, to_ms, step):
            where = f"\"meter\" = '{series}' AND \"site\" = '{self._site}' AND time >= {start}ms AND time < {min(start + step, to_ms)}ms"
            names, rows = self._rows(f'SELECT * FROM "{table}" WHERE {where}')  # noqa: S608 - ids and our own names
            for row in rows:
                point = {tag: series, "t": row[0], **dict(zip(names[1:], row[1:], strict=True))}
                point.pop("site", None)
                # JSON of the server writes the float 50.0 as 50.
                yield {name: float(value) if name in floats and isinstance(value, int) else value for name, value in point.items()}

    def _types(self, table: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self._rows(f'SHOW FIELD KEYS FROM "{table}"')[1]}

    def _rows(self, query: str) -> tuple[Sequence[str], list[Sequence[Any]]]:
        found = self._influxql.ask(query)
        return (found[0].columns, [row for series in found for row in series.rows]) if found else ((), [])
