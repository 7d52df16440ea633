"""Which registers may be read along with a request, so that two replies in a row differ in length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from collector.pure.blocks import Block, MeterPlan
from collector.pure.frames import Request
from config.profiles import LAST_ADDRESS, Profile

MOST, GUESSES = 4, 2
"""Other lengths per request: enough for the replies that may be owed at a time."""


def read_along(plan: MeterPlan, profile: Profile) -> MeterPlan:
    """Return the plan with, in each request, the longer reads that the profile proves to be legal, or a guess where it knows none."""
    known = {
        kind: {at for register in profile.registers if register.kind == kind for at in range(*register.reach)}
        | {at for first, last in profile.limits.bridge for at in range(first, last + 1)}
        for kind in ("input", "holding")
    }

    def along(block: Block) -> Block:
        return replace(block, request=_along(block.request, profile, known[block.request.kind]))

    return replace(plan, fast=tuple(map(along, plan.fast)), full=tuple(map(along, plan.full)))


def _along(request: Request, profile: Profile, known: set[int]) -> Request:
    along = tuple(_extensions(request, profile, known))[:MOST]
    # Nothing known stands beside it: a guess, which the line gives up for good where the device refuses it.
    return replace(request, along=along or tuple(_extensions(request, profile, None))[:GUESSES])


def _extensions(request: Request, profile: Profile, known: set[int] | None) -> Iterator[tuple[int, int]]:
    """Yield pairs of registers before and after that are `known` (None: any), never of a forbidden range."""
    step, most = profile.limits.count_step, profile.limits.max_registers
    for more in range(step, MOST * step + 1, step):
        if request.count + more > most:
            return
        for before, after in ((0, more), (more, 0)):
            first, end = request.address - before, request.address + request.count + after
            added = [*range(first, request.address), *range(request.address + request.count, end)]
            if first < 0 or end > LAST_ADDRESS + 1:
                continue
            allowed = known is None or all(at in known for at in added)
            if allowed and not any(low <= at <= high for at in added for low, high in profile.limits.forbidden):
                yield before, after
                break
