"""From a request to what goes out on the line, with the faults that strike it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collector.simulator import codec, rtu
from collector.simulator.faults import LIES, Fault, Mischief
from collector.simulator.journal import Entry
from collector.simulator.meter import Unit

BUSY = 6
DUPLICATE_S = 0.005
"""A doubled reply follows the first so soon."""


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes that go out `after_s` later than they should (at once: in the moment of the request), and their line in the journal."""

    frame: bytes
    after_s: float = 0.0
    entry: Entry | None = None
    at_once: bool = False


class Answers:
    """Answers for the meters of one line. A unit that is not there is silent on a serial line and exception 11 behind a gateway."""

    def __init__(self, meters: Mapping[int, Unit], now_ms: Callable[[], int], mischief: Mischief, *, framing: str) -> None:
        self._meters, self._now_ms, self._mischief = meters, now_ms, mischief
        self._serial = framing == "rtu"

    def to(self, header: codec.Header, pdu: bytes, raw: bytes) -> tuple[Said, ...]:
        """Return what is said to a request, in order; `raw` is the request as it came."""
        try:
            request = codec.parse_read(pdu)
            meter = self._meters.get(header.unit)
            if meter is None:
                raise codec.Refusal(codec.NO_ANSWER_BEHIND_GATEWAY)
            struck = self._mischief.strike(header.unit, request.address, request.count)
            if "dead" in struck or "drop" in struck:
                return ()
            if "illegal" in struck or "busy" in struck:
                raise codec.Refusal(codec.ILLEGAL_ADDRESS if "illegal" in struck else BUSY)
            t_ms = self._now_ms()
            registers = meter.read(request.kind, request.address, request.count, t_ms)
        except codec.Refusal as refusal:
            if self._serial and refusal.code == codec.NO_ANSWER_BEHIND_GATEWAY:
                return ()
            return (Said(self._frame(header, codec.refusal(pdu[0], refusal.code))),)
        if not struck:
            entry = Entry(t_ms, header.unit, meter.name, request.kind, request.address, registers)
            return (Said(self._frame(header, codec.registers(pdu[0], registers)), 0.0, entry),)
        if LIES & struck.keys():
            registers = tuple(register ^ 1 for register in registers)
        header, function, registers = _lie(struck, header, pdu[0], registers)
        entry = Entry(t_ms, header.unit, meter.name, request.kind, request.address, registers, "+".join(struck))
        return self._spoil(struck, Said(self._frame(header, codec.registers(function, registers)), self._delay_s(struck), entry), raw)

    def _frame(self, header: codec.Header, pdu: bytes) -> bytes:
        return rtu.frame(header.unit, pdu) if self._serial else codec.frame(header, pdu)

    def _delay_s(self, struck: Mapping[str, Fault]) -> float:
        fixed = struck["delay"].value[0] if "delay" in struck else 0.0
        return fixed + (struck["late"].value[0] * self._mischief.random.uniform(0.5, 3.0) if "late" in struck else 0.0)

    def _spoil(self, struck: Mapping[str, Fault], said: Said, raw: bytes) -> tuple[Said, ...]:
        frame, random = said.frame, self._mischief.random
        if "crc" in struck:
            at, bit = random.randrange(len(frame)), random.randrange(8)
            frame = bytes(byte ^ (1 << bit if number == at else 0) for number, byte in enumerate(frame))
        if "half" in struck:
            frame = frame[: len(frame) // 2]
        if "noise" in struck:
            strange = random.randbytes(random.randint(1, 8))
            frame = strange + frame if random.random() < 0.5 else frame + strange
        first = (Said(raw, at_once=True),) if "echo" in struck else ()
        again = (Said(frame, said.after_s + DUPLICATE_S),) if "duplicate" in struck and "half" not in struck else ()
        return (*first, Said(frame, said.after_s, said.entry), *again)


def _lie(
    struck: Mapping[str, Fault], header: codec.Header, function: int, registers: tuple[int, ...]
) -> tuple[codec.Header, int, tuple[int, ...]]:
    transaction, unit = header.transaction, header.unit
    if "wrong-unit" in struck:
        unit = unit % 247 + 1
    if "tid0" in struck:
        transaction = 0
    if "wrong-function" in struck:
        function ^= 7  # 3 is 4, 4 is 3
    if "short" in struck:
        registers = registers[: max(1, len(registers) - 2)] if len(registers) > 1 else ()
    elif "long" in struck:  # not both: they would cancel out
        registers = (*registers, 0x4248, 0)
    return codec.Header(transaction, header.length, unit), function, registers
