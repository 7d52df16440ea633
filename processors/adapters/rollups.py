"""The tables of the embedded store that stay plain rows: hours, days, drivers, events. Any program can read them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from processors.pure.interval_columns import EnergyColumns, energy_columns
from processors.pure.outputs import MAX_REV_MS, DriverHour, IntervalEnergy

ROLLUPS = ("1h", "1d")
_COLUMNS = tuple(field.name for field in fields(IntervalEnergy) if field.name not in ("meter", "kind"))
SCHEMA = """
CREATE TABLE IF NOT EXISTS drivers_1h (driver TEXT, t INT, value REAL, coverage REAL, PRIMARY KEY (driver, t)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (meter TEXT, t INT, alert TEXT, PRIMARY KEY (meter, t, alert)) WITHOUT ROWID;
""" + "".join(
    f"CREATE TABLE IF NOT EXISTS energy_{kind} (meter TEXT, t INT, start_ms INT, end_ms INT, import_wh REAL, export_wh REAL,"
    " import_varh REAL, export_varh REAL, peak_w REAL, cost REAL, co2e_g REAL, coverage REAL, q INT, rev INT,"
    " PRIMARY KEY (meter, t)) WITHOUT ROWID;\n"
    for kind in ROLLUPS
)
_MARKS = ", ".join("?" * (2 + len(_COLUMNS)))


class Rollups:
    """The writing side, on the store's one connection; the reading side takes any connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(SCHEMA)
        self.forget()

    def forget(self) -> None:
        """Read anew which columns events have."""
        self._events = {row[1] for row in self._db.execute("PRAGMA table_info(events)")}

    def add(self, intervals: Sequence[IntervalEnergy]) -> None:
        """Add hours and days; one that is there stays."""
        for kind in ROLLUPS:
            rows = [_row(interval) for interval in intervals if interval.kind == kind]
            self._db.executemany(f"INSERT OR IGNORE INTO energy_{kind} VALUES ({_MARKS})", rows)  # noqa: S608 - closed list of kinds

    def add_drivers(self, hours: Sequence[DriverHour]) -> None:
        """Add hours of drivers; one that is there stays."""
        self._db.executemany("INSERT OR IGNORE INTO drivers_1h VALUES (?, ?, ?, ?)", hours)

    def add_events(self, events: Iterable[tuple[str, int, Mapping[str, Any]]]) -> None:
        """Add events (meter, t_ms, fields); a column appears when a field first does."""
        for meter, t_ms, said in events:
            flat = {"meter": meter, "t": t_ms, **said}
            for column in flat.keys() - self._events:
                self._db.execute(f'ALTER TABLE events ADD COLUMN "{column}"')
                self._events.add(column)
            names = ", ".join(f'"{column}"' for column in flat)
            marks = ", ".join("?" * len(flat))
            self._db.execute(f"INSERT OR IGNORE INTO events ({names}) VALUES ({marks})", tuple(flat.values()))  # noqa: S608 - names of our fields

    @staticmethod
    def intervals(db: sqlite3.Connection, kind: str, meter: str, from_ms: int, to_ms: int) -> list[IntervalEnergy]:
        """Return the newest revision of each interval that starts in `[from_ms, to_ms)`, ascending."""
        sql = f"SELECT * FROM energy_{kind} WHERE meter = ? AND t >= ? AND t < ? ORDER BY t"  # noqa: S608 - closed list of kinds
        newest = {row[2]: row for row in db.execute(sql, (meter, from_ms, to_ms + MAX_REV_MS))}
        return [
            IntervalEnergy(meter, kind, *row[2:])  # type: ignore[arg-type]  # the caller took kind from the closed list
            for start_ms, row in newest.items()
            if from_ms <= start_ms < to_ms
        ]

    @staticmethod
    def energy(db: sqlite3.Connection, kind: str, meters: Collection[str], from_ms: int, to_ms: int) -> dict[str, EnergyColumns]:
        """Return starts and imported energy of the newest revisions."""
        sql = f"SELECT start_ms, import_wh FROM energy_{kind} WHERE meter = ? AND t >= ? AND t < ? ORDER BY t"  # noqa: S608 - closed list of kinds
        out = {}
        for meter in meters:
            found = db.execute(sql, (meter, from_ms, to_ms + MAX_REV_MS)).fetchall()
            out[meter] = energy_columns(pair for pair in found if from_ms <= pair[0] < to_ms)
        return out


def _row(interval: IntervalEnergy) -> tuple[object, ...]:
    return (interval.meter, interval.start_ms + interval.rev, *(getattr(interval, name) for name in _COLUMNS))
