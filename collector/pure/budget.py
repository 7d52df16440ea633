"""What an edge file will cost: requests and time on each bus, room in the outbox, bytes written to flash.

Everything here is arithmetic on the file and its profiles; nothing is asked of any meter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from collector.pure.blocks import Block, MeterPlan, meter_plan
from collector.pure.encode import encode, spoken_exponent
from collector.pure.plan import Line, PlannedRequest, bus_seconds
from config.edge import Bus, EdgeFile, Meter
from config.profiles import Profile, Register, placed
from driftwatt.readings import Reading
from driftwatt.wire import row_bytes

ROW_OVERHEAD_BYTES = 30
"""What the outbox stores beside the JSON of a row: key, times, checksum, and the B-tree's share."""
PAGE_BYTES = 4096
PAGES_PER_COMMIT = 6
"""Pages written beside the rows: last leaf, books and marks at the commit, then what sending and its acknowledgement note."""
WRITTEN_PER_BYTE = 3.6
"""Times that a byte of a row reaches the flash: log, database, and its page again when it leaves. Measured, see test_flash_budget."""

_TYPICAL = {"V": 229.7, "A": 41.37, "W": 23875.4, "var": 8123.6, "VA": 25219.8, "1": 0.91, "Hz": 49.98, "%": 2.31, "°C": 31.6}
_TYPICAL_COUNTER = 123_456_780.0
_TYPICAL_MS = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class MeterCost:
    """One meter: its plan, seconds on the bus of a common and of a full poll, and the bytes of its rows."""

    meter: Meter
    profile: Profile
    plan: MeterPlan
    fast_s: float
    full_s: float
    bytes_per_s: float

    @property
    def share(self) -> float:
        """Which part of the time this meter occupies its bus."""
        seldom = 1 / self.plan.slow_every_s
        return self.fast_s * (1 / self.plan.every_s - seldom) + self.full_s * seldom

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Quantities that are read from registers nobody confirmed."""
        read = {quantity for block in self.plan.full for quantity in block.decoder.quantities}
        return tuple(one.quantity for one in self.profile.registers if one.quantity in read and one.verification == "unconfirmed")


@dataclass(frozen=True, slots=True)
class BusCost:
    """One line: seconds that a cycle with all registers takes, and the share of time that the line is busy."""

    bus: Bus
    baud: int | None
    meters: tuple[MeterCost, ...]
    cycle_s: float
    share: float


@dataclass(frozen=True, slots=True)
class OutboxCost:
    """Rows and bytes that come in, bytes that the wished outage needs, and hours that the file holds."""

    rows_per_s: float
    bytes_per_s: float
    need_bytes: int
    max_bytes: int
    hours: float
    flash_bytes_per_day: int


@dataclass(frozen=True, slots=True)
class EdgeCost:
    """A whole edge file."""

    buses: tuple[BusCost, ...]
    outbox: OutboxCost


def edge_cost(edge: EdgeFile, profiles: Mapping[str, Profile]) -> EdgeCost:
    """Return what an edge file costs. `profiles` holds every profile that it names. Raises ConfigError as `plan` does."""
    buses = tuple(_bus_cost(bus, profiles) for bus in edge.bus)
    meters = [meter for bus in buses for meter in bus.meters]
    rows = sum(1 / meter.meter.every for meter in meters)
    stored = sum(meter.bytes_per_s for meter in meters)
    return EdgeCost(
        buses,
        OutboxCost(
            rows_per_s=rows,
            bytes_per_s=stored,
            need_bytes=math.ceil(stored * edge.outbox.keep),
            max_bytes=edge.outbox.max_bytes,
            hours=edge.outbox.max_bytes / stored / 3600,
            flash_bytes_per_day=_flash_per_day(stored, rows, edge.outbox.commit_every),
        ),
    )


def line_of(url: str) -> Line | None:
    """Return the serial line of a bus, None where the file does not know it (Ethernet, or behind a gateway)."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    baud = options.get("baud", [""])[0] if parts.scheme == "rtu" else ""
    if not baud.isdecimal():
        return None
    return Line(int(baud), bits=10 if options.get("format") == ["8N1"] else 11)


def _bus_cost(bus: Bus, profiles: Mapping[str, Profile]) -> BusCost:
    line = line_of(bus.url)
    meters = tuple(_meter_cost(meter, profiles[meter.profile], line, bus.gap or 0.0) for meter in bus.meter)
    return BusCost(
        bus,
        line.baud if line else None,
        meters,
        cycle_s=sum(meter.full_s for meter in meters),
        share=sum(meter.share for meter in meters),
    )


def _meter_cost(meter: Meter, profile: Profile, line: Line | None, gap_s: float) -> MeterCost:
    profile = placed(profile, meter.base)
    planned = meter_plan(meter, profile, line)
    gap = max(gap_s, planned.gap_s) if line else gap_s
    seldom = 1 / planned.slow_every_s
    return MeterCost(
        meter,
        profile,
        planned,
        fast_s=_seconds(planned.fast, gap, line),
        full_s=_seconds(planned.full, gap, line),
        bytes_per_s=_row_size(meter, profile, planned.fast) * (1 / meter.every - seldom) + _row_size(meter, profile, planned.full) * seldom,
    )


def _seconds(blocks: tuple[Block, ...], gap_s: float, line: Line | None) -> float:
    return bus_seconds([PlannedRequest(block.request, ()) for block in blocks], line, gap_s=gap_s)


def _row_size(meter: Meter, profile: Profile, blocks: tuple[Block, ...]) -> int:
    """Return the bytes of a row with typical values, with the digits that the meter's own types give them."""
    values: dict[str, float] = {}
    for block in blocks:
        raw = [0] * block.request.count
        for register in profile.registers:
            if register.quantity in block.decoder.quantities:
                words = encode(register, _typical(register))
                at = register.address - block.request.address
                raw[at : at + len(words)] = words
                if register.scale_register is not None:
                    raw[register.scale_register - block.request.address] = spoken_exponent(register) & 0xFFFF
        values |= block.decoder.decode(raw)[0]
    return len(row_bytes(Reading(meter.id, _TYPICAL_MS, values, duration_ms=120))) + ROW_OVERHEAD_BYTES


def _typical(register: Register) -> float:
    """Return a common value for the register, less when its type cannot hold it."""
    value = _TYPICAL_COUNTER if register.counter else _TYPICAL.get(register.unit, 100.0)
    while value > 1:
        try:
            encode(register, value)
        except ValueError:
            value /= 10
        else:
            break
    return value


def _flash_per_day(bytes_per_s: float, rows_per_s: float, commit_every_s: float) -> int:
    commits = 86400 * min(rows_per_s, 1 / commit_every_s if commit_every_s else rows_per_s)
    return math.ceil(WRITTEN_PER_BYTE * bytes_per_s * 86400 + commits * PAGES_PER_COMMIT * PAGE_BYTES)
