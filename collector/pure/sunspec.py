"""Where the models of a SunSpec device stand: the mark, then a chain of (id, length) to its end.

Nothing is asked here: `walk` says what it wants to read, and takes what was read.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

BASES = (40000, 50000, 0)
"""Where the mark may stand, the usual place first."""
MARK = (0x5375, 0x6E53)
"""SunS."""
_END = 0xFFFF
_LAST = 0xFFFF
_MOST_MODELS = 64
"""More than any device has; a chain that does not end is no chain."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its number, the address of its id register, and how many registers follow id and length."""

    number: int
    address: int
    length: int


Walk = Generator[tuple[int, int], "Sequence[int] | None", tuple[Model, ...]]


def walk() -> Walk:
    """Yield each (address, count) to read from holding registers, take the registers or None, and return the models found.

    A refusal or silence is None. Where a chain breaks off, the models before that are returned; without a mark, none.
    """
    for base in BASES:
        mark = yield base, len(MARK)
        if mark is not None and tuple(mark) == MARK:
            return (yield from _chain(base + len(MARK)))
    return ()


def _chain(address: int) -> Walk:
    found: list[Model] = []
    while len(found) < _MOST_MODELS and address < _LAST:
        head = yield address, 2
        if head is None or len(head) != 2 or head[0] in (_END, 0):
            break
        number, length = head
        if address + 2 + length > _LAST + 1:
            break
        found.append(Model(number, address, length))
        address += 2 + length
    return tuple(found)
