"""What a profile must keep to beyond its shape: quantities and units from our table, registers that a request can reach."""

from __future__ import annotations

from collections.abc import Iterator

from config.explain import did_you_mean, shown
from config.profiles import LAST_ADDRESS, RUNGS, Profile, Register
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
    yield from _overlap_faults(profile)
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
    yield from _sunspec_faults(profile)


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
    if register.coding != "plain" and not register.quantity.startswith("power_factor"):
        yield Fault((*key, "coding"), "is only for power factors", shown(register.coding))
    if register.scale == 0:
        yield Fault((*key, "scale"), "makes every value nothing", "0", "any other number")
    if register.type == "text":
        yield Fault((*key, "type"), f"{register.quantity} is a number", '"text"', "a type of number")
    elif register.length is not None:
        yield Fault((*key, "length"), "only a text has a length", str(register.length))
    if register.order in ("CDAB", "DCBA") and register.width < _ORDERED:
        yield Fault((*key, "order"), f"{register.type} is one register", shown(register.order), '"ABCD" or "BADC"')


def _reach_faults(index: int, register: Register, profile: Profile) -> Iterator[Fault]:
    limits, (first, end) = profile.limits, register.reach
    last = end - 1
    key = ("register", index, "address")
    found = f"0x{first:04X}…0x{last:04X}"
    if last > LAST_ADDRESS:
        yield Fault(key, "ends beyond the last register", found, "at most 0xFFFF")
    if end - first > limits.max_registers:
        yield Fault(key, "does not fit into one request", f"{end - first} registers", f"{limits.max_registers}")
    if register.address % limits.count_step:
        yield Fault(key, "is not a multiple of limits.count_step", found, f"multiples of {limits.count_step}")
    yield from _scale_faults(index, register, profile)
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


def _overlap_faults(profile: Profile) -> Iterator[Fault]:
    """Yield each register that shares words with one before it: an address copied and not changed, or a wrong type."""
    owner: dict[tuple[str, int], int] = {}
    for index, register in enumerate(profile.registers):
        cells = [(register.kind, at) for at in range(register.address, register.address + register.width)]
        other = next((owner[cell] for cell in cells if cell in owner), None)
        if other is not None:
            place = f"0x{register.address:04X}…0x{register.address + register.width - 1:04X}"
            yield Fault(("register", index, "address"), f"overlaps register[{other}], {shown(profile.registers[other].quantity)}", place)
        for cell in cells:
            owner.setdefault(cell, index)


def _scale_faults(index: int, register: Register, profile: Profile) -> Iterator[Fault]:
    scale, key = register.scale_register, ("register", index, "scale_register")
    if scale is None:
        return
    if register.type.startswith(("float", "text", "bits")):
        yield Fault(key, f"{register.type} needs no exponent", f"0x{scale:04X}", "a type of integer")
    if register.address <= scale < register.address + register.width:
        yield Fault(key, "lies in the value itself", f"0x{scale:04X}")
    first, end = register.reach
    told = {at for one in profile.registers if one.kind == register.kind for at in range(one.address, one.address + one.width)} | {scale}
    holes = [at for at in range(first, end) if at not in told and not any(low <= at <= high for low, high in profile.limits.bridge)]
    if holes:
        yield Fault(key, "is read with its value, across registers that limits.bridge does not name", f"0x{holes[0]:04X}")


def _sunspec_faults(profile: Profile) -> Iterator[Fault]:
    model = profile.sunspec
    if model is None:
        return
    length = model.length + 2  # id and length themselves
    if model.base + length - 1 > LAST_ADDRESS:
        yield Fault(("sunspec", "base"), "puts registers beyond the last one", str(model.base), f"at most {LAST_ADDRESS + 1 - length}")
    for index, register in enumerate(profile.registers):
        if register.reach[1] > length:
            yield Fault(("register", index, "address"), "lies behind the model", str(register.address), f"less than {length}")
    for name, ranges in (("forbidden", profile.limits.forbidden), ("bridge", profile.limits.bridge)):
        for index, (_, last) in enumerate(ranges):
            if last >= length:
                yield Fault(("limits", name, index), "lies behind the model", str(last), f"less than {length}")
    if profile.identify.address not in (None, 0):
        yield Fault(("identify", "address"), "is not the model's id register", str(profile.identify.address), "0")
