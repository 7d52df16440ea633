"""Interval data as CSV: one row per interval in ascending order, header first.

| column | meaning |
|---|---|
| `timestamp` | required; ISO 8601 with `Z` or offset; start of the interval |
| `value` | required; kWh in the interval, or mean kW; empty = missing |
| `temp` | optional, outdoor °C |
| `holiday` | optional 0/1, of the local date |
| `production` | optional, units made in the interval |
| `quality` | optional: good, estimated, missing, suspect |

Unknown columns are ignored. What cannot be read raises RowError with its line and the reason.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Literal, NamedTuple

from driftwatt.readings import Quality

Unit = Literal["kwh", "kw"]
HOUR_MS = 3_600_000
QUALITIES = {"": 0, "good": 0, "estimated": int(Quality.ESTIMATED), "missing": int(Quality.MISSING), "suspect": int(Quality.STUCK)}
MOST_VALUE, MOST_TEMPERATURE = 1e12, 1e3
"""Beyond these a number is no energy, power or production, and no temperature: the column or its unit is wrong."""
MOST_LINE = 1 << 16
_REMEMBERED = 5000
_EPOCH = date(1970, 1, 1).toordinal()
_PLAIN_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?=T|\s)")
_OTHER_SEPARATOR = re.compile(r"[;\t|]")
_MISSING = {"", "nan", "NaN", "NA", "null"}


class RowError(ValueError):
    """A line that cannot be taken: 1-based `line`, `reason` for people."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line, self.reason = line, reason


