"""Registers that a profile names and a device does not have: found once by halving, then left out."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from collector.pure.along import read_along
from collector.pure.blocks import MeterPlan, meter_plan
from collector.pure.frames import Request
from collector.pure.plan import Line, plan
from config.edge import Meter
from config.profiles import Profile, placed

TIMES_TO_SEARCH = 2
"""An illegal address must be told in so many polls in a row before it is searched for."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a device lacks: the quantities, and whether the holes between registers must not be read across (`narrow`)."""

    absent: tuple[str, ...] = ()
    narrow: bool = False


class Survey:
    """Plans a meter around what its device lacks. `shared` lines get the registers that may be read along."""

    def __init__(self, meter: Meter, profile: Profile, line: Line | None, *, shared: bool) -> None:
        self._meter, self._profile, self._line, self._shared = meter, profile, line, shared

    def plan(self, found: Found = Found()) -> MeterPlan:
        """Return the plan without what is absent. Raises ConfigError."""
        profile, meter = self._profile, self._meter
        left = tuple(each for each in profile.registers if each.quantity not in found.absent)
        if left and found.absent:
            profile = profile.model_copy(update={"registers": left})
            if meter.only is not None:
                only = tuple(each for each in meter.only if each not in found.absent)
                meter = meter.model_copy(update={"only": only or None})
        if found.narrow:
            profile = profile.model_copy(update={"limits": profile.limits.model_copy(update={"bridge": ()})})
        planned = meter_plan(meter, profile, self._line)
        return read_along(planned, placed(profile, meter.base)) if self._shared else planned

    def requests(self, quantities: Sequence[str]) -> tuple[Request, ...]:
        """Return what to ask to read just these quantities."""
        profile = placed(self._profile, self._meter.base)
        wanted = [each for each in profile.registers if each.quantity in quantities]
        return tuple(each.request for each in plan(wanted, profile.limits, self._meter.unit))

    def where(self, quantity: str) -> str:
        """Return a register for people: `0x0048 (import_energy)`."""
        profile = placed(self._profile, self._meter.base)
        return next((f"0x{each.address:04X} ({quantity})" for each in profile.registers if each.quantity == quantity), quantity)


def halve(quantities: Sequence[str]) -> Generator[Sequence[str], bool, tuple[str, ...]]:
    """Yield groups to read; take True when the device answers and False when it says illegal address; return what is absent."""
    absent: list[str] = []
    work = [tuple(quantities)]
    while work:
        group = work.pop(0)
        if (yield group):
            continue
        if len(group) == 1:
            absent += group
        else:
            work[:0] = [group[: len(group) // 2], group[len(group) // 2 :]]
    return tuple(absent)
