"""What edges tell for the audit log: each thing once, and no more of it than a plant wants to keep."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from driftwatt.clock import rfc3339
from driftwatt.wire import EdgeState
from processors.pure.commit import BY_EDGE, Deed
from processors.pure.quota import MAX_STRANGERS

MAX_A_DAY = 20
"""Of one edge; whoever is mad or hostile does not push out what people did."""
MAX_REMEMBERED = 40
DAY_MS = 86_400_000


@dataclass(slots=True)
class _Edge:
    day: int = 0
    today: int = 0
    known: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class EdgeDeeds:
    """What one life of a processor was told."""

    _edges: dict[str, _Edge] = field(default_factory=dict)

    def fresh(self, said: EdgeState, named: Collection[str], *, now_ms: int) -> list[Deed]:
        """Return what is new in the state of an edge, for the audit log. `named` are the edges of the plant file.

        The time of such a deed is ours, as the edge's own clock may be what it tells about; that stands in the text.
        """
        if not said.deeds or (said.edge not in named and said.edge not in self._edges and len(self._edges) >= MAX_STRANGERS + len(named)):
            return []
        edge = self._edges.setdefault(said.edge, _Edge())
        if edge.day != now_ms // DAY_MS:
            edge.day, edge.today = now_ms // DAY_MS, 0
        fresh = []
        for deed in said.deeds:
            text = f"{rfc3339(deed.at_ms)} by its clock: {deed.detail}"
            if f"{deed.what} {text}" in edge.known or edge.today >= MAX_A_DAY:
                continue
            edge.today += 1
            edge.known[f"{deed.what} {text}"] = None
            while len(edge.known) > MAX_REMEMBERED:
                del edge.known[next(iter(edge.known))]
            fresh.append(Deed(now_ms, BY_EDGE + said.edge, deed.what, text))
        return fresh
