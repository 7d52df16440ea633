"""The embedded store: time series in one SQLite file, with the names of docs/store.md.

Readings and quarter-hours lie packed (processors.adapters.packed); hours, days and events are rows that any program
can read. Points are added, never replaced: the first of a (meter, time) stays, so that writing again changes nothing.
One connection writes, in one thread at a time; readers of the page use connections of their own.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from driftwatt.alerts import Alert
from driftwatt.errors import PartialWrite
from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Quality, Reading
from processors.adapters import mending, packed
from processors.adapters.database import beside, snapshot, told, transaction, written
from processors.adapters.migration import EMPTY, brought_up_to_date
from processors.adapters.packing import Packing
from processors.adapters.rollups import Rollups
from processors.adapters.shelves import Draft
from processors.pure.columns import Floats, Times
from processors.pure.flat import event_fields, event_times
from processors.pure.interval_columns import INTERVAL_FIELDS, EnergyColumns, interval_values, intervals_of, newest, numbers
from processors.pure.outputs import MAX_REV_MS, DriverHour, ExpectedPower, IntervalEnergy
from processors.pure.runs import between, merged
from processors.pure.whole import whole_reading

SAME_INSTANT = "another reading of this meter stands at the same millisecond"
MAX_LATE_MS = 3_600_000
"""A day is packed so long after its end."""
KINDS = ("15m", "1h", "1d")
FORGET_CHUNKS, SHRINK_PAGES = 50, 500
"""So much leaves in one step of housekeeping: what has to be written in the meantime waits for no more than this."""
SPARE = 20
"""One page of so many may be free, for what comes."""
UNREADABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""What SQLite says at the start of a file whose bytes were changed."""
_UNCERTAIN = int(Quality.CLOCK_UNCERTAIN)
_EXPECTED = ("w", "lo", "hi")
_T = TypeVar("_T")


