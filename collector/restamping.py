"""Watches the clock of an edge: what was stamped before its first synchronisation is put right when that comes."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Protocol

from collector.adapters.outbox_clock import boot_id
from collector.pure.restamp import Segment
from collector.stamps import Stamps
from driftwatt.clock import Clock
from driftwatt.errors import Unavailable

log = logging.getLogger(__name__)

EVERY_S = 1.0
PASSES = 5
"""Rows on their way to the disk when the clock is synchronised are met by a later pass."""


class ClockedOutbox(Protocol):
    """The outbox as this sees it."""

    async def note_clock(self, segments: tuple[Segment, ...], boot: str) -> None:
        """Keep how the clock stood."""

    async def restamp(self, boot: str, offset_ms: float, *, last: bool) -> int:
        """Put the rows of this boot right."""

    async def give_up_clock(self, boot: str) -> int:
        """Mark unsynced rows of earlier boots as uncertain."""


class Restamping:
    """One edge's. `boot` names this life of the machine."""

    def __init__(self, outbox: ClockedOutbox, stamps: Stamps, clock: Clock, *, boot: str | None = None) -> None:
        self._outbox, self._stamps, self._clock = outbox, stamps, clock
        self._boot = boot or boot_id() or secrets.token_hex(8)
        self._noted: tuple[Segment, ...] = ()
        self._passes = 0

    async def run(self) -> None:
        """Watch for ever. A disk that fails is tried again."""
        begun = False
        while True:
            try:
                if not begun:
                    given_up = await self._outbox.give_up_clock(self._boot)
                    begun = True
                    if given_up:
                        log.warning("%d rows of an earlier start of this machine keep a time that was never synchronised", given_up)
                await self.look()
            except Unavailable as error:
                log.debug("%s", error)
            await asyncio.sleep(EVERY_S)

    async def look(self) -> int:
        """Do what is due now; returns how many rows were moved."""
        segments = self._stamps.unsynced
        if self._stamps.state == "unsynced":
            self._passes = 0
            if segments != self._noted:
                await self._outbox.note_clock(segments, self._boot)
                self._noted = segments
            return 0
        if self._stamps.state != "ok" or self._passes >= PASSES:
            return 0
        if segments != self._noted:
            await self._outbox.note_clock(segments, self._boot)
            self._noted = segments
        self._passes += 1
        offset_ms = self._clock.now_ms() - self._clock.monotonic_s() * 1000
        moved = await self._outbox.restamp(self._boot, offset_ms, last=self._passes == PASSES)
        if moved:
            log.info("the clock is synchronised: %d rows that wait got their true time", moved)
        if self._passes == PASSES:
            self._stamps.unsynced = self._noted = ()
        return moved
