"""Closed intervals as columns of floats and back. A time is the start plus the revision in ms; no number is NaN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import repeat

import numpy as np

from processors.pure.columns import Floats, Times
from processors.pure.outputs import IntervalEnergy

INTERVAL_FIELDS = tuple(each.name for each in fields(IntervalEnergy) if each.name not in ("meter", "kind", "start_ms", "end_ms", "quality"))
INTERVAL_FIELDS = ("length_ms", "q", *INTERVAL_FIELDS)
"""What a point of a closed interval holds beside its time."""
_WHOLE = ("length_ms", "q", "rev")


@dataclass(frozen=True, slots=True)
class EnergyColumns:
    """Imported energy of many intervals of one meter: `starts` in UTC ms, ascending, and `import_wh` beside them."""

    starts: Times
    import_wh: Floats


def energy_columns(pairs: Iterable[tuple[int, float]]) -> EnergyColumns:
    """Return intervals (start ms, Wh) as columns; of one start the last counts.

    >>> energy_columns([(0, 1.0), (900000, 2.0), (900000, 3.0)]).import_wh.tolist()
    [1.0, 3.0]
    """
    newest = dict(pairs)
    return EnergyColumns(np.array(list(newest), np.int64), np.array(list(newest.values()), np.float64))


def interval_values(interval: IntervalEnergy) -> dict[str, float]:
    """Return what a point of an interval holds; what has no number is left out."""
    said = {name: getattr(interval, name) for name in INTERVAL_FIELDS[2:]}
    values = {name: value for name, value in said.items() if value is not None}
    return {"length_ms": interval.end_ms - interval.start_ms, "q": interval.quality, **values}


def newest(times: Times, columns: Mapping[str, Floats], from_ms: int, to_ms: int) -> tuple[Times, dict[str, Floats]]:
    """Return starts and columns of the newest revision of each interval that starts in `[from_ms, to_ms)`.

    `times` ascend, so that the revisions of an interval follow each other; `columns` has `rev`.
    """
    starts = times - columns["rev"].astype(np.int64)
    last = np.ones(len(starts), bool)
    last[:-1] = starts[1:] != starts[:-1]
    last &= (starts >= from_ms) & (starts < to_ms)
    return starts[last], {name: column[last] for name, column in columns.items()}


def intervals_of(kind: str, meter: str, found: tuple[Times, dict[str, Floats]]) -> list[IntervalEnergy]:
    """Return intervals from their starts and columns."""
    starts, columns = found
    lists = {name: column.astype(np.int64).tolist() if name in _WHOLE else numbers(column) for name, column in columns.items()}
    ends = (starts + columns["length_ms"].astype(np.int64)).tolist()
    middle = [lists[name] for name in INTERVAL_FIELDS[2:-1]]
    columns_in_order = (starts.tolist(), ends, *middle, lists["q"], lists["rev"])
    return list(map(IntervalEnergy, repeat(meter), repeat(kind), *columns_in_order))


def numbers(column: Floats) -> list[float | None]:
    """Return a column as Python numbers, None where there is none."""
    if not np.isnan(column).any():
        return column.tolist()  # type: ignore[no-any-return]
    return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 - NaN is no number
