"""The days of a history that its page draws: two numbers a day, gathered from rows that pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from processors.pure.csv_rows import HOUR_MS, Row
from processors.pure.detector_state import VALID_HOURS


@dataclass(slots=True)
class Days:
    """Mean kW and base load of each valid local day; a row lasts `step_ms`, or until the next one where that is earlier."""

    zone: tzinfo
    kwh: bool
    step_ms: int
    means: dict[int, tuple[float, float]] = field(default_factory=dict)
    _day: int = 0
    _parts: list[tuple[float, int]] = field(default_factory=list)

    def watch(self, found: Iterable[Row]) -> Iterator[Row]:
        """Let rows pass and look at them; of two rows for one instant the last counts."""
        held, length_ms = None, self.step_ms
        for row in found:
            if held is not None and row.start_ms > held.start_ms:
                length_ms = min(self.step_ms, row.start_ms - held.start_ms)
                self._take(held, length_ms)
            held = row
            yield row
        if held is not None:
            self._take(held, length_ms)
        self._close()

    def _take(self, row: Row, length_ms: int) -> None:
        if row.value is None or row.quality:
            return
        day = datetime.fromtimestamp(row.start_ms / 1000, self.zone).toordinal()
        if day != self._day:
            self._close()
            self._day = day
        self._parts.append((row.value * HOUR_MS / length_ms if self.kwh else row.value, length_ms))

    def _close(self) -> None:
        """Keep what the day in hand comes to, if it is a valid one: the mean, and the mean of its lowest quarter."""
        if sum(length_ms for _, length_ms in self._parts) >= VALID_HOURS * HOUR_MS:
            lowest = sorted(self._parts)[: max(1, len(self._parts) // 4)]
            self.means[self._day] = _mean(self._parts), _mean(lowest)
        self._parts = []


def _mean(parts: Iterable[tuple[float, int]]) -> float:
    parts = list(parts)
    return sum(kw * length_ms for kw, length_ms in parts) / sum(length_ms for _, length_ms in parts)
