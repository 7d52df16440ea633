"""How current transformers are wired, judged from the angle between voltage and current of each phase.

A reversed transformer turns its current by 180°; one on the wrong phase turns it by 120°. The wiring with the fewest
faults under which all three phases look like the same ordinary load is the answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import atan2, degrees

LEAST_VA = 20.0
"""Below this a phase carries too little to judge its angle."""
_LOAD = (-40.0, 72.0)
"""Degrees of an ordinary load: slightly leading to strongly inductive."""
_SPREAD = 40.0
"""Phases of one load differ by less than this, in degrees."""
_LEADING = 20.0
"""So many degrees of a leading load are as unlikely as one more fault."""
_PHASES = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Wiring:
    """`reversed_` are phases whose CT points the wrong way; `source[i]` is the phase whose current input i + 1 sees."""

    reversed_: tuple[int, ...]
    source: tuple[int, int, int]

    @property
    def right(self) -> bool:
        """True when nothing is wired wrongly."""
        return not self.reversed_ and self.source == _PHASES


def angles(values: Mapping[str, float]) -> tuple[float, float, float] | None:
    """Return the angle of each phase in degrees (0 pure load, ±180 pure generation) from P and Q; None without enough of both."""
    out = []
    for phase in _PHASES:
        active, reactive = values.get(f"active_power_l{phase}"), values.get(f"reactive_power_l{phase}")
        if active is None or reactive is None or active**2 + reactive**2 < LEAST_VA**2:
            return None
        out.append(degrees(atan2(reactive, active)))
    return out[0], out[1], out[2]


def judge(measured: Sequence[float]) -> Wiring | None:
    """Return the likeliest wiring for the three angles; None when none makes an ordinary load of them (or all three export)."""
    best: tuple[tuple[float, float], Wiring] | None = None
    for source in itertools.permutations(_PHASES):
        for signs in itertools.product((False, True), repeat=3):
            true = [_true_angle(measured[at], at + 1, source[at], turned=signs[at]) for at in range(3)]
            spread = max(true) - min(true)
            if min(true) < _LOAD[0] or max(true) > _LOAD[1] or spread > _SPREAD:
                continue
            faults = sum(signs) + 1.1 * sum(at + 1 != source[at] for at in range(3))
            wiring = Wiring(tuple(at + 1 for at in range(3) if signs[at]), (source[0], source[1], source[2]))
            faults += max(0.0, -min(true)) / _LEADING
            if best is None or (faults, spread) < best[0]:
                best = (faults, spread), wiring
    return best[1] if best else None


def _true_angle(measured: float, at: int, source: int, *, turned: bool) -> float:
    """Return the load's angle at `source` when input `at` measured this against its own voltage (L2 lags L1 by 120°)."""
    angle = measured - 120.0 * (source - at) + (180.0 if turned else 0.0)
    return (angle + 180.0) % 360.0 - 180.0
