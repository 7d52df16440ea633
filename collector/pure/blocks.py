"""What one poll of one meter consists of: its requests, each with the decoder of its reply."""

from __future__ import annotations

from dataclasses import dataclass

from collector.pure.decode import BlockDecoder, compile_block
from collector.pure.frames import Request
from collector.pure.plan import Line, plan, wanted, widest_hole
from config.edge import Meter
from config.profiles import Profile, Register, placed

SLOW_S = 10.0
"""Slow registers are read this seldom, or as seldom as the meter is polled."""


@dataclass(frozen=True, slots=True)
class Block:
    """One request and how to read what comes back."""

    request: Request
    decoder: BlockDecoder


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """How one meter is polled: every `every_s` the `fast` blocks, every `slow_every_s` the `full` ones instead.

    `gap_s` is the pause that the model wants between requests on a serial line.
    """

    meter: str
    unit: int
    every_s: float
    slow_every_s: float
    fast: tuple[Block, ...]
    full: tuple[Block, ...]
    gap_s: float


def meter_plan(meter: Meter, profile: Profile, line: Line | None = None) -> MeterPlan:
    """Return the plan of a meter with its profile on a serial line, or on Ethernet (None).

    A meter of slow registers only has them read at every poll. Raises ConfigError.
    """
    profile = placed(profile, meter.base)
    registers = wanted(profile, meter.only)
    fast = tuple(each for each in registers if each.class_ == "fast") or registers
    hole = widest_hole(line, profile.limits.gap)

    def blocks(some: tuple[Register, ...]) -> tuple[Block, ...]:
        return tuple(Block(each.request, compile_block(each)) for each in plan(some, profile.limits, meter.unit, hole=hole))

    full_blocks = blocks(registers)
    fast_blocks = full_blocks if fast == registers else blocks(fast)
    return MeterPlan(meter.id, meter.unit, meter.every, max(SLOW_S, meter.every), fast_blocks, full_blocks, profile.limits.gap)
