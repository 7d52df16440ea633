"""Figures for a monitoring system: names, what they mean, and one value per set of labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processors.pure.board import EdgeNow
from processors.pure.books import CLASSES, balanced

FILLING = frozenset({"outbox_filling", "outbox_full"})


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure, `driftwatt_` not included in its name. `rows` are (labels, value), labels as `{edge="hall-a"}` or empty."""

    name: str
    told: str
    rows: Sequence[tuple[str, float]]


def of_edges(edges: Iterable[EdgeNow], now_ms: int) -> list[Gauge]:
    """Return how the edges do; an edge appears with its first word."""
    known = [(f'{{edge="{edge.edge}"}}', edge) for edge in edges]
    hours = [(label, edge.hours_left) for label, edge in known]
    return [
        Gauge("edge_online", "1 while a collector is connected.", [(label, float(edge.online)) for label, edge in known]),
        Gauge("edge_silent_seconds", "Time since the last word of an edge.", [(label, (now_ms - e.last_ms) / 1000) for label, e in known]),
        Gauge(
            "edge_outbox_hours_left",
            "Hours of outage that its outbox survives.",
            [(label, left) for label, left in hours if left is not None],
        ),
        Gauge(
            "edge_outbox_filling",
            "1 while an edge says that its outbox is more than half full.",
            [(label, float(bool(FILLING & set(edge.alarms)))) for label, edge in known],
        ),
        Gauge(
            "edge_clock_ok", "0 while the clock of an edge is not synchronised.", [(label, float(e.clock == "ok")) for label, e in known]
        ),
        Gauge("edge_alarms", "Alarms that an edge raises.", [(label, float(len(edge.alarms))) for label, edge in known]),
    ]


def of_books(lines: Sequence[Mapping[str, Any]]) -> list[Gauge]:
    """Return the sums of the books' lines, and how many lines do not add up."""
    counts = {word: sum(_count(line.get(word, 0)) for line in lines) for word in ("polled", "failed", "committed", *CLASSES)}
    wrong = sum(not balanced(line) for line in lines)
    return [
        Gauge("books_polls", "Polls in the books of the last seven UTC days.", [(f'{{is="{word}"}}', n) for word, n in counts.items()]),
        Gauge("books_unbalanced", "Lines (meter and UTC day) of the last seven days that do not add up.", [("", wrong)]),
    ]


def _count(value: Any) -> float:
    return sum(value.values()) if isinstance(value, Mapping) else value
