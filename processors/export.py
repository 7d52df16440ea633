"""`driftwatt export` at work: which store, which series, one row after the other to a stream."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from config.loader import load_plant
from config.plant import PlantFile
from driftwatt.clock import SystemClock
from driftwatt.errors import ConfigError
from processors.adapters.stored import Tables, tables_of
from processors.pure import export
from processors.pure.export import READING_COLUMNS

TOLD_EVERY_S = 0.5
PATIENCE_S = 2.0
"""Work that takes longer shows how far it is."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; `begin` and `end` as people write them, the end not included."""

    table: str
    begin: str
    end: str
    meter: str | None = None
    form: str = "csv"
    all_revs: bool = False


def run(file: Path, wish: Wish, out: IO[str], *, bar: bool) -> int:
    """Write the rows and return how many. Raises ConfigErrors, Unavailable, MissingExtra."""
    plant = load_plant(file)
    zone = ZoneInfo(plant.plant.timezone)
    span = export.instant(wish.begin, zone, "--from"), export.instant(wish.end, zone, "--to")
    if span[0] >= span[1]:
        raise ConfigError("the span is empty", key="--to", found=wish.end, allowed="later than --from; the end itself is not included")
    tables = tables_of(plant, file)
    series = _series(tables, plant, wish)
    first, last = export.reach(wish.table, span)
    told = _Told(len(series), span, shown=bar)
    columns = _columns(tables, wish.table)
    write = _jsonl(out) if wish.form == "jsonl" else _csv(out, columns)
    for number, name in enumerate(series):
        points = told.watched(number, tables.points(wish.table, name, first, last))
        for row in export.rows(wish.table, points, span, every_rev=wish.all_revs):
            write(row)
            told.count += 1
    out.flush()
    told.end()
    return told.count


def _series(tables: Tables, plant: PlantFile, wish: Wish) -> list[str]:
    found = tables.series(wish.table)
    if wish.meter is None:
        return found
    known = {*found, *(meter.id for meter in plant.meter), *(driver.id for driver in plant.driver)}
    if wish.meter not in known:
        raise ConfigError("nothing of that name is stored or listed", key="--meter", found=wish.meter, allowed=", ".join(sorted(known)))
    return [wish.meter]


def _columns(tables: Tables, table: str) -> tuple[str, ...]:
    if table == "readings":
        return READING_COLUMNS
    names = ["t_ms" if name == "t" else name for name in tables.columns(table) if name != "start_ms"]
    return tuple(names)


def _csv(out: IO[str], columns: tuple[str, ...]) -> Any:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    return lambda row: writer.writerow([row.get(name) for name in columns])


def _jsonl(out: IO[str]) -> Any:
    def write(row: Mapping[str, Any]) -> None:
        out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")

    return write


class _Told:
    """A bar on standard error once the work takes longer than two seconds."""

    def __init__(self, series: int, span: tuple[int, int], *, shown: bool) -> None:
        self.count = 0
        self._series, self._span, self._shown = max(series, 1), span, shown
        self._clock = SystemClock()
        self._next_s = self._clock.monotonic_s() + PATIENCE_S
        self._drawn = False

    def watched(self, number: int, points: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield the points of the series `number` and show how far they are."""
        for point in points:
            if self._shown and self._clock.monotonic_s() >= self._next_s:
                within = (point["t"] - self._span[0]) / (self._span[1] - self._span[0])
                self._draw((number + min(1.0, max(0.0, within))) / self._series)
            yield point

    def end(self) -> None:
        """Leave the last line as it is."""
        if self._drawn:
            self._draw(1.0)
            print(file=sys.stderr)

    def _draw(self, share: float) -> None:
        filled = round(30 * share)
        print(f"\rexport [{'#' * filled}{'.' * (30 - filled)}] {self.count} rows", end="", file=sys.stderr, flush=True)
        self._drawn = True
        self._next_s = self._clock.monotonic_s() + TOLD_EVERY_S
