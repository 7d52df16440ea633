"""What a bus task remembers of each meter: when it is due, how it fared, and what is worth a log line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from collector.pure.blocks import MeterPlan
from collector.pure.frames import BusFault
from collector.pure.patience import CLOSED, Breaker, is_busy, is_silence

COMPLAIN_EVERY_S = 60.0
"""A meter that fails on and off is not complained of more often than this."""

Word = Literal["nothing", "complain", "repeat", "recovered"]


@dataclass(frozen=True, slots=True)
class MeterState:
    """What is known of one meter. `state` is `waiting` (not polled yet), `ok`, `failing` or `silent` (its breaker is open).

    `failures` counts failed polls in a row; `beside` holds what stands beside the books: breaker_open,
    skipped_overrun, link_down, busy. `absent` names registers that the device does not have.
    """

    id: str
    unit: int
    state: str
    last_ok_ms: int | None
    failures: int
    reason: str
    beside: dict[str, int]
    absent: tuple[str, ...] = ()


@dataclass(slots=True)
class PolledMeter:
    """One meter of a bus. Instants are monotonic seconds, `last_ms` is the stamp of the last poll."""

    plan: MeterPlan
    due_s: float = 0.0
    slow_due_s: float = float("-inf")
    breaker: Breaker = CLOSED
    last_ms: int = 0
    last_ok_ms: int | None = None
    failures: int = 0
    reason: str = ""
    failing: bool = False
    complained_s: float = float("-inf")
    beside: dict[str, int] = field(default_factory=dict)
    illegal: int = 0
    absent: tuple[str, ...] = ()

    def count(self, what: str, by: int = 1) -> None:
        """Count something that stands beside the books."""
        self.beside[what] = self.beside.get(what, 0) + by

    def advance(self, now_s: float, period_s: float) -> int:
        """Set the next due instant on this meter's grid; return how many of its instants have passed unused."""
        if period_s != self.plan.every_s:  # striding: there is no grid to hold
            self.due_s = now_s + period_s
            return 0
        self.due_s += period_s
        missed = int((now_s - self.due_s) // period_s) + 1 if self.due_s <= now_s else 0
        self.due_s += missed * period_s
        return missed

    def judge(self, now_s: float, *, answered: bool, fault: BusFault | None) -> Word:
        """Move the breaker after a poll with its first fault, if any; return what should be said about it."""
        if fault is not None and is_busy(fault.reason):
            self.breaker = self.breaker.was_busy(now_s, self.plan.unit)
        elif answered or fault is None or not is_silence(fault.reason):
            self.breaker = self.breaker.answered()
        else:
            self.breaker = self.breaker.timed_out(now_s, self.plan.unit)
        if fault is None:
            was, self.failing = self.failing, False
            return "recovered" if was else "nothing"
        if self.failing or now_s - self.complained_s < COMPLAIN_EVERY_S:
            return "repeat"
        self.failing, self.complained_s = True, now_s
        return "complain"

    def state(self) -> MeterState:
        """Return what is known, for people."""
        word = "waiting" if self.last_ok_ms is None else "ok"
        if self.failures:
            word = "silent" if self.breaker.is_open else "failing"
        return MeterState(
            self.plan.meter, self.plan.unit, word, self.last_ok_ms, self.failures, self.reason, dict(self.beside), self.absent
        )
