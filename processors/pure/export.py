"""What leaves the store for scripts and spreadsheets: spans as people write them, stored points as rows.

Readings become long rows, one per quantity; every other table keeps one row per point, with `t_ms` = start of the interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from driftwatt.errors import ConfigError
from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Quality
from processors.pure.calendar import day_start_ms
from processors.pure.outputs import MAX_REV_MS

TABLES = ("readings", "energy_15m", "energy_1h", "energy_1d", "expected_15m", "drivers_1h", "events")
READING_COLUMNS = ("meter", "t_ms", "quantity", "value", "quality")
Row = dict[str, Any]


def instant(text: str, zone: tzinfo, key: str) -> int:
    """Return UTC ms of an RFC 3339 instant, or of the first moment of a date in `zone`. Raises ConfigError naming `key`."""
    try:
        if len(text) == len("2026-11-25"):
            return day_start_ms(zone, date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return (moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        allowed = "a date such as 2026-11-25, or an instant with its offset such as 2026-11-25T06:00:00+07:00"
        raise ConfigError("not an instant", key=key, found=repr(text), allowed=allowed) from None


def long_rows(points: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield one row per quantity of each stored reading; a quantity that was asked for and has no number has an empty value."""
    uncertain = int(Quality.CLOCK_UNCERTAIN)
    names: tuple[str, ...] = ()
    pairs: list[tuple[str, str]] = []
    for point in points:
        if tuple(point) != names:
            names = tuple(point)
            pairs = [(each, f"{each}_q") for each in QUANTITIES if each in point or f"{each}_q" in point]
        clock = int(point.get("q") or 0) & uncertain
        for quantity, doubted in pairs:
            value, doubt = point.get(quantity), point.get(doubted)
            if value is not None or doubt:
                quality = int(doubt or 0) | clock
                yield {"meter": point["meter"], "t_ms": point["t"], "quantity": quantity, "value": value, "quality": quality}


def interval_rows(points: Iterable[Mapping[str, Any]], span: tuple[int, int], *, every_rev: bool) -> Iterator[Row]:
    """Yield intervals that start in `span` as wide rows, the newest revision of each unless `every_rev`.

    Points come ascending by meter and time, so that the revisions of one interval follow each other.
    """
    last: Row | None = None
    for point in points:
        row = {"meter": point["meter"], "t_ms": int(point["start_ms"])}
        row |= {name: value for name, value in point.items() if name not in ("meter", "t", "start_ms")}
        if last is not None and (every_rev or (last["meter"], last["t_ms"]) != (row["meter"], row["t_ms"])):
            yield last
        last = row if span[0] <= row["t_ms"] < span[1] else None
    if last is not None:
        yield last


def rows(table: str, points: Iterable[Mapping[str, Any]], span: tuple[int, int], *, every_rev: bool = False) -> Iterator[Row]:
    """Yield the rows of a table from its stored points."""
    if table == "readings":
        yield from long_rows(points)
    elif table.startswith("energy_"):
        yield from interval_rows(points, span, every_rev=every_rev)
    else:
        for point in points:
            yield {"t_ms" if name == "t" else name: value for name, value in point.items()}


def reach(table: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return in which span of stored times the points of `span` lie: a revision stands behind the start of its interval."""
    return (span[0], span[1] + MAX_REV_MS) if table.startswith("energy_") else span
