"""What the collector's loops need from the outside, in the collector's own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from collector.pure.frames import FUNCTION_CODE, BusFault, RegisterKind, Reply, Request
from driftwatt.readings import Row

__all__ = ["FUNCTION_CODE", "BusFault", "MeterBus", "RegisterKind", "Reply", "Request", "RowSink"]


class MeterBus(Protocol):
    """One physical line or gateway. At most one request is under way; it is never cancelled from outside."""

    async def open(self) -> None:
        """Connect. Raises Unavailable."""

    async def read(self, request: Request) -> Reply:
        """Return the raw reply. Raises BusFault."""

    async def close(self) -> None:
        """Disconnect; never raises."""


class RowSink(Protocol):
    """Where polled rows go to be committed."""

    async def accept(self, rows: Sequence[Row]) -> None:
        """Take the rows of one bus cycle in order. Waits while commits lag; never drops."""
