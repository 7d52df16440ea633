"""Where the models of a SunSpec device stand: from the mark "SunS" from model to model, as each says its length."""

from __future__ import annotations

from collector.ports import BusFault, Request
from collector.site.asking import Asker

MARK = (0x5375, 0x6E53)
BEGINNINGS = (40000, 0, 50000)
_END = 0xFFFF
_MOST = 40
"""A chain with more models than this runs in a circle or is none."""


async def models(asker: Asker, unit: int) -> dict[int, int]:
    """Return the address of the id register of each model, by model; empty when the unit is no SunSpec device."""
    for beginning in BEGINNINGS:
        if await _two(asker, unit, beginning) == MARK:
            return await _chain(asker, unit, beginning + 2)
    return {}


async def _chain(asker: Asker, unit: int, at: int) -> dict[int, int]:
    found: dict[int, int] = {}
    while len(found) < _MOST and at < 0xFFFF:
        head = await _two(asker, unit, at)
        if head is None or head[0] in (_END, 0):
            break
        found.setdefault(head[0], at)
        at += 2 + head[1]
    return found


async def _two(asker: Asker, unit: int, address: int) -> tuple[int, ...] | None:
    try:
        return await asker.ask(Request(unit, "holding", address, 2))
    except BusFault:
        return None
