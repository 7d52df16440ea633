"""What the requests of one poll brought, gathered block by block into one reading."""

from __future__ import annotations

import json

from collector.pure.blocks import Block
from collector.pure.frames import BusFault
from driftwatt.readings import ClockState, Quality, Reading
from driftwatt.wire import told

MISSING = int(Quality.MISSING)


class Answers:
    """Blocks answered so far; the first fault and the block that met it."""

    __slots__ = ("_told", "answered", "block", "doubt", "fault", "values")

    def __init__(self) -> None:
        self.answered = 0
        self.fault: BusFault | None = None
        self.block: Block | None = None
        self.values: dict[str, float] = {}
        self.doubt: dict[str, int] = {}
        self._told: list[str] = []

    def take(self, block: Block, registers: tuple[int, ...]) -> None:
        """Take what a block says. The registers are exactly those that it asked for (validated)."""
        self.answered += 1
        told = block.decoder.tell(registers)
        if told:
            self._told.append(told)
        else:
            block.decoder.decode_into(registers, self.values, self.doubt)

    def fail(self, block: Block, fault: BusFault) -> None:
        """Note that a block brought nothing, and why."""
        if self.fault is None:
            self.fault, self.block = fault, block
        self.miss(block)

    def miss(self, block: Block) -> None:
        """Note that a block was not even asked."""
        for quantity in block.decoder.quantities:
            self.doubt[quantity] = MISSING

    def reading(self, meter: str, t_ms: int, duration_ms: int, clock: ClockState) -> Reading | None:
        """Return the reading, None when there is no value at all."""
        members = ",".join(self._told)
        if members and not self.values and not self.doubt:
            return told(meter, t_ms, members, duration_ms=duration_ms, clock=clock)
        values = {**json.loads(f"{{{members}}}", parse_int=float), **self.values}
        return Reading(meter, t_ms, values, self.doubt, duration_ms, clock) if values else None
