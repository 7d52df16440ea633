"""The energy of a meter as bytes and back, bit for bit: versioned, checksummed, never guessed.

The layout is `1 <crc32 of the rest, 8 hex digits> <JSON>`; JSON writes floats so that they read back equal.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

from driftwatt.errors import UnknownMajor, WireError
from processors.pure.counters import Counter
from processors.pure.energy_state import Energy
from processors.pure.findings import Found
from processors.pure.intervals import Account, Sum, Totals
from processors.pure.power import Integral, Watch
from processors.pure.sources import Basis

VERSION = 1
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_T = TypeVar("_T")


def dump(meter: str, energy: Energy) -> bytes:
    """Return a meter's energy as bytes."""
    body = _ENCODE([meter, energy]).encode()
    return b"%d %08x %s" % (VERSION, zlib.crc32(body), body)


def load(data: bytes) -> tuple[str, Energy]:
    """Return the meter and its energy. Raises WireError `state` for damage, UnknownMajor for a newer version."""
    version, _, rest = data.partition(b" ")
    checksum, _, body = rest.partition(b" ")
    if not version.isdigit():
        raise WireError("state", "no version")
    if int(version) != VERSION:
        raise UnknownMajor("state", f"version {int(version)}, this is {VERSION}")
    if checksum != b"%08x" % zlib.crc32(body):
        raise WireError("state", "checksum")
    try:
        meter, raw = json.loads(body)
        return str(meter), _energy(raw)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise WireError("state", str(error)) from error


def _energy(raw: list[Any]) -> Energy:
    energy = Energy(*raw)
    return energy._replace(
        basis=_basis(raw[2]),
        followers=(_some(Counter._make, raw[3][0]), _some(Counter._make, raw[3][1]), _some(Counter._make, raw[3][2])),
        integral=Integral(*raw[4]),
        account=_some(_account, raw[5]),
        watch=Watch(*raw[6]),
        found=tuple(Found(*one) for one in raw[7]),
    )


def _basis(raw: list[Any]) -> Basis:
    return Basis(*raw)._replace(counter=_some(Counter._make, raw[1]))


def _account(raw: list[Any]) -> Account:
    account = Account(*raw)
    return account._replace(
        totals=_totals(account.totals),
        begun=_totals(account.begun),
        ready=tuple(Sum(*one) for one in account.ready),
        hour=_some(Sum._make, account.hour),
        day=_some(Sum._make, account.day),
    )


def _totals(raw: Any) -> Totals:
    imported, exported, import_var, export_var = raw
    return imported, exported, import_var, export_var


def _some(make: Callable[[Any], _T], raw: Any) -> _T | None:
    return None if raw is None else make(raw)
