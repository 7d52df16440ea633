"""How often somebody may come: so many times a second in the long run, so many at once."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """A token bucket. `per_s` tokens come back every second, up to `size`; `now_s` is monotonic.

    `refused_s` is when it last had none.
    """

    per_s: float
    size: float
    refused_s: float = -math.inf
    _level: float = -1.0
    _at_s: float = 0.0

    def take(self, now_s: float) -> bool:
        """Take a token; False when there is none."""
        self._level = self.level(now_s)
        self._at_s = now_s
        if self._level < 1.0:
            self.refused_s = now_s
            return False
        self._level -= 1.0
        return True

    def level(self, now_s: float) -> float:
        """Return how many tokens there are; a new one is full."""
        return self.size if self._level < 0 else min(self.size, self._level + (now_s - self._at_s) * self.per_s)
