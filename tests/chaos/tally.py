"""What a campaign counts, and what it raises where a promise was not kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


class Broken(AssertionError):
    """A promise was not kept; the text says which image."""


@dataclass(slots=True)
class Tally:
    """What was counted over images of one kind."""

    images: int = 0
    promised: int = 0
    lost: int = 0
    unopenable: int = 0
    wrong: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.images += other.images
        self.promised += other.promised
        self.lost += other.lost
        self.unopenable += other.unopenable
        self.wrong += other.wrong
        self.happened += other.happened
