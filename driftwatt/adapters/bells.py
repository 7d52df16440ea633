"""Bells that ring at wall-clock times. The only importer of apscheduler.

A bell only sets an event; the task that waits for it owns the work, so that no work is ever skipped,
doubled or run in a foreign thread by the scheduler.
"""

from __future__ import annotations

import asyncio
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger


class Bells:
    """A set of bells in one time zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._scheduler = AsyncIOScheduler(timezone=zone)
        self._zone = zone

    def every_day(self, hour: int, minute: int) -> asyncio.Event:
        """Return an event that is set each day at this local time."""
        rung = asyncio.Event()

        async def ring() -> None:
            rung.set()

        at = CronTrigger(hour=hour, minute=minute, timezone=self._zone)
        self._scheduler.add_job(ring, at, coalesce=True, max_instances=1, misfire_grace_time=None)
        return rung

    def start(self) -> None:
        """Begin ringing; needs a running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ringing."""
        self._scheduler.shutdown(wait=False)
