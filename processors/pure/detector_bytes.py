"""The state of detection as bytes and back, bit for bit: 17 to 24 kB per meter, most of which changes once a day.

It is written whole (`dump`), or in two parts of which the large one is the memory. The other then names the checksum of the
memory that it goes with, so that no two parts that were not made together are ever taken for a state.

What follows from other parts is not written: values of days and baselines are computed again, order statistics are
sorted again, in the same order as when they were first made.
"""

from __future__ import annotations

import struct
from array import array
from typing import Any

from driftwatt.errors import WireError
from processors.pure import channels
from processors.pure.baseline import Ridge
from processors.pure.channels import Chart
from processors.pure.cholesky import TERMS, solve
from processors.pure.codec import Codec, Packing, checksum
from processors.pure.daily import regressors
from processors.pure.detector_state import DetectorState
from processors.pure.expected import Calm, Shape
from processors.pure.fast import Fast, Usual
from processors.pure.gate import Gate, Profile
from processors.pure.heard import Drivers, Heard
from processors.pure.hours import ROWS, Clock, Day, DayClass, places_of
from processors.pure.ledger import Event, Kept, Sums
from processors.pure.memory import Copy, Memory, Past
from processors.pure.robust import Echo, Scale, echo_of, scale_of
from processors.pure.schedule import Schedule
from processors.pure.yearly import Yearly

VERSION, OLDEST = 14, 14
"""Written, and the oldest that is read. Whoever changes a class below raises both: a state of before is then made again."""
WEEK_TERMS = 4
_CLASSES: tuple[DayClass, ...] = ("work", "work_monday", "saturday", "off")
_HEAD, _DRIVERS = struct.Struct("<iqBBI"), struct.Struct("<3f")
_EVEN, _JUDGED, _DRIVEN = 8, 16, 32


def dump(state: DetectorState) -> bytes:
    """Return the state as versioned, checksummed bytes; `load` gives it back bit for bit."""
    return _CODEC.seal(state.memory, _open_part(state))


def load(data: bytes) -> DetectorState:
    """Return the state that was dumped. Raises WireError for damage, Outdated for a version before OLDEST, UnknownMajor after VERSION."""
    return _joined(*_CODEC.open(data, 2))


def dump_memory(memory: Memory) -> bytes:
    """Return only what changes once a day."""
    return _CODEC.seal(memory)


def dump_open(state: DetectorState, seal: int) -> bytes:
    """Return only what changes with every interval, about a kB while no event is open. `seal` is the checksum of the dumped memory."""
    return _CODEC.seal(seal, _open_part(state))


def join(opened: bytes, memory: bytes) -> DetectorState:
    """Return the state of both parts. Raises as `load` does, and WireError for parts that do not belong together."""
    seal, state = _CODEC.open(opened, 2)
    if seal != checksum(memory):
        raise WireError("snapshot", "the memory is not the one that the open part goes with")
    return _joined(_CODEC.open(memory, 1)[0], state)


def _open_part(state: DetectorState) -> DetectorState:
    return state._replace(memory=None)  # type: ignore[arg-type]  # written apart


def _joined(memory: object, state: object) -> DetectorState:
    if not isinstance(memory, Memory) or not isinstance(state, DetectorState):
        raise WireError("snapshot", "not a detector's state")
    return state._replace(memory=memory)


