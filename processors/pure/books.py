"""The books of a plant: what it took, beside what its edges say they committed, one line per meter and UTC day.

Equation of a line: polled = committed + failed; committed = stored + waiting + dropped + thinned + quarantined.
Neither side is believed alone: a reading that an edge saw acknowledged and that the plant never took leaves the
line unbalanced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from driftwatt.wire import LedgerLine
from processors.pure.commit import NOBODY

EXTRA = (
    "duplicates",
    "replayed",
    "imported",
    "gaps",
    "damaged",
    "unreadable",
    "corrupt",
    "let_go",
    "import_refused",
    "state_damaged",
    "not_admitted",
)
"""Counters beside the equation."""
CLASSES = ("stored", "waiting", "dropped", "thinned", "quarantined")
"""Where a committed poll may be."""


@dataclass(frozen=True, slots=True)
class BookRow:
    """One counter as the state file keeps it; `at_ms` is when it last grew."""

    meter: str
    day: str
    what: str
    n: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class EdgeLine:
    """One line of an edge's books, and when it arrived."""

    edge: str
    line: LedgerLine
    at_ms: int


@dataclass(slots=True)
class _Plant:
    counts: Counter[str] = field(default_factory=Counter)
    at_ms: int = 0


def ledger(rows: Iterable[BookRow], edges: Iterable[EdgeLine], owners: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Return the lines, by day and meter. `owners` maps the plant's meters to their edges, None for any edge.

    Rows that nobody could read, and rows that came before their meter was listed, count for the meters that miss
    them, as far as they go round.
    """
    plant: dict[tuple[str, str], _Plant] = {}
    for row in rows:
        kept = plant.setdefault((row.day, row.meter), _Plant())
        kept.counts[row.what] += row.n
        kept.at_ms = max(kept.at_ms, row.at_ms)
    said: dict[tuple[str, str], EdgeLine] = {}
    for each in edges:
        meter = each.line.meter
        if meter in owners and owners[meter] in (None, each.edge):
            said[each.line.day, meter] = each
    unreadable = sum(kept.counts["unreadable"] for (_, meter), kept in plant.items() if meter == NOBODY)
    unlisted = {day: max(0, kept.counts["unlisted"]) for (day, meter), kept in plant.items() if meter == NOBODY}
    lines = []
    for key in sorted({*plant, *said}):
        line = _line(key, plant.get(key, _Plant()), said.get(key))
        short = line.pop("short")
        early = min(unlisted.get(key[0], 0), short)
        unlisted[key[0]] = unlisted.get(key[0], 0) - early
        late = min(unreadable, short - early)
        unreadable -= late
        line["quarantined"] += early + late
        lines.append(line)
    return lines


def balanced(line: Mapping[str, Any]) -> bool:
    """Tell whether a line adds up: polled = committed + failed, committed = where each of them is now."""
    known = sum(_sum(line.get(word, 0)) for word in CLASSES)
    return bool(line["polled"] == line["committed"] + _sum(line.get("failed", 0)) and line["committed"] == known)


def _sum(value: Any) -> int:
    return sum(value.values()) if isinstance(value, Mapping) else int(value)


def _line(key: tuple[str, str], plant: _Plant, edge: EdgeLine | None) -> dict[str, Any]:
    day, meter = key
    counts = plant.counts
    failed = {what.partition(":")[2]: n for what, n in counts.items() if what.startswith("failed:")}
    stored, quarantined = counts["stored"], counts["quarantined"]
    dropped: dict[str, int] = {}
    waiting = short = reconciled = 0
    thinned = counts["thinned"]
    committed = stored + quarantined + thinned
    polled = committed + sum(failed.values())
    if edge is not None:
        told = edge.line
        failed, dropped, thinned, quarantined = dict(told.failed), dict(told.dropped), told.thinned, quarantined + told.quarantined
        polled, committed = told.polled, told.committed
        waiting = committed - sum(dropped.values()) - thinned - quarantined - stored
        short = max(0, told.stored - stored - counts["quarantined"])
        if waiting < 0 and plant.at_ms > edge.at_ms:
            polled, committed, waiting = polled - waiting, committed - waiting, 0
        elif waiting < 0:
            reconciled = _take_back(dropped, -waiting)
            waiting = 0
        waiting -= short
    line: dict[str, Any] = {"meter": meter, "day": day, "polled": polled, "failed": failed, "committed": committed, "stored": stored}
    line |= {"waiting": waiting, "dropped": dropped, "thinned": thinned, "quarantined": quarantined, "short": short}
    if reconciled:
        line["reconciled"] = reconciled
    return line | {what: counts[what] for what in EXTRA if counts[what]}


def _take_back(dropped: dict[str, int], count: int) -> int:
    """Take rows out of `dropped` that are here after all: they were dropped while their acknowledgement was on the way."""
    taken = 0
    for reason in sorted(dropped):
        step = min(dropped[reason], count - taken)
        dropped[reason] -= step
        taken += step
    return taken
