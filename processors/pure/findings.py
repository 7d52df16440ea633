"""Which doubts about a meter's numbers are open: each is told when it begins and when it ends, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from processors.pure.outputs import DataFinding

KEPT_OPEN_MS = 86_400_000
"""What happened once, such as a reset, stays open for a day."""
LASTING = frozenset({"stuck", "gap"})
"""Reasons that end when their cause does."""


class Found(NamedTuple):
    """A finding that is open."""

    reason: str
    since_ms: int
    at_ms: int


class Findings(NamedTuple):
    """Open findings and what is to be told about them."""

    found: tuple[Found, ...]
    told: tuple[DataFinding, ...] = ()

    def open(self, meter: str, reason: str, since_ms: int, at_ms: int, detail: Mapping[str, float | str]) -> Findings:
        """Return the findings with one more; a reason that is open already is not told again."""
        if any(one.reason == reason for one in self.found):
            return self
        told = DataFinding(meter, "opened", reason, at_ms, since_ms, dict(detail))
        return Findings((*self.found, Found(reason, since_ms, at_ms)), (*self.told, told))

    def close(self, meter: str, reason: str, at_ms: int) -> Findings:
        """Return the findings without those of a reason."""
        return self._without(meter, [one for one in self.found if one.reason == reason], at_ms)

    def close_old(self, meter: str, at_ms: int) -> Findings:
        """Return the findings without those that happened once, a day ago."""
        return self._without(meter, [one for one in self.found if one.reason not in LASTING and at_ms - one.at_ms >= KEPT_OPEN_MS], at_ms)

    def _without(self, meter: str, gone: list[Found], at_ms: int) -> Findings:
        if not gone:
            return self
        told = tuple(DataFinding(meter, "closed", one.reason, at_ms, one.since_ms) for one in gone)
        return Findings(tuple(one for one in self.found if one not in gone), (*self.told, *told))