def _pack_past(day: Past) -> tuple[bytes, array[float]]:
    """Return a day as one string of 18 bytes, its drivers and residuals, and its hours, which the calm week often shares."""
    base = day.bins[0] - day.bins[0] % 24
    even = day.bins == bytes(base + place for place in places_of(day.at))
    flags = _CLASSES.index(day.day_class) | (_EVEN if even else 0) | (_JUDGED if day.rs else 0) | (_DRIVEN if any(day.z[4:]) else 0)
    head = _HEAD.pack(day.ordinal, day.start_ms, flags, base // 24, day.at) + (_DRIVERS.pack(*day.z[4:]) if flags & _DRIVEN else b"")
    rs = struct.pack(f"<{len(day.rs)}f", *day.rs)
    return head + rs + (b"" if even else day.bins), day.kw


def _unpack_past(data: bytes, kw: array[float]) -> Past:
    ordinal, start_ms, flags, row, at = _HEAD.unpack_from(data)
    drivers = _DRIVERS.unpack_from(data, _HEAD.size) if flags & _DRIVEN else (0.0, 0.0, 0.0)
    place = _HEAD.size + (_DRIVERS.size if flags & _DRIVEN else 0)
    rs = array("f", struct.unpack_from(f"<{len(channels.CHANNELS)}f", data, place) if flags & _JUDGED else ())
    place += 4 * len(rs)
    bins = bytes(24 * row + each for each in places_of(at)) if flags & _EVEN else data[place:]
    day_class = _CLASSES[flags & 7]
    return Past(ordinal, start_ms, day_class, regressors(day_class, drivers), at, bins, kw, (), rs)


def _pack_calm(day: Calm) -> tuple[int | bytes, array[float]]:
    row = day.bins[0] // 24
    return row if day.bins == ROWS[row] else day.bins, day.kw


def _unpack_calm(bins: int | bytes, kw: array[float]) -> Calm:
    return Calm(bins if isinstance(bins, bytes) else ROWS[bins], kw)


def _unpack_memory(*values: Any) -> Memory:
    memory = Memory(*values)
    schedule = memory.schedule
    if schedule is None:
        return memory
    return memory._replace(
        days=tuple(day._replace(ys=channels.values_of(day.bins, day.kw, schedule)) if day.rs else day for day in memory.days)
    )


def _pack_copy(copy: Copy) -> tuple[int, array[float], bool]:
    """Return a copy without the terms of drivers that were never seen."""
    theta, every = copy.theta, range(0, len(copy.theta), TERMS)
    seen = any(any(theta[at + WEEK_TERMS : at + TERMS]) for at in every)
    return copy.ordinal, theta if seen else array("f", [x for at in every for x in theta[at : at + WEEK_TERMS]]), copy.moved


def _unpack_copy(ordinal: int, theta: array[float], moved: bool) -> Copy:  # noqa: FBT001 – in the order of the fields
    terms = len(theta) // len(channels.CHANNELS)
    rows = [[*theta[at : at + terms], *(0.0,) * (TERMS - terms)] for at in range(0, len(theta), terms)]
    return Copy(ordinal, array("f", [x for row in rows for x in row]), moved)


def _unpack_day(clock: Clock, day_class: DayClass, base: int, least: float, most: tuple[float, ...]) -> Day:
    return Day(clock, day_class, base, (clock.start_ms, clock.end_ms, least, most))


def _unpack_ridge(a: tuple[float, ...], b: tuple[float, ...], n: int) -> Ridge:
    return Ridge(a, b, solve(a, b) if n else b, n)


_CODEC = Codec(
    VERSION,
    (
        DetectorState,
        Drivers,
        Clock,
        Day,
        Gate,
        Profile,
        Fast,
        Usual,
        Memory,
        Heard,
        Past,
        Copy,
        Schedule,
        Chart,
        Ridge,
        Scale,
        Echo,
        Shape,
        Calm,
        Event,
        Sums,
        Kept,
        Yearly,
    ),
    {
        Past: Packing(_pack_past, _unpack_past),
        Copy: Packing(_pack_copy, _unpack_copy),
        Calm: Packing(_pack_calm, _unpack_calm),
        Day: Packing(lambda day: (*day[:3], *day.plain[2:]), _unpack_day),
        Memory: Packing(tuple, _unpack_memory),
        Ridge: Packing(lambda ridge: (ridge.a, ridge.b, ridge.n), _unpack_ridge),
        Scale: Packing(lambda scale: (scale.order,), scale_of),
        Echo: Packing(lambda echo: (echo.us,), echo_of),
    },
    oldest=OLDEST,
)
