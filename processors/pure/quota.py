"""How much an edge may make a plant remember: names, epochs, reasons and days are bounded, whoever invents them.

What goes over is not taken and not acknowledged (an edge keeps it), or counted under one common word. An edge that the plant
file names is always admitted; strangers share a few places, so that a box that is not yet listed can be seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from driftwatt.wire import Hello, LedgerLine

MAX_STRANGERS = 64
"""Edges that no meter of the plant file names."""
MAX_EPOCHS = 1000
"""Epochs of one edge: it tells of at most 500, and 64 are remembered beside those."""
MAX_HELLO_PARTS = 64
MAX_STRANGE_METERS = 500
"""Meters of all edges together that the plant file does not list, in the books of their edges."""
MAX_REASONS = 40
OTHER = "other"
DAYS_BACK_MS, DAYS_AHEAD_MS = 62 * 86_400_000, 2 * 86_400_000
"""The books of an edge reach over seven days; of a clock that is wrong they may say anything."""


@dataclass(slots=True)
class Quota:
    """What one life of a processor has admitted. `named` are the edges of the plant file, `meters` its meters."""

    named: Collection[str]
    meters: Collection[str]
    _reasons: set[str] = field(default_factory=set)
    _strange_meters: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, owners: Mapping[str, str | None]) -> Quota:
        """Return the quota of a plant. `owners` maps its meters to their edges, None for any edge."""
        return cls(frozenset(edge for edge in owners.values() if edge), owners.keys())

    def admits(self, edge: str, known: Collection[str]) -> bool:
        """Tell whether messages of an edge are taken. `known` are those already remembered."""
        return edge in self.named or edge in known or len(known) < MAX_STRANGERS + len(self.named)

    def admits_epoch(self, epoch: str, known: Collection[str]) -> bool:
        """Tell whether an epoch is taken beside those known of its edge."""
        return epoch in known or len(known) < MAX_EPOCHS

    def reason(self, word: str) -> str:
        """Return a reason as the books count it."""
        if word not in self._reasons:
            if len(self._reasons) >= MAX_REASONS:
                return OTHER
            self._reasons.add(word)
        return word

    def hello(self, said: Hello) -> Hello | None:
        """Return what is remembered of a hello; of a stranger only which listed meters it has."""
        if said.part > MAX_HELLO_PARTS:
            return None
        if said.edge in self.named:
            return said
        return replace(said, meters=tuple(meter for meter in said.meters if meter.id in self.meters))

    def books(self, line: LedgerLine, *, days: Collection[str]) -> bool:
        """Tell whether a line of an edge's books is kept. `days` are those that may be."""
        if line.day not in days:
            return False
        if line.meter in self.meters or line.meter in self._strange_meters:
            return True
        if len(self._strange_meters) >= MAX_STRANGE_METERS:
            return False
        self._strange_meters.add(line.meter)
        return True
