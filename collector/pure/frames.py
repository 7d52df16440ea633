"""What goes to a meter and what comes back, as values: request, reply and the ways a request can fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

RegisterKind = Literal["input", "holding"]
FUNCTION_CODE: dict[RegisterKind, int] = {"holding": 3, "input": 4}
READ_ONLY = frozenset({1, 2, 3, 4})
"""The only function codes that may ever be sent to a meter. No configuration widens this."""


@dataclass(frozen=True, slots=True)
class Request:
    """One read of `count` consecutive registers of one unit, from the 0-based `address` on.

    `along` holds pairs of how many registers before and after may be read along, where a line needs replies of
    different lengths; the reply is cut to what was asked.
    """

    unit: int
    kind: RegisterKind
    address: int
    count: int
    along: tuple[tuple[int, int], ...] = ()


class Reply(NamedTuple):
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
    """A request brought no usable reply.

    `reason` is the ledger's word: `timeout`, `exception_<n>`, `frame`, `mismatch`, or `link` when the
    connection was not there. `link_lost` is true when the connection has to be opened anew.
    """

    def __init__(self, reason: str, detail: str = "", *, link_lost: bool = False) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.link_lost = link_lost
