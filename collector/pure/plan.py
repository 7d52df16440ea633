"""Which few requests cover the wanted registers of one meter, within what the model allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collector.pure.frames import Request
from config.profiles import Kind, Limits, Profile, Register
from driftwatt.errors import ConfigError

WIDEST_HOLE = 50
"""Registers worth reading across instead of asking twice on Ethernet, where a request costs far more than its bytes."""
TURNAROUND_S = 0.02
"""What a slave takes to answer, where nobody has measured it."""
_FAST_BAUD = 19200
"""Above this speed the silence between messages is a fixed time."""

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


@dataclass(frozen=True, slots=True)
class Line:
    """A serial line: its speed, the bits of a character (10 for 8N1, else 11), how long a slave takes to answer."""

    baud: int
    bits: int = 11
    turnaround_s: float = TURNAROUND_S

    @property
    def character_s(self) -> float:
        """How long one character takes."""
        return self.bits / self.baud

    @property
    def silence_s(self) -> float:
        """How long the line is quiet before and after a message: 3.5 characters, or a fixed time on a fast line."""
        return 0.00175 if self.baud > _FAST_BAUD else 3.5 * self.character_s


def widest_hole(line: Line | None, gap_s: float = 0.0) -> int:
    """Return how many unwanted registers are worth reading instead of sending a second request: the break-even.

    A request of its own costs 13 characters, two silences, the slave's turnaround and the model's gap; an unwanted
    register costs two characters. On Ethernet (None) bytes cost nothing, and it is WIDEST_HOLE.
    """
    if line is None:
        return WIDEST_HOLE
    request_s = 13 * line.character_s + 2 * line.silence_s + line.turnaround_s + gap_s
    return int(request_s / (2 * line.character_s))


def plan(registers: Sequence[Register], limits: Limits, unit: int, *, hole: int = WIDEST_HOLE) -> tuple[PlannedRequest, ...]:
    """Return requests that cover every register exactly once, ordered by kind and address.

    Neighbours share a request up to `max_registers`; up to `hole` registers are read across, and only where
    `limits.bridge` says they may. A register and its `scale_register` are always in one request, whatever lies
    between. Raises ConfigError when a register cannot be read within the limits at all.
    """
    blocks: list[_Block] = []
    block: _Block | None = None
    for kind, start, _, _, end, register in _in_order(registers):
        if block is not None and kind == block.kind and _fits(block, start, reached := max(end, block.end), limits, hole):
            block.registers.append(register)
            block.end = reached
        else:
            _refuse_impossible(register, start, end, limits)  # one that fits among others is possible
            block = _Block(kind, start, end, [register])
            blocks.append(block)
    return tuple([_planned(each, limits, unit) for each in blocks])


def bus_seconds(planned: Iterable[PlannedRequest], line: Line | None = None, *, gap_s: float = 0.0) -> float:
    """Return how long one cycle of these requests occupies the bus.

    `line` None is Ethernet, where only turnaround and gap count. On a serial line a read of R registers is
    13 + 2 R characters and two silences of 3.5 characters (1.75 ms each above 19200 baud).
    """
    total = 0.0
    for each in planned:
        total += gap_s + (line.turnaround_s if line else TURNAROUND_S)
        if line:
            total += (13 + 2 * each.request.count) * line.character_s + 2 * line.silence_s
    return total


@dataclass(slots=True)
class _Block:
    """A request in the making: its kind, first address, the address after its last one."""

    kind: Kind
    start: int
    end: int
    registers: list[Register]


def _in_order(registers: Sequence[Register]) -> list[tuple[Kind, int, int, int, int, Register]]:
    """Return kind, first address, own address, turn, end and register, ordered by the first of these that differs."""
    reached = []
    for turn, register in enumerate(registers):
        start, end = register.reach
        reached.append((register.kind, start, register.address, turn, end, register))
    reached.sort()
    return reached


def _refuse_impossible(register: Register, start: int, end: int, limits: Limits) -> None:
    first, count = _span(start, end, limits.count_step)
    place = f"{register.quantity} at 0x{register.address:04X}"
    if count > limits.max_registers:
        raise ConfigError("register is wider than a request may be", key=place, found=f"{count}", allowed=f"at most {limits.max_registers}")
    if first + count > 0x10000:
        raise ConfigError("register lies beyond the last address", key=place, found=f"0x{first + count - 1:X}", allowed="at most 0xFFFF")
    if _touches(first, first + count, limits.forbidden):
        raise ConfigError("register lies in a range that must never be read", key=place)


def _fits(block: _Block, start: int, end: int, limits: Limits, widest: int) -> bool:
    if start > block.end and (start - block.end > widest or not _bridged(block.end, start, limits.bridge)):
        return False
    # As in _span, here once per register.
    step = limits.count_step
    first = block.start - block.start % step
    last = first - (first - end) // step * step
    return last - first <= limits.max_registers and last <= 0x10000 and not (limits.forbidden and _touches(first, last, limits.forbidden))


def _planned(block: _Block, limits: Limits, unit: int) -> PlannedRequest:
    first, count = _span(block.start, block.end, limits.count_step)
    return PlannedRequest(Request(unit, block.kind, first, count), tuple(block.registers))


def _span(start: int, end: int, step: int) -> tuple[int, int]:
    first = start - start % step
    return first, -((first - end) // step) * step


def _touches(start: int, end: int, ranges: Iterable[tuple[int, int]]) -> bool:
    for first, last in ranges:  # noqa: SIM110 – asked twice for each of thousands of registers, and a generator costs most of it
        if start <= last and first < end:
            return True
    return False


def _bridged(start: int, end: int, ranges: Iterable[tuple[int, int]]) -> bool:
    """Tell whether every address of a hole lies in some range."""
    for first, last in sorted(ranges):
        if first <= start <= last:
            start = last + 1
    return start >= end
