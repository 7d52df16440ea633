"""Which registers may be read along with a request, so that two replies in a row differ in length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from collector.pure.blocks import Block, MeterPlan
from collector.pure.frames import Request
from config.profiles import Profile

MOST = 4
"""Other lengths per request: enough for the replies that may be owed at a time."""


def read_along(plan: MeterPlan, profile: Profile) -> MeterPlan:
    """Return the plan with, in each request, the longer reads that the profile proves to be legal."""
    known = {
        kind: {at for register in profile.registers if register.kind == kind for at in range(*register.reach)}
        | {at for first, last in profile.limits.bridge for at in range(first, last + 1)}
        for kind in ("input", "holding")
    }

    def along(block: Block) -> Block:
        return replace(block, request=_along(block.request, profile, known[block.request.kind]))

    return replace(plan, fast=tuple(map(along, plan.fast)), full=tuple(map(along, plan.full)))


def _along(request: Request, profile: Profile, known: set[int]) -> Request:
    return replace(request, along=tuple(_extensions(request, profile, known))[:MOST])


def _extensions(request: Request, profile: Profile, known: set[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of registers before and after. What is read along stands in the profile, never in a forbidden range."""
    step, most = profile.limits.count_step, profile.limits.max_registers
    for more in range(step, MOST * step + 1, step):
        if request.count + more > most:
            return
        for before, after in ((0, more), (more, 0)):
            first, end = request.address - before, request.address + request.count + after
            added = [*range(first, request.address), *range(request.address + request.count, end)]
            if all(at in known and not any(low <= at <= high for low, high in profile.limits.forbidden) for at in added):
                yield before, after
                break
