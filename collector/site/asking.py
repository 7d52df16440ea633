"""Asks one bus by hand: one request after the other, validated, with names in every fault."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from collector.ports import BusFault, MeterBus, Request
from collector.pure.decode import compile_block
from collector.pure.plan import PlannedRequest, plan
from collector.pure.validate import check
from config.profiles import Profile, Register
from driftwatt.errors import Unavailable

OpenBus = Callable[[str, float], MeterBus]
"""Makes an unopened bus from its url and the seconds to wait for an answer."""
STRANGE = ("mismatch", "frame", "crc")
NOBODY = ("timeout", "exception_10", "exception_11")
"""Reasons that mean that no such unit is there; the exceptions are a gateway's."""

_ADVICE = {
    "timeout": "no answer: unit id, wiring A/B, baud rate, is it powered?",
    "exception_1": "the meter does not know this function: try input instead of holding registers",
    "exception_2": "register is not there: another profile or firmware?",
    "exception_3": "the meter refuses so many registers: another profile?",
    "exception_4": "the meter reports a fault of its own",
    "exception_6": "the meter is busy: try again",
    "exception_10": "the gateway has no way to this unit: its settings",
    "exception_11": "the gateway got no answer: unit id, wiring A/B, baud rate, is it powered?",
    "mismatch": "an answer to another question: a second master, or two meters with one unit id",
    "frame": "half an answer: noise, termination, or two meters with one unit id",
    "crc": "a damaged answer: noise, termination, baud rate, or two meters with one unit id",
    "link": "the connection was lost: does the gateway allow a second connection?",
}


@dataclass
class Answers:
    """What one meter said in one round. `raw` are the registers of each quantity; `faults` what could not be read, and why."""

    values: dict[str, float] = field(default_factory=dict)
    doubt: dict[str, int] = field(default_factory=dict)
    raw: dict[str, tuple[int, ...]] = field(default_factory=dict)
    blocks: list[tuple[PlannedRequest, tuple[int, ...]]] = field(default_factory=list)
    faults: list[tuple[Request, BusFault]] = field(default_factory=list)

    @property
    def silent(self) -> bool:
        """True when there was no answer at all, not even a refusal."""
        return not self.blocks and bool(self.faults) and all(fault.reason in NOBODY for _, fault in self.faults)


class Asker:
    """One open bus. Counts what was asked and what came back strange, by unit."""

    def __init__(self, url: str, open_bus: OpenBus, *, timeout_s: float, gap_s: float = 0.0) -> None:
        self.url = url
        self.asked: Counter[int] = Counter()
        self.strange: Counter[int] = Counter()
        self._bus = open_bus(url, timeout_s)
        self._gap_s = gap_s
        self._serial = not url.startswith("tcp:")
        self._open = False

    async def connect(self) -> None:
        """Open the bus. Raises Unavailable that says what to look at."""
        try:
            await self._bus.open()
        except Unavailable as error:
            if self.url.startswith("rtu:"):
                raise  # a serial port says itself what is wrong with it
            raise Unavailable(f"{error}\n  is the gateway on, is the port right, does another program hold the only connection?") from error
        self._open = True

    async def close(self) -> None:
        """Close the bus."""
        await self._bus.close()

    async def ask(self, request: Request, *, gap_s: float = 0.0) -> tuple[int, ...]:
        """Return the registers of one request, believed. Raises BusFault; a lost connection is opened anew at the next one."""
        self.asked[request.unit] += 1
        try:
            if not self._open:
                await self._bus.open()
                self._open = True
            reply = await self._bus.read(request)
            check(request, reply)
        except Unavailable as error:
            raise BusFault("link", str(error), link_lost=True) from error
        except BusFault as fault:
            self._open = self._open and not fault.link_lost
            self.strange[request.unit] += fault.reason in STRANGE
            raise
        finally:
            if pause := max(gap_s if self._serial else 0.0, self._gap_s):  # a model's gap is for its serial line
                await asyncio.sleep(pause)
        return reply.registers

    async def read(self, profile: Profile, unit: int, registers: Sequence[Register], *, split: bool = True) -> Answers:
        """Return what a unit says for these registers. A silent unit is not asked a second time.

        A refused block is read again register by register, or is the end of it without `split`.
        """
        answers = Answers()
        for planned in plan(registers, profile.limits, unit):
            await self._block(profile, planned, answers, split=split)
            if answers.silent or (answers.faults and not split):
                break
        return answers

    async def _block(self, profile: Profile, planned: PlannedRequest, answers: Answers, *, split: bool) -> None:
        try:
            raw = await self.ask(planned.request, gap_s=profile.limits.gap)
        except BusFault as fault:
            if split and fault.reason in ("exception_2", "exception_3") and len(planned.registers) > 1:
                for register in planned.registers:
                    (one,) = plan([register], profile.limits, planned.request.unit)
                    await self._block(profile, one, answers, split=False)
            else:
                answers.faults.append((planned.request, fault))
            return
        answers.blocks.append((planned, raw))
        compile_block(planned).decode_into(raw, answers.values, answers.doubt)
        for register in planned.registers:
            at = register.address - planned.request.address
            answers.raw[register.quantity] = raw[at : at + register.width]


def reread(blocks: Iterable[tuple[PlannedRequest, tuple[int, ...]]], other: Profile) -> Mapping[str, float]:
    """Return what the same raw blocks say under another profile of the same registers."""
    registers = {(each.kind, each.address, each.quantity): each for each in other.registers}
    values: dict[str, float] = {}
    for planned, raw in blocks:
        turned = tuple(registers[each.kind, each.address, each.quantity] for each in planned.registers)
        compile_block(PlannedRequest(planned.request, turned)).decode_into(raw, values, {})
    return values


def place(request: Request) -> str:
    """Return the registers of a request as people write them."""
    last = request.address + request.count - 1
    span = f"0x{request.address:04X}" + (f"–0x{last:04X}" if request.count > 1 else "")
    return f"{request.kind} {span}"


def advice(fault: BusFault) -> str:
    """Return what a fault most likely means, for the person at the cabinet."""
    return _ADVICE.get(fault.reason, fault.detail or fault.reason)
