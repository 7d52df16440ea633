"""Asks a unit for the chain of its SunSpec models; `collector.pure.sunspec` says what to ask."""

from __future__ import annotations

from collector.ports import BusFault, Request
from collector.pure.sunspec import Model, walk
from collector.site.asking import Asker


async def models(asker: Asker, unit: int) -> dict[int, int]:
    """Return the address of the id register of each model, by model; empty when the unit is no SunSpec device."""
    steps = walk()
    found: tuple[Model, ...] = ()
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(await _said(asker, unit, *wanted))
    except StopIteration as end:
        found = end.value
    return {model.number: model.address for model in reversed(found)}  # of two alike, the first


async def _said(asker: Asker, unit: int, address: int, count: int) -> tuple[int, ...] | None:
    try:
        return await asker.ask(Request(unit, "holding", address, count))
    except BusFault:
        return None