class Row(NamedTuple):
    """One interval: `start_ms` UTC, `value` as written (kWh or kW), None when missing."""

    line: int
    start_ms: int
    value: float | None
    temperature: float | None = None
    production: float | None = None
    holiday: bool = False
    quality: int = 0

    def same(self, other: Row) -> bool:
        """Tell whether two rows of one instant say the same."""
        return self.value == other.value and self.quality == other.quality


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of a CSV in file order. Raises RowError.

    >>> [row.value for row in rows(["timestamp,value,note", "2026-03-01T00:00:00Z,1.5,x", "2026-03-01T07:15:00+07:00,,y"])]
    [1.5, None]
    """
    reader = csv.reader(lines)
    try:
        header = next(reader, None)
        if not header:
            raise RowError(1, "the file is empty; its first line names the columns")
        take = _taker(header)
        for cells in reader:
            if cells:
                yield take(reader.line_num, cells)
    except csv.Error as error:
        raise RowError(reader.line_num, f"not CSV: {error}") from error


def interval_ms(first: Sequence[Row], told_ms: int | None = None) -> int:
    """Return the interval: the one that was told, else the most frequent distance of rows, the shorter of equals.

    Without distances it is a quarter-hour. Raises RowError for one that does not divide an hour, and where rows stand
    closer than what was told; wider is a file with holes.

    >>> rows = [Row(2, 0, 1.0), Row(3, 900_000, 1.0), Row(4, 1_800_000, 1.0), Row(5, 9_900_000, 1.0)]
    >>> interval_ms(rows), interval_ms(rows, told_ms=300_000)
    (900000, 300000)
    >>> interval_ms(rows, told_ms=3_600_000)
    Traceback (most recent call last):
    processors.pure.csv_rows.RowError: line 2: rows are mostly 15 minutes apart, not 60 as --interval says
    """
    steps = Counter(b.start_ms - a.start_ms for a, b in pairwise(first) if b.start_ms > a.start_ms)
    if not steps:
        return told_ms or 900_000
    step = min(steps, key=lambda each: (-steps[each], each))
    if told_ms is not None:
        if step % told_ms:
            raise RowError(first[0].line, f"rows are mostly {step / 60_000:g} minutes apart, not {told_ms / 60_000:g} as --interval says")
        return told_ms
    if HOUR_MS % step:
        raise RowError(first[0].line, f"rows are mostly {step / 60_000:g} minutes apart; intervals must divide an hour")
    return step


def _taker(header: Sequence[str]) -> Callable[[int, list[str]], Row]:
    names = [name.strip().lower() for name in header]
    for name in ("timestamp", "value"):
        if name not in names:
            other = "; cells are separated by commas" if len(names) == 1 and _OTHER_SEPARATOR.search(header[0]) else ""
            raise RowError(1, f"column {name!r} is missing; found {', '.join(names)}{other}")
    at, value = names.index("timestamp"), names.index("value")
    temp, production, holiday, quality = (
        names.index(name) if name in names else -1 for name in ("temp", "production", "holiday", "quality")
    )
    least, most = max(at, value, temp, production, holiday, quality) + 1, len(names)
    clock = _Clock()

    def take(line: int, cells: list[str]) -> Row:
        if len(cells) < least or (len(cells) > most and any(cells[most:])):
            comma = "; is there a decimal comma?" if len(cells) > most else ""
            raise RowError(line, f"has {len(cells)} cells, {most} columns are named{comma}")
        return Row(
            line,
            clock.instant_ms(cells[at], line),
            _number(cells[value], line, "value", MOST_VALUE),
            _number(cells[temp], line, "temp", MOST_TEMPERATURE) if temp >= 0 else None,
            _number(cells[production], line, "production", MOST_VALUE) if production >= 0 else None,
            holiday >= 0 and _flag(cells[holiday], line),
            _quality(cells[quality], line) if quality >= 0 else 0,
        )

    return take


class _Clock:
    """Instants as written, remembered in two halves: few dates and few times of day make up a year.

    Only text that was read with care before is put together from halves, and only when its date is 10 characters.
    """

    def __init__(self) -> None:
        self._dates: dict[str, int] = {}
        self._times: dict[str, int] = {}

    def instant_ms(self, text: str, line: int) -> int:
        """Return an instant as UTC ms. Raises RowError."""
        try:
            return self._dates[text[:10]] + self._times[text[10:]]
        except KeyError:
            return self._learned(text, line)

    def _learned(self, text: str, line: int) -> int:
        t_ms = instant_ms(text, line)
        match = _PLAIN_DATE.match(text)
        if match is not None:
            day_ms = (date.fromisoformat(match[0]).toordinal() - _EPOCH) * 24 * HOUR_MS
            for known in (self._dates, self._times):
                if len(known) >= _REMEMBERED:
                    known.clear()
            self._dates[text[:10]], self._times[text[10:]] = day_ms, t_ms - day_ms
        return t_ms


def instant_ms(text: str, line: int) -> int:
    """Return an ISO 8601 instant as UTC ms. Raises RowError, also when it has neither `Z` nor an offset.

    >>> instant_ms("2026-03-01T07:00:00+07:00", 2) == instant_ms("2026-03-01T00:00:00Z", 2)
    True
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RowError(line, f"timestamp {text!r} is not ISO 8601") from None
    if at.tzinfo is None:
        raise RowError(line, f"timestamp {text!r} has neither Z nor an offset")
    t_ms = round(at.timestamp() * 1000)
    if t_ms < 0:
        raise RowError(line, f"timestamp {text!r} lies before 1970")
    return t_ms


def _number(text: str, line: int, name: str, most: float) -> float | None:
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if -most <= value <= most:
        return value
    if text.strip() in _MISSING:
        return None
    problem = "is beyond what a meter counts" if math.isfinite(value) else "is not a number"
    raise RowError(line, f"{name} {text!r} {problem}")


def _flag(text: str, line: int) -> bool:
    if text in {"0", "", "1"}:
        return text == "1"
    if text.strip().lower() in {"0.0", "false", "1.0", "true"}:
        return text.strip().lower() in {"1.0", "true"}
    raise RowError(line, f"holiday {text!r} is neither 0 nor 1")


def _quality(text: str, line: int) -> int:
    found = QUALITIES.get(text.strip().lower())
    if found is None:
        raise RowError(line, f"quality {text!r} is none of {', '.join(filter(None, QUALITIES))}")
    return found
