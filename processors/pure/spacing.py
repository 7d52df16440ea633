"""Whether the rows of a history keep their distance: a file that goes from quarter-hours to hours is told, not guessed at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from processors.pure.csv_rows import Row
from processors.pure.event_lines import Line, iso

RUN = 8
"""So many equal distances in a row are another interval; fewer are holes."""


class Spacing:
    """Watches the distances of rows that pass, and tells of them among the lines that follow from those rows."""

    def __init__(self, meter: str, step_ms: int) -> None:
        self._told: list[Line] = []
        self._meter, self._step_ms = meter, step_ms

    def watch(self, found: Iterable[Row]) -> Iterator[Row]:
        """Let rows pass and look at them."""
        before: Row | None = None
        first, other_ms, count = 0, 0, 0
        for row in found:
            distance_ms = self._step_ms if before is None else row.start_ms - before.start_ms
            if distance_ms == self._step_ms or distance_ms <= 0:
                count = 0
            elif distance_ms != other_ms or not count:
                first, other_ms, count = row.line, distance_ms, 1
            else:
                count += 1
                if count == RUN:
                    self._tell(row, first, other_ms)
                    count = 0
            before = row
            yield row

    def among(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yield lines, before each what was seen of the rows up to it."""
        for line in lines:
            yield from self._taken()
            yield line
        yield from self._taken()

    def _taken(self) -> list[Line]:
        told, self._told = self._told, []
        return told

    def _tell(self, row: Row, first: int, other_ms: int) -> None:
        minutes = {"minutes": other_ms / 60_000, "before": self._step_ms / 60_000}
        head = {"type": "data", "state": "opened", "reason": "interval_changed", "meter": self._meter, "at": iso(row.start_ms)}
        self._told.append({**head, "detail": {"line": first, **{name: round(value, 3) for name, value in minutes.items()}}})
        self._step_ms = other_ms
