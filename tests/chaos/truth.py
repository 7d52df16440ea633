"""What was served, against what was stored: every stored number is traced to the reply that carried it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.chaos.coded import BLOCK_A, BLOCK_B, CODED, power_w, trace
from tests.chaos.farm import TRUE_KINDS

BEFORE_MS, AFTER_MS = 60, 1500
"""A reply was served from the instant of its reading on, within one poll of two requests."""
IN_TIME_MS = 200
"""A reply that took longer from its request, half of the timeout, may be given up by who asked."""
DYING_MS = 1500
"""What was served so shortly before a kill may not have been committed."""


@dataclass(frozen=True, slots=True)
class Served:
    """One reply, as the farm noted it."""

    t_ms: int
    address: int
    energy_wh: int
    kind: str
    took_ms: int


Journal = Mapping[tuple[int, int], Served]


@dataclass(slots=True)
class Compared:
    """What the comparison found."""

    stored: Counter[int] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)
    doubled: int = 0
    energy_served: dict[int, int] = field(default_factory=dict)
    sum_stored: int = 0
    sum_served: int = 0
    longest_gap_s: float = 0.0
    used: set[tuple[int, int]] = field(default_factory=set)


def journal(path: Path) -> dict[tuple[int, int], Served]:
    """Return all replies by (meter, counter)."""
    found = {}
    for line in path.read_text(encoding="ascii").splitlines():
        t_ms, meter, counter, address, energy, kind, took_ms = line.split()
        found[int(meter), int(counter)] = Served(int(t_ms), int(address), int(energy), kind.replace("-", " "), int(took_ms))
    return found


def compare(
    readings: Mapping[int, Mapping[int, Mapping[str, float]]], served: Journal, doubted: Container[tuple[int, int]] = ()
) -> Compared:
    """Trace every value of `readings` (by meter, then time in ms). The time of those in `doubted` is not believed."""
    out = Compared()
    for meter, series in readings.items():
        stamps = sorted(series)
        out.longest_gap_s = max([out.longest_gap_s, *((b - a) / 1000 for a, b in pairwise(stamps))])
        known: list[int] = []
        for t_ms in stamps:
            out.stored[meter] += 1
            counter = _traced(meter, t_ms, series[t_ms], served, out, dated=(meter, t_ms) not in doubted)
            if counter is not None:
                known += _energy(meter, t_ms, series[t_ms], served[meter, counter], out)
        out.energy_served[meter] = known[-1] - known[0] if known else 0
    return out


def _traced(meter: int, t_ms: int, values: Mapping[str, float], served: Journal, out: Compared, *, dated: bool) -> int | None:
    """Trace the coded values of one reading; return the counter of its first reply."""
    first = None
    for block in (BLOCK_A, BLOCK_B):
        traces = {quantity: trace(values[quantity]) for quantity in block if quantity in values}
        for quantity, said in traces.items():
            if (said.meter, said.register, said.lie) != (meter, CODED[quantity], False):
                out.foreign.append(f"m{meter} at {t_ms}: {quantity} is {said}")
        counters = {said.counter for said in traces.values()}
        if len(counters) > 1:
            out.foreign.append(f"m{meter} at {t_ms}: values of {len(counters)} replies in one block")
        for counter in counters:
            reply = served.get((meter, counter))
            if reply is None or reply.kind not in TRUE_KINDS or (dated and not -BEFORE_MS <= reply.t_ms - t_ms <= AFTER_MS):
                out.foreign.append(f"m{meter} at {t_ms}: reply {counter} was served as {reply}")
            out.doubled += (meter, counter) in out.used
            out.used.add((meter, counter))
            if reply is not None and block is BLOCK_A:
                first = counter
    return first


def _energy(meter: int, t_ms: int, values: Mapping[str, float], reply: Served, out: Compared) -> list[int]:
    """Compare the energy of one reading with its register; return it, or nothing when it is another one."""
    if values.get("import_energy") != reply.energy_wh or values.get("active_power") != power_w(meter):
        out.foreign.append(f"m{meter} at {t_ms}: energy {values.get('import_energy')}, served {reply.energy_wh}")
        return []
    out.sum_stored += int(values["import_energy"])
    out.sum_served += reply.energy_wh
    return [reply.energy_wh]


def not_committed(served: Journal, used: set[tuple[int, int]], deaths_ms: Sequence[int]) -> tuple[int, int]:
    """Return how many polls had a true first reply in good time, while nobody was about to die, and how many of those are not stored."""
    true = missing = 0
    for key, reply in served.items():
        if reply.address != 0 or reply.kind != "true" or reply.took_ms > IN_TIME_MS:
            continue
        at = bisect_left(deaths_ms, reply.t_ms)
        if at < len(deaths_ms) and deaths_ms[at] - reply.t_ms <= DYING_MS:
            continue
        true += 1
        missing += key not in used
    return true, missing