class SqliteStore:
    """See processors.ports.SeriesStore. A file of an earlier version is migrated when it is opened.

    One that cannot be read is set aside; what can be read of it goes on, and the ledger says what is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with told("store"):
            try:
                self._open(path)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in UNREADABLE:
                    raise
                mending.mended(path, EMPTY, str(error), secrets.token_hex(4))
                self._open(path)
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def _open(self, path: Path) -> None:
        brought_up_to_date(path)
        self._db = written(path)
        try:
            self._db.executescript(packed.SCHEMA)
            self._rollups = Rollups(self._db)
            self._packing = Packing(self._db)
        except BaseException:
            self._db.close()
            raise

    def write_readings(self, readings: Sequence[Reading]) -> None:
        """See SeriesStore."""
        with self._writing() as draft:
            self._draw(readings, draft)
        if draft.refused:
            raise PartialWrite(dict.fromkeys(draft.refused, SAME_INSTANT))

    def write_intervals(self, intervals: Sequence[IntervalEnergy]) -> None:
        """See SeriesStore."""
        with self._writing() as draft:
            self._rollups.add([interval for interval in intervals if interval.kind != "15m"])
            for interval in intervals:
                if interval.kind == "15m":
                    said = interval_values(interval)
                    shelf, shape = self._packing.shelf("energy_15m", interval.meter), self._packing.shape(tuple(said))
                    first, *rest = said.values()
                    draft.add(shelf, interval.start_ms + interval.rev, shape, first, rest)

    def write_expected(self, points: Sequence[ExpectedPower]) -> None:
        """See SeriesStore."""
        with self._writing() as draft:
            shape = self._packing.shape(_EXPECTED)
            for each in points:
                draft.add(self._packing.shelf("expected_15m", each.meter), each.start_ms, shape, each.w, (each.lo, each.hi))

    def write_drivers(self, hours: Sequence[DriverHour]) -> None:
        """See SeriesStore."""
        with self._writing():
            self._rollups.add_drivers(hours)

    def write_events(self, alerts: Sequence[Alert]) -> None:
        """See SeriesStore."""
        with self._writing():
            self._rollups.add_events((alert.meter, t_ms, event_fields(alert)) for t_ms, alert in event_times(alerts))

    def readings(self, meter: str, quantity: str, from_ms: int, to_ms: int) -> list[tuple[int, float, int]]:
        """See SeriesStore."""
        if quantity not in QUANTITIES:
            return []
        times, (values, doubts, all_doubts) = self._points("readings", meter, (from_ms, to_ms), (quantity, f"{quantity}_q", "q"))
        there = ~np.isnan(values)
        doubt = np.nan_to_num(doubts[there]).astype(np.int64) | (np.nan_to_num(all_doubts[there]).astype(np.int64) & _UNCERTAIN)
        return list(zip(times[there].tolist(), values[there].tolist(), doubt.tolist(), strict=True))

    def whole_readings(self, meter: str, from_ms: int, to_ms: int, limit: int) -> list[Reading]:
        """See SeriesStore."""
        waiting = self._packing.waiting("readings", meter)

        def first(db: sqlite3.Connection) -> list[Reading]:
            names = {number: name for name, number in packed.fields(db).items()}
            chunks, end_ms = packed.first_points(db, packed.number_of(db, "readings", meter), (from_ms, to_ms), limit)
            times, columns = between(merged([*chunks, *waiting]), from_ms, end_ms)
            said = {names[number]: numbers(column[:limit]) for number, column in columns.items()}
            bits = said.pop("q", [])
            rows = zip(times[:limit].tolist(), bits, *said.values(), strict=True)
            return [whole_reading(meter, t_ms, int(q), dict(zip(said, values, strict=True))) for t_ms, q, *values in rows]

        return self._read(first)

    def intervals(self, kind: str, meter: str, from_ms: int, to_ms: int) -> list[IntervalEnergy]:
        """See SeriesStore."""
        if kind not in KINDS:
            return []
        if kind != "15m":
            return self._read(lambda db: Rollups.intervals(db, kind, meter, from_ms, to_ms))
        times, columns = self._points("energy_15m", meter, (from_ms, to_ms + MAX_REV_MS), INTERVAL_FIELDS)
        return intervals_of(kind, meter, newest(times, dict(zip(INTERVAL_FIELDS, columns, strict=True)), from_ms, to_ms))

    def energy(self, kind: str, meters: Collection[str], from_ms: int, to_ms: int) -> Mapping[str, EnergyColumns]:
        """See SeriesStore."""
        if kind not in KINDS:
            return {}
        if kind != "15m":
            return self._read(lambda db: Rollups.energy(db, kind, meters, from_ms, to_ms))

        out = {}
        for meter in meters:
            times, columns = self._points("energy_15m", meter, (from_ms, to_ms + MAX_REV_MS), ("rev", "import_wh"))
            starts, found = newest(times, dict(zip(("rev", "import_wh"), columns, strict=True)), from_ms, to_ms)
            out[meter] = EnergyColumns(starts, found["import_wh"])
        return out

    def expected(self, meter: str, from_ms: int, to_ms: int) -> list[ExpectedPower]:
        """See SeriesStore."""
        times, columns = self._points("expected_15m", meter, (from_ms, to_ms), _EXPECTED)
        rows = zip(times.tolist(), *(column.tolist() for column in columns), strict=True)
        return [ExpectedPower(meter, *row) for row in rows]

    def keep_house(self, now_ms: int, raw_before_ms: int) -> int:
        """Do one short step of what is due: remove raw readings past their keeping, pack what is over, give free space back.

        Returns how many points or pages it moved, 0 when nothing is due. Writes may come between two steps.
        """
        try:
            with told("store"):
                return (
                    self.forget_readings(raw_before_ms)
                    or self._packing.pack_all(now_ms - MAX_LATE_MS)
                    or self._packing.chunks.tidy(self._packing.every(), now_ms - MAX_LATE_MS)
                    or self._packing.shrink(SHRINK_PAGES, spare=SPARE)
                )
        except BaseException:
            self._packing.forget()
            raise

    def forget_readings(self, before_ms: int) -> int:
        """Remove some raw readings older than an instant and return how many, 0 when none is left; what was derived from them stays.

        They leave by whole chunks, at most a day each: when the last reading of a chunk is older.
        """
        with told("store"):
            return self._packing.chunks.drop(self._packing.shelves["readings"].values(), before_ms, FORGET_CHUNKS)

    def close(self) -> None:
        """See SeriesStore."""
        with self._lock:
            for reader in self._idle:
                reader.close()
            self._idle.clear()
        self._db.close()

    def _draw(self, readings: Sequence[Reading], draft: Draft) -> None:
        packing, shelves = self._packing, self._packing.shelves["readings"]
        for reading in readings:
            shelf = shelves.get(reading.meter) or packing.shelf("readings", reading.meter)
            values = reading.values
            if not reading.doubt:
                shape = packing.shape(("q", *values))
                draft.add(shelf, reading.t_ms, shape, 0.0 if reading.clock == "ok" else _UNCERTAIN, values.values())
            else:
                bits = {f"{quantity}_q": each for quantity, each in reading.doubt.items() if each}
                shape = packing.shape(("q", *values, *bits))
                draft.add(shelf, reading.t_ms, shape, reading.quality, (*values.values(), *bits.values()))

    def _points(self, table: str, meter: str, span: tuple[int, int], names: Sequence[str]) -> tuple[Times, list[Floats]]:
        """Return times and one column for each name, NaN where a point has none."""
        waiting = self._packing.waiting(table, meter)

        def points(db: sqlite3.Connection) -> tuple[Times, list[Floats]]:
            ids = packed.fields(db)
            chunks = packed.packed_points(db, packed.number_of(db, table, meter), span, {ids[name] for name in names if name in ids})
            times, columns = between(merged([*chunks, *waiting]), *span)
            nothing = np.full(len(times), np.nan)
            return times, [columns.get(ids.get(name, 0), nothing) for name in names]

        return self._read(points)

    def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with told("store"):
            with self._lock:
                reader = self._idle.pop() if self._idle else None
            reader = reader or beside(self._path)
            try:
                with snapshot(reader):
                    return work(reader)
            finally:
                with self._lock:
                    self._idle.append(reader)

    @contextmanager
    def _writing(self) -> Iterator[Draft]:
        draft = Draft(self._packing.chunks.said)
        try:
            with told("store"):
                with transaction(self._db):
                    yield draft
                    self._packing.append(draft)
                self._packing.settled(draft)
        except BaseException:
            self._packing.forget()
            self._rollups.forget()
            raise
