"""What is written down so that states can be made again: the moves, and when which snapshot is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from processors.pure.commit import Commit, Kept
from processors.pure.past import DAY_MS, Move, Snapshot


@dataclass(slots=True)
class Record:
    """`number` is that of the newest move, `moves` are those since the last commit; `facts` is what edges said of the meters.

    `plans` names the policies of the people.
    """

    number: int = 0
    moves: list[Move] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)
    _taken: dict[str, tuple[int, str]] = field(default_factory=dict)
    _blank: list[Snapshot] = field(default_factory=list)

    def recall(self, kept: Kept) -> None:
        """Go on with the snapshots and moves of the life before."""
        self._taken = {meter: (t_ms // DAY_MS, plan) for meter, (t_ms, plan) in kept.plans.items()}
        self.number = kept.number

    def moved(self, meter: str, after_ms: int, what: Literal["answer", "wake", "hello"], body: str) -> None:
        """Write down a move; see Move."""
        self.number += 1
        self.moves.append(Move(self.number, meter, after_ms, what, body))

    def snapshot(self, meter: str, t_ms: int, parts: Mapping[str, bytes]) -> Snapshot:
        """Return a state of now as a snapshot."""
        return Snapshot(meter, t_ms, self.number, self.plans[meter], self.facts.get(meter, ""), parts)

    def begins(self, meter: str, t_ms: int) -> None:
        """Have the blank state kept in which a meter is before its first reading at an instant."""
        self._blank.append(self.snapshot(meter, t_ms - 1, {}))

    def is_due(self, meter: str, t_ms: int) -> bool:
        """Tell whether a snapshot of now is due: with the first reading of each UTC day, and when the policy changed. It then is taken."""
        now = t_ms // DAY_MS, self.plans[meter]
        before = self._taken.get(meter)
        if before is not None and now[0] <= before[0] and now[1] == before[1]:
            return False
        self._taken[meter] = now
        return True

    def hand_over(self, commit: Commit) -> None:
        """Add to a commit the moves since the last one, and the states in which meters were before their first reading."""
        commit.moves += self.moves
        commit.snapshots += self._blank
        self._taken |= {each.meter: (each.t_ms // DAY_MS, each.plan) for each in self._blank}
        self.moves, self._blank = [], []
