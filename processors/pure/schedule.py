"""The schedule of a meter, learned from its first valid days: which hours of the week are off-hours.

    L = mean of the buffered hours, q8 and q90 their quantiles, p_b the median per hour-of-week bin
    off_b   = p_b < q8 + 0.30 (q90 − q8)
    edge_b  = off_b and some running bin within ±2 hours (cyclic)
    a schedule exists  ⇔  24 < Σ off_b < 156  and  q90 − q8 > 0.10 L

Source: docs/detection.md, "Calendar". Learned once and again only on command: never silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from processors.pure.hours import BINS
from processors.pure.robust import median, quantile

SCHEDULE_DAYS = 14
RUNNING, OFF, EDGE = 0, 1, 2
"""A bin's code in `Schedule.mask`; an edge bin is an off bin too."""


class Schedule(NamedTuple):
    """`level` L is the scale of the meter in kW, `mask` one code per bin (empty: no schedule)."""

    level: float
    mask: bytes = b""

    @property
    def known(self) -> bool:
        """Off-hours were found; without (a 24/7 or flat load) there are no channels off, edge and on."""
        return bool(self.mask)

    def off_hours(self, weekday: int) -> int:
        """Return the number of off-hours of a row of the week, edges included."""
        return 24 - self.mask[24 * weekday : 24 * weekday + 24].count(RUNNING)

    def edge_hours(self, weekday: int) -> int:
        """Return the number of shoulder hours of a row of the week."""
        return self.mask[24 * weekday : 24 * weekday + 24].count(EDGE)


def mask_of(off: Sequence[bool]) -> bytes:
    """Return the codes of 168 off flags.

    >>> mask_of([True] * 6 + [False] * 162)[:6].hex()
    '020201010202'
    """
    codes = bytearray(BINS)
    for b in range(BINS):
        if off[b]:
            near_running = any(not off[(b + step) % BINS] for step in (-2, -1, 1, 2))
            codes[b] = EDGE if near_running else OFF
    return bytes(codes)


@lru_cache(maxsize=1024)
def selectors(mask: bytes) -> tuple[bytes, bytes, bytes]:
    r"""Return tables for `bytes.translate` that turn bins into 1 where they are off-hours, shoulders, running hours.

    >>> [bytes([0, 2, 3]).translate(table) for table in selectors(mask_of([True] * 6 + [False] * 162))]
    [b'\x01\x01\x01', b'\x01\x00\x00', b'\x00\x00\x00']
    """
    codes = mask.ljust(256, b"\xff")
    return (
        bytes(code in (OFF, EDGE) for code in codes),
        bytes(code == EDGE for code in codes),
        bytes(code == RUNNING for code in codes),
    )


def learn(hours: Iterable[tuple[int, float]], off_bins: Sequence[bool] | None = None) -> Schedule:
    """Learn from (bin, kW) of the first valid days; `off_bins` are the operator's and replace the learned ones.

    A bin never seen counts as running. A level of 0 means that the meter has drawn nothing.

    >>> week = [(b, 2.0 if b % 24 < 8 else 20.0) for b in range(168)]
    >>> learn(week * 2).level, learn(week * 2).off_hours(0), learn([(b, 5.0) for b in range(168)]).mask
    (14.0, 8, b'')
    """
    seen: dict[int, list[float]] = {}
    every: list[float] = []
    for b, kw in hours:
        seen.setdefault(b, []).append(kw)
        every.append(kw)
    level = sum(every) / len(every)
    if off_bins is not None:
        return Schedule(level, mask_of(off_bins))
    every.sort()
    low, high = quantile(every, 0.08), quantile(every, 0.90)
    limit = low + 0.30 * (high - low)
    off = [b in seen and median(seen[b]) < limit for b in range(BINS)]
    exists = 24 < sum(off) < 156 and high - low > 0.10 * level
    return Schedule(level, mask_of(off) if exists else b"")
