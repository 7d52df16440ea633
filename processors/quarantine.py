"""What was set aside gets a second chance: rows fed through the same path again, and what that changes in the books.

A released row is stored first; then one transaction takes it out of the quarantine and out of the count of what is
set aside, and counts it as stored. A kill in between costs a repetition, never a row and never the balance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from typing import Any

from driftwatt.errors import WireError
from driftwatt.readings import Reading
from driftwatt.wire import read_row
from processors.pipeline import Pipeline
from processors.pure.commit import NOBODY, Aside, verdict
from processors.pure.intake import FUTURE_MS, Taken

CHUNK_ROWS = 1000
HISTORY = "history"


@dataclass(slots=True)
class Outcome:
    """How many rows were let go into the store, or dropped, and why the others stay."""

    done: int = 0
    kept: Counter[str] = field(default_factory=Counter)

    def told(self, word: str) -> dict[str, Any]:
        """Return it for a script; `word` says what was done."""
        return {word: self.done, "kept": dict(sorted(self.kept.items()))}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows are meant: those of some meters, set aside for some reasons; None means any. `-` is no known meter."""

    meters: Collection[str] | None = None
    reasons: Collection[str] | None = None

    def holds(self, row: Aside) -> bool:
        """Tell whether a row is meant."""
        return (self.meters is None or row.meter in self.meters) and (self.reasons is None or row.reason in self.reasons)


async def release(pipeline: Pipeline, choice: Choice) -> Outcome:
    """Feed rows that are set aside again, oldest first; those that still cannot be taken stay. Between two cycles only."""
    outcome = Outcome()
    async for rows in _chunks(pipeline, choice):
        imported, live = Taken(), Taken()
        for row in rows:
            _again(pipeline, row, imported if row.edge == HISTORY else live, outcome)
        for taken, word in ((live, "stored"), (imported, "imported")):
            if taken.readings:
                refused = await pipeline.apply(taken, word)
                outcome.done += len(taken.readings) - refused
                outcome.kept["store"] += refused
    outcome.kept = +outcome.kept
    return outcome


async def drop(pipeline: Pipeline, choice: Choice) -> Outcome:
    """Forget rows that are set aside. The books go on counting them as quarantined: they never reached the store."""
    outcome = Outcome()
    async for rows in _chunks(pipeline, choice):
        taken = Taken()
        taken.commit.released = [row.number for row in rows]
        await pipeline.apply(taken, "stored")
        outcome.done += len(rows)
    return outcome


async def _chunks(pipeline: Pipeline, choice: Choice) -> AsyncIterator[list[Aside]]:
    """Yield the rows meant of all that is set aside now; what is set aside anew on the way is not met again."""
    after, last = 0, await pipeline.keeping.until_done(pipeline.state.newest_aside)
    while chunk := await pipeline.keeping.until_done(pipeline.state.aside, after, CHUNK_ROWS):
        after = chunk[-1].number
        if rows := [row for row in chunk if row.number <= last and choice.holds(row)]:
            yield rows
        if after >= last:
            return


def _again(pipeline: Pipeline, row: Aside, taken: Taken, outcome: Outcome) -> None:
    try:
        reading = read_row(row.raw.encode())
    except WireError:
        outcome.kept[row.reason] += 1
        return
    if not isinstance(reading, Reading):
        outcome.kept[row.reason] += 1
        return
    # What the store refused had passed before, and a history has no edge: there only the meter has to be listed.
    owners = dict.fromkeys(pipeline.intake.owners) if row.edge == HISTORY or row.reason == "store" else pipeline.intake.owners
    why = verdict(reading, row.edge, owners=owners, latest_ms=pipeline.clock.now_ms() + FUTURE_MS)
    if why:
        outcome.kept[why] += 1
        return
    taken.readings.append(reading)
    taken.commit.released.append(row.number)
    _count_back(pipeline, row, reading, taken)


def _count_back(pipeline: Pipeline, row: Aside, reading: Reading, taken: Taken) -> None:
    books = taken.commit.books
    if row.edge == HISTORY:
        books[NOBODY, "history", "import_refused"] -= 1
    elif row.counted:
        nobodys = row.reason not in ("future", "store")
        # A row that could not be read was counted on the day it came, the others on their own day.
        day = pipeline.intake.day(row.at_ms if row.reason == "row" else reading.t_ms)
        books[NOBODY if nobodys else reading.meter, day, "quarantined"] -= 1
        if row.reason in ("unknown_meter", "wrong_edge"):
            books[NOBODY, day, "unlisted"] -= 1
        elif row.reason == "row":
            books[NOBODY, day, "unreadable"] -= 1
