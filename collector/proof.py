"""Rows of a line whose replies do not say what they answer wait here until a sentinel has proved that all is in order."""

from __future__ import annotations

from collections.abc import Sequence

from collector.asking import Asker
from collector.ports import BusFault, Request
from collector.pure.roster import PolledMeter
from collector.pure.sentinel import Watch
from driftwatt.readings import FailedPoll, Reading, Row

SOON = 0.75
"""After this share of the shortest period the next sentinel is due: a cycle that ends early must not wait for another one."""


class Proof:
    """One read a cycle of a register that never changes, units taking turns. What does not match costs the rows that wait."""

    def __init__(self, sentinels: Sequence[Request], asker: Asker) -> None:
        self._watch, self._asker = Watch(sentinels), asker
        self._waiting: list[Row] = []
        self._proved_s = float("-inf")

    def add(self, rows: Sequence[Row]) -> None:
        """Let rows wait."""
        self._waiting += rows

    def rest(self) -> list[Row]:
        """Return what waits, proved or not, and forget it."""
        rows, self._waiting = self._waiting, []
        return rows

    async def settle(self, meters: Sequence[PolledMeter], now_s: float) -> tuple[list[Row], BusFault | None]:
        """Return the rows that may be handed over, as they are or as failed ones, and a fault that costs the connection, if any."""
        if self._waiting and now_s - self._proved_s < SOON * min(meter.plan.every_s for meter in meters):
            return [], None
        request = self._watch.next(frozenset(meter.plan.unit for meter in meters if meter.breaker.is_open)) if self._waiting else None
        if request is None:
            return self.rest(), None
        self._proved_s = now_s
        try:
            reply = await self._asker.ask(request, probing=True)
        except BusFault as fault:
            if fault.reason in ("exception_1", "exception_2", "exception_3"):
                self._watch.drop(request)
            return self.rest(), fault if fault.link_lost else None
        if self._watch.judge(request, reply.registers):
            return self.rest(), None
        why = f"unit {request.unit} is no longer what it was: the whole cycle is discarded"
        return [_discarded(row) for row in self.rest()], BusFault("mismatch", why, link_lost=True)


def _discarded(row: Row) -> Row:
    return FailedPoll(row.meter, row.t_ms, "mismatch", row.duration_ms, row.clock) if isinstance(row, Reading) else row
