"""What the collector's loops need from the outside, in the collector's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from driftwatt.readings import Row

RegisterKind = Literal["input", "holding"]
FUNCTION_CODE: dict[RegisterKind, int] = {"holding": 3, "input": 4}


@dataclass(frozen=True, slots=True)
class Request:
    """One read of `count` consecutive registers of one unit, from the 0-based `address` on."""

    unit: int
    kind: RegisterKind
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, not yet believed: the fields that the validator compares with the request.

    `transaction` is None where the framing has none; `byte_count` is the length that the frame claimed.
    """

    unit: int
    function: int
    byte_count: int
    registers: tuple[int, ...]
    transaction: int | None
    asked_transaction: int | None


class BusFault(Exception):
    """A request brought no usable reply. `reason` is the ledger's word: timeout, exception_<n>, frame, mismatch.

    `link_lost` is true when the connection itself is gone and has to be opened anew.
    """

    def __init__(self, reason: str, detail: str = "", *, link_lost: bool = False) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.link_lost = link_lost


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
