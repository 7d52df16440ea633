"""Days of meters as the simulator makes them: through the registers of each model, in the digits the collector tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from collector.pure.decode import compile_block
from collector.pure.plan import plan, wanted
from collector.simulator.meter import Electric, SimulatedMeter
from collector.simulator.noise import uniform
from collector.simulator.plant import POINTS, Plant, Point, build
from collector.simulator.steel import load_year
from config.loader import load_profile
from driftwatt.readings import Reading

START_MS = int(datetime(2026, 11, 16, tzinfo=UTC).timestamp() * 1000)
"""A Monday."""


def plant() -> Plant:
    """Return the demo plant without waste."""
    return build(load_year(), origin_ms=START_MS - 900_000, seed=1, wastes=())


def polled(loads: Plant, point: Point, count: int, *, every_ms: int = 10_000, from_ms: int = START_MS) -> Iterator[Reading]:
    """Yield `count` readings of a metering point of the demo plant; polls start up to 12 ms late, as they do."""
    profile = load_profile(point.profile)
    meter = SimulatedMeter(point.id, profile, loads.loads[point.id], Electric(point.power_factor, ratio=point.ratio, seed=point.unit))
    blocks = [(each.request, compile_block(each)) for each in plan(wanted(profile, point.only or None), profile.limits, 1)]
    for at in range(count):
        t_ms = from_ms + at * every_ms + round(6 * (1 + uniform(point.unit, at)))
        values: dict[str, float] = {}
        doubt: dict[str, int] = {}
        for request, decoder in blocks:
            decoder.decode_into(meter.read(request.kind, request.address, request.count, t_ms), values, doubt)
        yield Reading(point.id, t_ms, values, doubt)


__all__ = ["POINTS", "START_MS", "plant", "polled"]
