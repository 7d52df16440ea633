"""What a profile must keep to beyond its shape: quantities and units from our table, registers that a request can reach."""

from __future__ import annotations

from collections.abc import Iterator

from config.explain import did_you_mean, shown
from config.profiles import RUNGS, Profile, Register
from config.source import Fault
from driftwatt.quantities import QUANTITIES

_ORDERED = 2
"""From this many registers on, the order of words means something."""


def profile_faults(profile: Profile) -> Iterator[Fault]:
    """Yield every broken rule of a profile."""
    seen: dict[str, int] = {}
    for index, register in enumerate(profile.registers):
        if register.quantity in seen:
            yield Fault(
                ("register", index, "quantity"), f"stands twice, first in register[{seen[register.quantity]}]", shown(register.quantity)
            )
        seen.setdefault(register.quantity, index)
        yield from _register_faults(index, register)
        yield from _reach_faults(index, register, profile)
    weakest = min((register.verification for register in profile.registers), key=RUNGS.index)
    if RUNGS.index(profile.verification) > RUNGS.index(weakest):
        yield Fault(
            ("verification",),
            "claims more than its registers do",
            shown(profile.verification),
            f"at most {shown(weakest)}, the weakest register's",
        )
    for name, ranges in (("forbidden", profile.limits.forbidden), ("bridge", profile.limits.bridge)):
        for index, (first, last) in enumerate(ranges):
            if first > last:
                yield Fault(("limits", name, index), "ends before it begins", f"[0x{first:04X}, 0x{last:04X}]", "[first, last]")
    yield from _identify_faults(profile)


def _register_faults(index: int, register: Register) -> Iterator[Fault]:
    quantity = QUANTITIES.get(register.quantity)
    key = ("register", index)
    if quantity is None:
        yield Fault((*key, "quantity"), "is not a quantity", shown(register.quantity), did_you_mean(register.quantity, sorted(QUANTITIES)))
        return
    if register.unit != quantity.unit:
        yield Fault(
            (*key, "unit"),
            f"is not the unit of {register.quantity}",
            shown(register.unit),
            f"{shown(quantity.unit)}, with `scale` to match",
        )
    if register.counter is not None and not quantity.counter:
        yield Fault((*key, "counter"), f"{register.quantity} does not count up")
    if register.scale == 0:
        yield Fault((*key, "scale"), "makes every value nothing", "0", "any other number")
    if register.type == "text":
        yield Fault((*key, "type"), f"{register.quantity} is a number", '"text"', "a type of number")
    elif register.length is not None:
        yield Fault((*key, "length"), "only a text has a length", str(register.length))
    if register.order in ("CDAB", "DCBA") and register.width < _ORDERED:
        yield Fault((*key, "order"), f"{register.type} is one register", shown(register.order), '"ABCD" or "BADC"')


def _reach_faults(index: int, register: Register, profile: Profile) -> Iterator[Fault]:
    limits, first, last = profile.limits, register.address, register.address + register.width - 1
    key = ("register", index, "address")
    found = f"0x{first:04X}…0x{last:04X}"
    if last > 0xFFFF:
        yield Fault(key, "ends beyond the last register", found, "at most 0xFFFF")
    if register.width > limits.max_registers:
        yield Fault(key, "does not fit into one request", f"{register.width} registers", f"{limits.max_registers}")
    if first % limits.count_step:
        yield Fault(key, "is not a multiple of limits.count_step", found, f"multiples of {limits.count_step}")
    for low, high in limits.forbidden:
        if first <= high and last >= low:
            yield Fault(key, "is forbidden by limits.forbidden", found, f"anything outside 0x{low:04X}…0x{high:04X}")


def _identify_faults(profile: Profile) -> Iterator[Fault]:
    identify = profile.identify
    given = [identify.kind is not None, identify.address is not None, identify.expect is not None]
    if any(given) and not all(given):
        yield Fault(("identify",), "needs kind, address and expect together")
    known = {register.quantity for register in profile.registers}
    for quantity, (low, high) in identify.windows.items():
        if quantity not in known:
            yield Fault(
                ("identify", "windows", quantity),
                "is not a quantity of this profile",
                shown(quantity),
                did_you_mean(quantity, sorted(known)),
            )
        if low >= high:
            yield Fault(("identify", "windows", quantity), "ends before it begins", f"[{low:g}, {high:g}]", "[low, high]")
