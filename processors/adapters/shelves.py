"""What waits to be packed, in memory: a shelf for each series, and the draft of a write until it is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from processors.adapters.packed import HABITS, Habit
from processors.pure.columns import Block
from processors.pure.runs import Fields, Run, log_row

NEVER = -(1 << 62)


@dataclass(slots=True, eq=False)
class Shelf:
    """What waits of one series. `going` is on its way into chunks; `last` is the newest time of all its points, packed or not."""

    number: int
    habit: Habit
    last: int = NEVER
    runs: list[Run] = field(default_factory=list)
    going: list[Run] = field(default_factory=list)

    def rows(self) -> int:
        """Return how many points wait and are not on their way."""
        return sum(len(run.times) for run in self.runs)

    def said(self, t_ms: int) -> dict[int, float] | None:
        """Return the fields of the waiting point at an instant, None where there is none."""
        return next((said for run in (*self.going, *self.runs) if (said := run.said(t_ms)) is not None), None)


class Draft:
    """Points of one write, until they are committed. `refused` are the places of those whose instant holds another point.

    `packed` tells what the chunks of a series hold at an instant; see Chunks.said.
    """

    def __init__(self, packed: Callable[[Shelf, int, dict[int, Block]], dict[int, float] | None]) -> None:
        self._packed = packed
        self._shelves: dict[int, Shelf] = {}
        self.runs: dict[int, list[Run]] = {}
        self.refused: list[int] = []
        self.rows = 0
        self._at = -1
        self._blocks: dict[int, Block] = {}

    def add(self, shelf: Shelf, t_ms: int, fields: Fields, first: float, rest: Iterable[float]) -> None:
        """Add the next point of this write unless its instant is taken; its floats are `first` and `rest`, in order of `fields`."""
        self._at += 1
        runs = self.runs.get(shelf.number)
        if runs is None:
            runs = self.runs[shelf.number] = []
            self._shelves[shelf.number] = shelf
        run = runs[-1] if runs else None
        newest = run.times[-1] if run else NEVER
        if t_ms <= shelf.last or t_ms <= newest:
            there = self._there(shelf, t_ms)
            if there is not None:
                if there != dict(zip(fields, (first, *rest), strict=True)):
                    self.refused.append(self._at)
                return
        if run is None or run.fields is not fields or t_ms <= newest:
            run = Run(fields)
            runs.append(run)
        run.times.append(t_ms)
        run.data.append(first)
        run.data.extend(rest)
        self.rows += 1

    def log_row(self) -> bytes:
        """Return the points as one row of the log."""
        return log_row((number, run) for number, runs in self.runs.items() for run in runs)

    def settle(self) -> None:
        """Put the points on their shelves, now that they are committed."""
        for number, runs in self.runs.items():
            shelf = self._shelves[number]
            for run in runs:
                appended(shelf, run)

    def _there(self, shelf: Shelf, t_ms: int) -> dict[int, float] | None:
        found = next((said for run in self.runs[shelf.number] if (said := run.said(t_ms)) is not None), None) or shelf.said(t_ms)
        return found if found is not None else self._packed(shelf, t_ms, self._blocks)


def appended(shelf: Shelf, run: Run) -> None:
    """Put a run behind what waits; it joins the last one where it goes on from there."""
    before = shelf.runs[-1] if shelf.runs else None
    if before is not None and before.fields == run.fields and before.times[-1] < run.times[0]:
        before.times.extend(run.times)
        before.data.extend(run.data)
    else:
        shelf.runs.append(run)
    shelf.last = max(shelf.last, run.times[-1])


def joined(runs: Iterable[tuple[int, Run]]) -> list[tuple[int, Run]]:
    """Return runs with the numbers of their series, those that follow each other put together."""
    shelves: dict[int, Shelf] = {}
    for series, run in runs:
        appended(shelves.setdefault(series, Shelf(series, HABITS["readings"])), run)
    return [(series, run) for series, shelf in shelves.items() for run in shelf.runs]
