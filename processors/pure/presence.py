"""Which edges are there, and which meters go with them: one lost edge is one piece of news, not one for each of its meters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from processors.pure.board import EdgeNow

OFFLINE_MS = 60_000
"""An edge whose last will came is lost when it is not back by then."""
SPEECHLESS_MS = 180_000
"""An edge says how it is every ten seconds; one that says nothing for this long is lost, whatever it said last."""


@dataclass(frozen=True, slots=True)
class EdgesNow:
    """`lost` maps edges to since when; `back` says since when the others are there; `owners` maps meters to edges, None for any."""

    lost: Mapping[str, int] = field(default_factory=dict)
    back: Mapping[str, int] = field(default_factory=dict)
    owners: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, edges: Mapping[str, EdgeNow], owners: Mapping[str, str | None], now_ms: int, *, broker_ms: int | None) -> EdgesNow:
        """Return who is lost. `broker_ms` is since when the broker is connected, None while it is away: then nobody can speak."""
        named = set(owners.values())
        known = {edge: now for edge, now in edges.items() if edge in named or None in named}
        lost: dict[str, int] = {}
        for edge, now in known.items():
            if broker_ms is None or now_ms - broker_ms < SPEECHLESS_MS:
                continue
            if not now.online and now_ms - now.since_ms >= OFFLINE_MS:
                lost[edge] = now.since_ms
            elif now_ms - now.last_ms >= SPEECHLESS_MS:
                lost[edge] = now.last_ms
        return cls(lost, {edge: now.since_ms for edge, now in known.items() if edge not in lost}, owners)

    def takes_along(self, meter: str) -> bool:
        """Tell whether a meter is silent because its edge is lost."""
        edge = self.owners.get(meter)
        return edge in self.lost if edge else bool(self.lost) and not self.back

    def back_ms(self, meter: str) -> int:
        """Return since when the edge of a meter is there, 0 when that is not known."""
        edge = self.owners.get(meter)
        return self.back.get(edge, 0) if edge else max(self.back.values(), default=0)


NO_EDGES = EdgesNow()
