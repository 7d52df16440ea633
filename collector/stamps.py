"""When a poll began, and whether that can be trusted: one keeper of time for all buses of an edge."""

from __future__ import annotations

import logging
from collections.abc import Callable

from collector.pure.patience import TimeKeeping, stamp
from collector.pure.restamp import Segment, grown
from driftwatt.clock import Clock, StepWatch
from driftwatt.readings import ClockState

log = logging.getLogger(__name__)

ASK_EVERY_S = 5.0


class Stamps:
    """Stamps polls. `synced` asks the kernel whether the clock is synchronised; it is asked seldom.

    `on_step` is told by how many seconds the wall clock was set, at the first poll after it.
    """

    def __init__(self, clock: Clock, synced: Callable[[], bool], *, on_step: Callable[[float], None] = lambda _s: None) -> None:
        self._clock = clock
        self._watch, self._on_step = StepWatch(clock), on_step
        self._ask = synced
        self._asked_s = float("-inf")
        self._synced = False
        self._keeping = TimeKeeping()
        self.steps = 0
        self.unsynced: tuple[Segment, ...] = ()
        """How the clock stood while it was not synchronised; see collector.pure.restamp."""

    @property
    def state(self) -> ClockState:
        """How far the next stamp could be trusted, as far as is known now."""
        if self._keeping.behind_since_s is not None:
            return "uncertain"
        return "ok" if self._is_synced(self._clock.monotonic_s()) else "unsynced"

    def __call__(self) -> tuple[int, ClockState]:
        """Return UTC milliseconds and the state of the clock."""
        now_s = self._clock.monotonic_s()
        was = self._keeping
        self._keeping, t_ms, state = stamp(was, self._clock.now_ms(), now_s, synced=self._is_synced(now_s))
        if was.behind_since_s is None and self._keeping.behind_since_s is not None:
            log.warning("the clock stepped back; readings go on with the old time until the new one has been stable")
        if step_s := self._watch.look():
            self.steps += 1
            self._on_step(step_s)
        if state == "unsynced":
            self.unsynced = grown(self.unsynced, t_ms, t_ms - now_s * 1000)
        return t_ms, state

    def _is_synced(self, now_s: float) -> bool:
        if now_s - self._asked_s >= ASK_EVERY_S:
            self._synced, self._asked_s = self._ask(), now_s
        return self._synced
