"""What the campaigns of load measure with, and figures beside their goals."""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import fmean, linear_regression
from typing import NamedTuple

BLOCK_S = 20


@dataclass(slots=True)
class Verdict:
    """Figures beside their goals."""

    missed: list[str] = field(default_factory=list)

    def hold(self, what: str, found: float, goal: str, *, met: bool) -> None:
        """Print a figure beside its goal, and remember when it was missed."""
        print(f"{what:<58} {found:>10.4g}   goal {goal}{'' if met else '   MISSED'}", flush=True)
        if not met:
            self.missed.append(what)


class Told(NamedTuple):
    """A line of a feeder: when, rows committed and acknowledged so far, how long those since the last line waited."""

    at_ms: int
    committed: int
    acknowledged: int
    waits_ms: list[int]


def told(file: Path) -> list[Told]:
    """Return what a feeder told so far."""
    lines = file.read_text(encoding="ascii").splitlines(keepends=True) if file.exists() else []
    rows = [line.split() for line in lines if line.endswith("\n")]
    return [Told(int(a), int(b), int(c), [] if d == "-" else [int(one) for one in d.split(",")]) for a, b, c, d in rows]


def waits_ms(course: Sequence[Told], from_ms: int, to_ms: int) -> list[int]:
    """Return how long rows waited that were acknowledged in `[from_ms, to_ms)`, ascending."""
    return sorted(wait for line in course if from_ms <= line.at_ms < to_ms for wait in line.waits_ms)


def percentile(ascending: Sequence[int], share: float) -> int:
    """Return the value below which a share of all lie, 0 of none."""
    return ascending[int(len(ascending) * share)] if ascending else 0


def oldest_s(port: int, meters: Collection[str] = ()) -> float | None:
    """Return how old the value is that the page shows of the meter heard longest ago (of some meters), None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/live", timeout=5) as answer:
            shown = json.loads(answer.read())["meters"]
    except (urllib.error.URLError, OSError, ValueError):
        return None
    found = [datetime.fromisoformat(each["t"]).timestamp() for each in shown if each.get("t") and (not meters or each["meter"] in meters)]
    return time.time_ns() / 1e9 - min(found) if found else None


class Growth(NamedTuple):
    """How fast something grows, per hour, and the standard error of that."""

    per_h: float
    error: float


def growth(at_ms: Sequence[int], sizes: Sequence[float]) -> Growth:
    """Return how resident memory grows, MB per hour: a straight line through the least of every BLOCK_S.

    What is kept is there in the least as well; what a cycle needs for a moment is not. Of fewer than three blocks nothing is known.
    """
    blocks: dict[int, float] = {}
    for at, size in zip(at_ms, sizes, strict=True):
        block = (at - at_ms[0]) // (BLOCK_S * 1000)
        blocks[block] = min(size, blocks.get(block, size))
    if len(blocks) < 3:
        return Growth(0.0, math.inf)
    hours, least = [block * BLOCK_S / 3600 for block in blocks], list(blocks.values())
    slope, level = linear_regression(hours, least)
    rest = sum((size - level - slope * hour) ** 2 for hour, size in zip(hours, least, strict=True))
    return Growth(slope, math.sqrt(rest / (len(blocks) - 2) / sum((hour - fmean(hours)) ** 2 for hour in hours)))
