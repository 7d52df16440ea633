"""When to try again: a bus that does not connect, a unit that does not answer, a clock that moved. Decides; never waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from driftwatt.readings import ClockState

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0
TIMEOUTS_TO_OPEN = 3
FIRST_PROBE_S, LAST_PROBE_S = 5.0, 40.0
FIRST_BUSY_S, LAST_BUSY_S = 1.0, 30.0
SPREAD = 0.1
"""Pauses differ by up to this share, so that units that fell silent together are not probed together."""
FRUITLESS_TO_REOPEN = 5
"""So many requests in a row without any answer from any unit make the connection itself suspect."""
STEP_MS = 500
STABLE_S = 120.0


def reconnect_delay_s(failures: int) -> float:
    """Return the wait before the next connection attempt after `failures` failed ones: 1, 2, 4 … 30 s."""
    return float(min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(max(failures - 1, 0), 10)))


@dataclass(frozen=True, slots=True)
class Breaker:
    """A unit's breaker: closed while it answers, open after three silent polls in a row.

    An open one lets a probe pass after 5, 10, 20, then every 40 s, ± 10 %. A unit that says it is busy is left alone for
    1, 2, 4 … 30 s, whether it answers other requests or not.
    """

    silent: int = 0
    probe_at_s: float = 0.0
    busy: int = 0
    busy_until_s: float = 0.0

    @property
    def is_open(self) -> bool:
        """True while only probes may pass."""
        return self.silent >= TIMEOUTS_TO_OPEN

    def allows(self, now_s: float) -> bool:
        """Tell whether the unit may be asked at this monotonic instant."""
        return now_s >= self.busy_until_s and (not self.is_open or now_s >= self.probe_at_s)

    def answered(self) -> Breaker:
        """Return the breaker after any answer of the unit."""
        return CLOSED if self.silent or self.busy else self

    def timed_out(self, now_s: float, unit: int = 0) -> Breaker:
        """Return the breaker after a poll that nobody answered."""
        pause_s = _growing(FIRST_PROBE_S, LAST_PROBE_S, self.silent + 1 - TIMEOUTS_TO_OPEN, unit)
        return Breaker(self.silent + 1, now_s + pause_s)

    def was_busy(self, now_s: float, unit: int = 0) -> Breaker:
        """Return the breaker after the unit said that it is busy (exceptions 5 and 6)."""
        return Breaker(busy=self.busy + 1, busy_until_s=now_s + _growing(FIRST_BUSY_S, LAST_BUSY_S, self.busy, unit))


def _growing(first_s: float, last_s: float, times: int, unit: int) -> float:
    """Return a pause that doubles each time up to `last_s`, spread by unit and turn without a die: the same in every run."""
    turn = (unit * 2_654_435_761 + times * 40_503) & 0xFFFF
    return min(last_s, first_s * float(2 ** min(max(times, 0), 10))) * (1 + SPREAD * (turn / 0x8000 - 1))


CLOSED = Breaker()


def is_silence(reason: str) -> bool:
    """Tell whether a fault means that the unit itself said nothing: no reply, or a gateway that says so (exceptions 10, 11)."""
    return reason in ("timeout", "exception_10", "exception_11")


def is_busy(reason: str) -> bool:
    """Tell whether the unit asks for patience: exception 5 (acknowledge) or 6 (busy)."""
    return reason in ("exception_5", "exception_6")


class TimeKeeping(NamedTuple):
    """What is known of the wall clock: its offset to the monotonic clock, and a backward step that waits to be believed.

    `behind_since_s` is when a backward step was first seen, `highest_ms` the highest stamp ever given.
    """

    offset_ms: float | None = None
    behind_since_s: float | None = None
    highest_ms: int = 0


def stamp(keeping: TimeKeeping, wall_ms: int, monotonic_s: float, *, synced: bool) -> tuple[TimeKeeping, int, ClockState]:
    """Return the time of a poll in UTC milliseconds and how far it can be trusted.

    A step forward is taken at once. After a step back of more than half a second, time goes on as before
    (`uncertain`) until the new time was stable for two minutes; then it is taken, `uncertain` until it has passed
    the highest stamp given. Small corrections are followed.
    """
    offset = wall_ms - monotonic_s * 1000
    if keeping.offset_ms is not None and offset < keeping.offset_ms - STEP_MS:
        since = monotonic_s if keeping.behind_since_s is None else keeping.behind_since_s
        if monotonic_s - since < STABLE_S:
            t_ms = int(keeping.offset_ms + monotonic_s * 1000)
            return TimeKeeping(keeping.offset_ms, since, max(t_ms, keeping.highest_ms)), t_ms, "uncertain"
    state: ClockState = "ok" if synced else "unsynced"
    if wall_ms < keeping.highest_ms - STEP_MS:
        state = "uncertain"
    return TimeKeeping(offset, None, max(wall_ms, keeping.highest_ms)), wall_ms, state
