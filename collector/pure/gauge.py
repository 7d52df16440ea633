"""How full the outbox is in words people use: hours left, and alarms with the moment each began."""

from __future__ import annotations

from collections import deque

from driftwatt.wire import EdgeAlarm

RATE_COMMITS = 600
HOUR_MS = 3_600_000


class Rate:
    """How fast rows come in, by the rows' own time, over the last commits."""

    def __init__(self) -> None:
        self._commits: deque[tuple[int, int]] = deque(maxlen=RATE_COMMITS)

    def add(self, t_ms: int, size: int) -> None:
        """Take note of `size` bytes whose newest row is of `t_ms`."""
        self._commits.append((t_ms, size))

    def hours(self, room: float) -> float | None:
        """Return for how many hours `room` bytes last, None before that can be told."""
        commits = list(self._commits)
        span_ms = commits[-1][0] - commits[0][0] if commits else 0
        written = sum(size for _, size in commits[1:])
        if span_ms <= 0 or written <= 0:
            return None
        return max(0.0, room) * span_ms / (written * HOUR_MS)


class Alarms:
    """The alarms that are up. May be read in another thread while it changes."""

    def __init__(self) -> None:
        self._up: dict[str, EdgeAlarm] = {}

    def up(self, code: str, text: str, at_ms: int) -> None:
        """Raise an alarm; one that is up already keeps its beginning."""
        since_ms = self._up[code].since_ms if code in self._up else at_ms
        self._up = {**self._up, code: EdgeAlarm(code, since_ms, text)}

    def down(self, *codes: str) -> None:
        """Take alarms back."""
        self._up = {code: alarm for code, alarm in self._up.items() if code not in codes}

    def all(self) -> tuple[EdgeAlarm, ...]:
        """Return those that are up, in the order in which they were raised."""
        return tuple(self._up.values())
