"""Which few requests cover the wanted registers of one meter, within what the model allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collector.pure.frames import Request
from config.profiles import Limits, Profile, Register
from driftwatt.errors import ConfigError

WIDEST_HOLE = 50
"""Registers worth reading across instead of asking twice: the break-even at 115200 baud, and nothing on Ethernet."""

_WORDS = {"8": 1, "16": 1, "32": 2, "48": 3, "64": 4}


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request and the registers that lie in its reply, ordered by address."""

    request: Request
    registers: tuple[Register, ...]


def wanted(profile: Profile, only: Sequence[str] | None) -> tuple[Register, ...]:
    """Return the registers to read: those that `only` names, or else the profile's standard set."""
    return tuple(each for each in profile.registers if (each.standard if only is None else each.quantity in only))


def words(register: Register) -> int:
    """Return how many 16-bit registers one profile register occupies."""
    if register.type == "text":
        return register.length or 1
    return _WORDS["8" if register.type in ("uint8", "int8") else register.type[-2:]]


def plan(registers: Sequence[Register], limits: Limits, unit: int) -> tuple[PlannedRequest, ...]:
    """Return requests that cover every register exactly once, ordered by kind and address.

    Neighbours share a request up to `max_registers`; a hole is read across only where `limits.bridge` says
    it may. Raises ConfigError when a register cannot be read within the limits at all.
    """
    blocks: list[list[Register]] = []
    for register in sorted(registers, key=lambda each: (each.kind, each.address)):
        _refuse_impossible(register, limits)
        if blocks and _fits(blocks[-1], register, limits):
            blocks[-1].append(register)
        else:
            blocks.append([register])
    return tuple(_planned(block, limits, unit) for block in blocks)


def bus_seconds(planned: Iterable[PlannedRequest], *, gap_s: float = 0.0, baud: int | None = None, turnaround_s: float = 0.02) -> float:
    """Return how long one cycle of these requests occupies the bus.

    `baud` None is Ethernet, where only turnaround and gap count. On a serial line a read of R registers is
    13 + 2 R characters of 11 bits and two silences of 3.5 characters (1.75 ms each above 19200 baud).
    """
    total = 0.0
    for each in planned:
        total += turnaround_s + gap_s
        if baud:
            character_s = 11 / baud
            silence_s = 0.00175 if baud > 19200 else 3.5 * character_s
            total += (13 + 2 * each.request.count) * character_s + 2 * silence_s
    return total


def _refuse_impossible(register: Register, limits: Limits) -> None:
    first, count = _span(register.address, register.address + words(register), limits)
    place = f"{register.quantity} at 0x{register.address:04X}"
    if count > limits.max_registers:
        raise ConfigError("register is wider than a request may be", key=place, found=f"{count}", allowed=f"at most {limits.max_registers}")
    if first + count > 0x10000:
        raise ConfigError("register lies beyond the last address", key=place, found=f"0x{first + count - 1:X}", allowed="at most 0xFFFF")
    if _touches(first, first + count, limits.forbidden):
        raise ConfigError("register lies in a range that must never be read", key=place)


def _fits(block: list[Register], register: Register, limits: Limits) -> bool:
    start = block[0].address
    end = max(each.address + words(each) for each in block)
    if register.kind != block[0].kind:
        return False
    hole = range(end, register.address)
    if len(hole) > WIDEST_HOLE or not all(_touches(at, at + 1, limits.bridge) for at in hole):
        return False
    first, count = _span(start, max(end, register.address + words(register)), limits)
    return count <= limits.max_registers and first + count <= 0x10000 and not _touches(first, first + count, limits.forbidden)


def _planned(block: list[Register], limits: Limits, unit: int) -> PlannedRequest:
    first, count = _span(block[0].address, max(each.address + words(each) for each in block), limits)
    return PlannedRequest(Request(unit, block[0].kind, first, count), tuple(block))


def _span(start: int, end: int, limits: Limits) -> tuple[int, int]:
    step = limits.count_step
    first = start - start % step
    return first, -((first - end) // step) * step


def _touches(start: int, end: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(start <= last and first < end for first, last in ranges)
