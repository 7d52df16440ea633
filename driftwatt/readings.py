"""Samples, readings and batches: what is measured, and how much it can be trusted.

A *sample* is one value; a *reading* is all that one meter answered in one poll; a *row* is a reading, a
failed poll or a removed row; a *batch* is consecutive rows of one edge and epoch in one message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Literal


class Quality(IntFlag):
    """Doubt about a value, as bits that can be combined. 0 is good."""

    GOOD = 0
    NOT_AVAILABLE = 1
    OUT_OF_RANGE = 2
    STUCK = 4
    STALE = 8
    CLOCK_UNCERTAIN = 16
    ESTIMATED = 32
    RESET = 64
    ROLLOVER = 128
    MISSING = 256
    INTEGRATED = 512


ClockState = Literal["ok", "unsynced", "uncertain"]
"""Whether the timestamp of a row was taken from a synchronised clock."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One quantity of one meter. `value` is in the canonical unit, None where there is no number."""

    quantity: str
    value: float | None
    quality: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one meter answered in one poll.

    `t_ms` is UTC, taken before the first request; `duration_ms` covers all requests of the poll. `values`
    holds finite numbers in canonical units, as the meter said them (before CT/PT ratio and sign);
    `doubt` holds the quality bits of every quantity that is not good, also of those without a number.
    `encoded` is the wire's own: the JSON of this reading once it was made, so that live lane and outbox share it.
    """

    meter: str
    t_ms: int
    values: Mapping[str, float]
    doubt: Mapping[str, int] = field(default_factory=dict)
    duration_ms: int = 0
    clock: ClockState = "ok"
    encoded: bytes | None = field(default=None, init=False, compare=False, repr=False)

    def samples(self) -> Iterator[Sample]:
        """Yield every sample, those without a number last."""
        for quantity, value in self.values.items():
            yield Sample(quantity, value, self.doubt.get(quantity, 0))
        for quantity, quality in self.doubt.items():
            if quantity not in self.values:
                yield Sample(quantity, None, quality)

    @property
    def quality(self) -> int:
        """All quality bits of the reading together, the clock's included."""
        bits = 0 if self.clock == "ok" else int(Quality.CLOCK_UNCERTAIN)
        for quality in self.doubt.values():
            bits |= quality
        return bits


@dataclass(frozen=True, slots=True)
class FailedPoll:
    """A poll that brought no good sample. `reason` is the ledger's word, such as `timeout` or `exception_2`."""

    meter: str
    t_ms: int
    reason: str
    duration_ms: int = 0
    clock: ClockState = "ok"


@dataclass(frozen=True, slots=True)
class Removed:
    """`count` consecutive rows that left the outbox before they were sent, and why."""

    why: Literal["thinned", "corrupt"]
    count: int = 1


Row = Reading | FailedPoll | Removed


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows `seq` … `seq + n - 1` of one edge and epoch.

    `base` is the oldest seq of the epoch that the edge still holds. `rows` pairs each row with its seq
    (a Removed row stands at the first of its seqs). `bad` holds rows that could not be read: seq, reason, raw JSON.
    """

    edge: str
    epoch: str
    base: int
    seq: int
    n: int
    rows: tuple[tuple[int, Row], ...]
    bad: tuple[tuple[int, str, str], ...] = ()
    replay: bool = False
