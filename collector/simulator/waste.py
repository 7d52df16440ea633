"""Waste that is hidden in the demo plant on purpose, with the labels that tell what should be found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from collector.simulator.load import SLOT_MS
from collector.simulator.worktime import local_day, start_of_day_ms, works
from driftwatt.alerts import Pattern

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Waste:
    """`extra_kw` more than needed, from `since_ms` on, whenever the plant is at rest or at work."""

    meter: str
    pattern: Pattern
    since_ms: int
    extra_kw: float
    when: Literal["rest", "work"]
    story: str

    def kw(self, slot: int, share: float) -> float:
        """Return what it adds to the mean power of a quarter-hour in which production runs at `share`."""
        if slot * SLOT_MS < self.since_ms:
            return 0.0
        if self.when == "rest":
            return 0.0 if share else self.extra_kw
        return self.extra_kw * share


def hidden(now_ms: int) -> tuple[Waste, ...]:
    """Return the wastes of a demo that starts at `now_ms`: both begin within the nine days before."""
    today = local_day(now_ms)
    leak_ms = start_of_day_ms(today - 9) + 22 * HOUR_MS
    first = today - 9
    while not works(first):
        first += 1
    fouled_ms = start_of_day_ms(first) + 6 * HOUR_MS
    return (
        Waste(
            "compressor-3", "off_hours", leak_ms, 7.1, "rest", "a leak in the compressed air keeps the compressor running when nobody works"
        ),
        Waste("chiller-1", "running_hours", fouled_ms, 14.0, "work", "a fouled condenser makes the chiller draw more for the same cooling"),
    )
