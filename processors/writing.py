"""Into the store, until it is done: readings, and what the engine made of them. What it will never take is told."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from driftwatt.errors import PartialWrite
from driftwatt.readings import Reading
from driftwatt.wire import row_bytes
from processors.patience import Patience
from processors.ports import SeriesStore
from processors.pure.commit import SetAside
from processors.pure.intake import DAY_MS, Intake, Taken
from processors.pure.products import Products

_METER, _T_MS = attrgetter("meter"), attrgetter("t_ms")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Writing:
    """Writes to one store with the patience of its thread."""

    store: SeriesStore
    patience: Patience

    async def readings(self, taken: Taken, intake: Intake, word: str, now_ms: int) -> list[Reading]:
        """Store, count (under `word`) and return the readings that the store took; set aside those that it never will."""
        rejected = await self._written(self.store.write_readings, [*taken.readings, *taken.again])
        accepted = [reading for at, reading in enumerate(taken.readings) if at not in rejected] if rejected else taken.readings
        again = [reading for at, reading in enumerate(taken.again, len(taken.readings)) if at not in rejected]
        books = taken.commit.books
        for what, stored in ((word, accepted), ("replayed", again)):
            for day, meters in _by_day(stored):
                for meter, count in Counter(meters).items():
                    books[meter, intake.day(day * DAY_MS), what] += count
        for at, message in rejected.items():
            reading, counted = (taken.readings + taken.again)[at], at < len(taken.readings)
            raw = row_bytes(reading).decode()
            taken.commit.set_aside.append(SetAside(now_ms, "store", message, raw, meter=reading.meter, t_ms=reading.t_ms, counted=counted))
            if counted:
                books[reading.meter, intake.day(reading.t_ms), "quarantined"] += 1
        return accepted

    async def products(self, products: Products) -> None:
        """Store what follows from readings; a point that the store will never take is only logged."""
        for write, points in (
            (self.store.write_intervals, products.intervals),
            (self.store.write_expected, products.expected),
            (self.store.write_drivers, products.drivers),
            (self.store.write_events, products.events),
        ):
            for at, message in (await self._written(write, points)).items():
                log.warning("store refuses a derived point for ever: %s: %s", points[at], message)

    async def _written(self, write: Callable[[Sequence[Any]], None], points: Sequence[Any]) -> dict[int, str]:
        """Write until it is done; return which points will never be taken, and why."""
        if not points:
            return {}
        try:
            await self.patience.until_done(write, points)
        except PartialWrite as partial:
            return partial.rejected
        return {}


def _by_day(readings: Sequence[Reading]) -> Iterator[tuple[int, Iterable[str]]]:
    """Yield the UTC days of readings, each with the meters of its readings; nearly always it is one."""
    times = list(map(_T_MS, readings))
    days = range(min(times) // DAY_MS, max(times) // DAY_MS + 1) if times else range(0)
    if len(days) == 1:
        yield days[0], map(_METER, readings)
        return
    found: dict[int, list[str]] = {}
    for reading in readings:
        found.setdefault(reading.t_ms // DAY_MS, []).append(reading.meter)
    yield from found.items()
