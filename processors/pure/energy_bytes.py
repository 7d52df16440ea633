"""The energy of a meter as bytes and back, bit for bit: versioned, checksummed, never guessed.

The layout is `2 <crc32 of the rest, 8 hex digits> <body>`. The body is a head (which parts there are, how many quarter-hours
are ready, how long the names are), numbers of 8 bytes each, little-endian, in the order of their fields, and the names as JSON:
meter, serial, open findings. A float that is not there is NaN, which no state holds.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from math import isnan, nan
from typing import Any

from driftwatt.errors import Outdated, UnknownMajor, WireError
from processors.pure import energy_json
from processors.pure.counters import Counter
from processors.pure.energy_state import Energy
from processors.pure.findings import Found
from processors.pure.intervals import Account, Sum
from processors.pure.power import Integral, Watch
from processors.pure.sources import Basis

VERSION, OLDEST = 2, 1
_HEAD = struct.Struct("<BHI")
_ACCOUNT, _HOUR, _DAY = 16, 32, 64
"""Bits of the head beside those of the four counters, which are 1, 2, 4, 8: import, then the followers."""
_ALWAYS, _OF_COUNTER, _OF_ACCOUNT, _OF_SUM = "qqqddd" + "qdqddd" + "qddqdq" + "q", "qdddqqd", "qddddqqqqqqddddqq", "qqdddddddqq"
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def dump(meter: str, energy: Energy) -> bytes:
    """Return a meter's energy as bytes."""
    basis, account, parts = energy.basis, energy.account, 0
    numbers: list[Any] = [energy.seen_ms, energy.sure, basis.source, *basis[2:], *energy.integral, *energy.watch, energy.wake_ms]
    for place, counter in enumerate((basis.counter, *energy.followers)):
        if counter is not None:
            parts |= 1 << place
            numbers += counter
    ready: tuple[Sum, ...] = ()
    if account is not None:
        ready, hour, day = account.ready, account.hour, account.day
        parts |= _ACCOUNT | (_HOUR if hour else 0) | (_DAY if day else 0)
        numbers += account[:1] + account.totals + account[2:8] + account.begun + (account.begun_covered_ms, account.due_ms)
        for some in (*ready, hour, day):
            numbers += some or ()
        numbers = [nan if each is None else each for each in numbers]
    names = _ENCODE((meter, energy.serial, energy.found)).encode()
    body = _HEAD.pack(parts, len(ready), len(names)) + _layout(parts, len(ready)).pack(*numbers) + names
    return b"%d %08x %s" % (VERSION, zlib.crc32(body), body)


def load(data: bytes) -> tuple[str, Energy]:
    """Return the meter and its energy. Raises WireError `state` for damage, Outdated before OLDEST, UnknownMajor after VERSION."""
    version, _, rest = data.partition(b" ")
    checksum, _, body = rest.partition(b" ")
    if not version.isdigit():
        raise WireError("state", "no version")
    if not OLDEST <= int(version) <= VERSION:
        foreign = Outdated if int(version) < OLDEST else UnknownMajor
        raise foreign("state", f"version {int(version)}, this is {VERSION}")
    if checksum != b"%08x" % zlib.crc32(body):
        raise WireError("state", "checksum")
    try:
        return energy_json.read(body) if int(version) == 1 else _read(body)
    except (struct.error, ValueError, TypeError, KeyError, IndexError, StopIteration) as error:
        raise WireError("state", str(error)) from error


def _read(body: bytes) -> tuple[str, Energy]:
    parts, ready, length = _HEAD.unpack_from(body)
    layout = _layout(parts, ready)
    if len(body) != _HEAD.size + layout.size + length:
        raise ValueError("length")
    numbers = iter(layout.unpack_from(body, _HEAD.size))
    meter, serial, found = json.loads(body[_HEAD.size + layout.size :])
    seen_ms, sure, source, *marks = _some(numbers, 6)
    integral, watch, (wake_ms,) = Integral(*_some(numbers, 6)), Watch(*_some(numbers, 6)), _some(numbers, 1)
    counters = [Counter(*_some(numbers, 7)) if parts & 1 << place else None for place in range(4)]
    account: Account | None = None
    if parts & _ACCOUNT:
        t_ms, *totals = _some(numbers, 5)
        until, begun, (begun_ms, due_ms) = _some(numbers, 6), _some(numbers, 4), _some(numbers, 2)
        sums = tuple(Sum(*_some(numbers, 11)) for _ in range(ready))
        hour = Sum(*_some(numbers, 11)) if parts & _HOUR else None
        day = Sum(*_some(numbers, 11)) if parts & _DAY else None
        fields: list[Any] = [t_ms, tuple(totals), *until, tuple(begun), begun_ms, sums, hour, day, due_ms]
        account = Account(*fields)
    basis = Basis(source, counters[0], *marks)
    doubts = tuple(Found(*one) for one in found)
    followers = (counters[1], counters[2], counters[3])
    return str(meter), Energy(seen_ms, bool(sure), basis, followers, integral, account, watch, doubts, serial, wake_ms)


def _some(numbers: Iterator[Any], count: int) -> list[Any]:
    return [None if isnan(each) else each for each in (next(numbers) for _ in range(count))]


@lru_cache(maxsize=256)
def _layout(parts: int, ready: int) -> struct.Struct:
    """Return the layout of the numbers for a head."""
    account = _OF_ACCOUNT if parts & _ACCOUNT else ""
    sums = ready + bool(parts & _HOUR) + bool(parts & _DAY)
    return struct.Struct("<" + _ALWAYS + _OF_COUNTER * (parts & 15).bit_count() + account + _OF_SUM * sums)
