"""Which states have to be made again from what is stored, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from driftwatt.errors import Outdated
from processors.pure.commit import Commit


@dataclass(slots=True)
class Redo:
    """By meter. `late` tells from which instant on: readings came late or may have been stored without being judged.

    `marks` counts how often that was noted. `broken` are states that were damaged, `outdated` those kept by an earlier version, each
    with the reason. They are `again` until they are made again: only their energy is kept meanwhile, so that a processor that dies
    in between finds the same task.
    """

    late: dict[str, int] = field(default_factory=dict)
    marks: Counter[str] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    outdated: dict[str, str] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    _kept: dict[str, int] = field(default_factory=dict)

    def recall(self, kept: Mapping[str, int], *, listed: Collection[str], known: Collection[str]) -> None:
        """Go on with what a life before had noted as late; meters of which nothing is `known` it died before it had made."""
        self.late = {meter: from_ms for meter, from_ms in kept.items() if meter in listed}
        self._kept = dict(kept)
        self.again |= self.late.keys() - known

    def unreadable(self, meter: str, error: Exception) -> None:
        """Note that the state of a meter cannot be read."""
        (self.outdated if isinstance(error, Outdated) else self.broken)[meter] = str(error)
        self.again.add(meter)

    def overdue(self, meter: str, from_ms: int) -> None:
        """Note that the state of a meter has to be made again from an instant on."""
        self.late[meter] = min(from_ms, self.late.get(meter, from_ms))
        self.marks[meter] += 1

    def settled(self, meter: str) -> None:
        """Note that nothing of a meter has to be made again."""
        for known in (self.late, self._kept, self.outdated, self.broken):
            known.pop(meter, None)
        self.again.discard(meter)

    def hand_over(self, commit: Commit) -> None:
        """Add to a commit what became late since the last one."""
        if self.late != self._kept:
            commit.late |= {meter: from_ms for meter, from_ms in self.late.items() if self._kept.get(meter) != from_ms}
            self._kept = dict(self.late)
