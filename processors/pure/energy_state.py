"""What is remembered about the energy of one meter."""

from __future__ import annotations

from typing import NamedTuple

from processors.pure.counters import Counter
from processors.pure.findings import Found
from processors.pure.intervals import Account
from processors.pure.power import Integral, Watch
from processors.pure.sources import Basis

Followers = tuple[Counter | None, Counter | None, Counter | None]


class Energy(NamedTuple):
    """Everything known about the energy of one meter.

    `seen_ms` is the newest reading taken, -1 before the first; `sure` tells whether the clock was, when energy
    was last known. `followers` are the export and both reactive counters. `wake_ms` is when silence becomes
    news, -1 once it is known. `serial` is that of the meter whose counter is believed.
    """

    seen_ms: int = -1
    sure: bool = True
    basis: Basis = Basis()
    followers: Followers = (None, None, None)
    integral: Integral = Integral()
    account: Account | None = None
    watch: Watch = Watch()
    found: tuple[Found, ...] = ()
    serial: str | None = None
    wake_ms: int = -1
