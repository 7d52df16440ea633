"""Rows taken before the clock was synchronised get their true time once it is, as long as nobody was sent them.

While a machine is up its monotonic clock runs on: the difference of wall and monotonic clock that a row was stamped with,
and the one that holds after the first synchronisation, give its time. A stretch with one such difference is a *segment*.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from driftwatt.readings import FailedPoll, Reading

STEP_MS = 500.0
"""Less than this is the clock being disciplined, not a step."""


@dataclass(frozen=True, slots=True)
class Segment:
    """From `first_ms` on (wall clock) rows were stamped `offset_ms` ahead of the monotonic clock."""

    first_ms: int
    offset_ms: float


def grown(segments: tuple[Segment, ...], t_ms: int, offset_ms: float) -> tuple[Segment, ...]:
    """Return the segments after a stamp given while the clock was not synchronised."""
    if segments and abs(offset_ms - segments[-1].offset_ms) <= STEP_MS:
        return segments
    return (*segments, Segment(t_ms, offset_ms))[-100:]


def shift_ms(segments: Sequence[Segment], t_ms: int, offset_ms: float) -> int | None:
    """Return by how much a row of `t_ms` has to be moved now that `offset_ms` holds, None when nobody knows its segment."""
    ordered = sorted(segments, key=lambda one: one.first_ms)
    at = bisect_right(ordered, t_ms, key=lambda one: one.first_ms) - 1
    return None if at < 0 else round(offset_ms - ordered[at].offset_ms)


def restamped(row: Reading | FailedPoll, segments: Sequence[Segment], offset_ms: float) -> Reading | FailedPoll:
    """Return an unsynced row with its true time, `uncertain` where that cannot be known."""
    shift = shift_ms(segments, row.t_ms, offset_ms)
    if shift is None or row.t_ms + shift < 0:
        return replace(row, clock="uncertain")
    return replace(row, t_ms=row.t_ms + shift, clock="ok")
