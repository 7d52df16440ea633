"""The newest readings for the page, beside the outbox: at once, never waited for, may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from collector.ports import Link
from collector.pure.parts import in_parts
from driftwatt.clock import Clock, StridingClock
from driftwatt.readings import Removed, Row
from driftwatt.topics import topic
from driftwatt.wire import live_bytes, row_bytes

GATHER_S = 0.1
"""The cycles of many buses share a message: one costs as much as a hundred rows."""
STRIDING_S = 0.25
"""Where days go by in seconds, a page needs no more than this."""


class LiveLane:
    """Publishes the rows of poll cycles while the link is up."""

    def __init__(self, edge_id: str, link: Link, clock: Clock) -> None:
        self._edge, self._link, self._clock = edge_id, link, clock
        self._fresh: list[Row] = []
        self._striding_at_s = 0.0

    def show(self, rows: Sequence[Row]) -> None:
        """Publish the rows of one cycle within GATHER_S. Never raises."""
        if not self._link.connected:
            return
        loop = asyncio.get_running_loop()
        if isinstance(self._clock, StridingClock) and self._clock.striding:
            if loop.time() - self._striding_at_s >= STRIDING_S:
                self._striding_at_s = loop.time()
                self._fresh.extend(rows)
                self._publish()
            return
        if not self._fresh:
            loop.call_later(GATHER_S, self._publish)
        self._fresh.extend(rows)

    def _publish(self) -> None:
        rows, self._fresh = self._fresh, []
        for group in in_parts([row_bytes(row) for row in rows if not isinstance(row, Removed)], len):
            self._link.publish(topic(self._edge, "live"), live_bytes(self._edge, group), qos=0)
