"""What an edge file will cost: requests and time on each bus, room in the outbox, bytes written to flash.

Everything here is arithmetic on the file and its profiles; nothing is asked of any meter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from collector.pure.decode import compile_block, encode
from collector.pure.plan import PlannedRequest, bus_seconds, plan
from config.edge import Bus, EdgeFile, Meter
from config.profiles import Profile, Register
from driftwatt.readings import Reading
from driftwatt.wire import row_bytes

SLOW_EVERY_S = 10.0
"""Slow registers are read this often, or as often as the meter is polled if that is more seldom."""

ROW_OVERHEAD_BYTES = 30
"""What the outbox stores beside the JSON of a row: key, times, checksum, and the B-tree's share."""
PAGE_BYTES = 4096
PAGES_PER_COMMIT = 4
"""Pages that a commit touches beside its rows: the last leaf, the ledger of the day, the marks."""

_TYPICAL = {"V": 229.7, "A": 41.37, "W": 23875.4, "var": 8123.6, "VA": 25219.8, "1": 0.91, "Hz": 49.98, "%": 2.31, "°C": 31.6}
_TYPICAL_COUNTER = 123_456_780.0
_TYPICAL_MS = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class MeterCost:
    """One meter: what is asked at every poll and what seldom, and the bytes of its rows."""

    meter: Meter
    profile: Profile
    fast: tuple[PlannedRequest, ...]
    slow: tuple[PlannedRequest, ...]
    fast_s: float
    slow_s: float
    bytes_per_s: float

    @property
    def slow_every_s(self) -> float:
        """How often the slow registers are read."""
        return max(SLOW_EVERY_S, self.meter.every)

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Quantities that are read from registers nobody confirmed."""
        blocks = (*self.fast, *self.slow)
        return tuple(one.quantity for block in blocks for one in block.registers if one.verification == "unconfirmed")


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


def chosen(meter: Meter, profile: Profile) -> tuple[Register, ...]:
    """Return the registers that are read of a meter: those in `only`, else the profile's standard set."""
    if meter.only is None:
        return tuple(register for register in profile.registers if register.standard)
    return tuple(register for register in profile.registers if register.quantity in meter.only)


def baud_of(url: str) -> int | None:
    """Return the speed of a serial line, None where the file does not know it (a gateway)."""
    parts = urlsplit(url)
    baud = parse_qs(parts.query).get("baud", [""])[0] if parts.scheme == "rtu" else ""
    return int(baud) if baud.isdecimal() else None


def _bus_cost(bus: Bus, profiles: Mapping[str, Profile]) -> BusCost:
    baud = baud_of(bus.url)
    meters = tuple(_meter_cost(meter, profiles[meter.profile], baud, bus.gap or 0.0) for meter in bus.meter)
    return BusCost(
        bus,
        baud,
        meters,
        cycle_s=sum(meter.fast_s + meter.slow_s for meter in meters),
        share=sum(meter.fast_s / meter.meter.every + meter.slow_s / meter.slow_every_s for meter in meters),
    )


def _meter_cost(meter: Meter, profile: Profile, baud: int | None, gap_s: float) -> MeterCost:
    registers = chosen(meter, profile)
    gap = max(gap_s, profile.limits.gap)
    fast, slow = (plan([one for one in registers if one.class_ == kind], profile.limits, meter.unit) for kind in ("fast", "slow"))
    slow_every = max(SLOW_EVERY_S, meter.every)
    often, seldom = _row_size(meter, fast), _row_size(meter, (*fast, *slow))
    return MeterCost(
        meter,
        profile,
        fast,
        slow,
        fast_s=bus_seconds(fast, gap_s=gap, baud=baud),
        slow_s=bus_seconds(slow, gap_s=gap, baud=baud),
        bytes_per_s=often * (1 / meter.every - 1 / slow_every) + seldom / slow_every,
    )


def _row_size(meter: Meter, blocks: tuple[PlannedRequest, ...]) -> int:
    """Return the bytes of a row with typical values, with the digits that the meter's own types give them."""
    values: dict[str, float] = {}
    for block in blocks:
        raw = [0] * block.request.count
        for register in block.registers:
            words = encode(register, _typical(register))
            at = register.address - block.request.address
            raw[at : at + len(words)] = words
        values |= compile_block(block).decode(raw)[0]
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
    # A row is written to the log, to the database at the checkpoint, and its page again when it is removed;
    # what a commit touches beside its rows goes to the log each time.
    commits = 86400 * min(rows_per_s, 1 / commit_every_s if commit_every_s else rows_per_s)
    return math.ceil(3 * bytes_per_s * 86400 + commits * PAGES_PER_COMMIT * PAGE_BYTES)
