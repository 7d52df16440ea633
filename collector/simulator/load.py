"""Load as a function of time alone: power at any instant, and the energy counter that is its exact integral.

Time is cut into quarter-hours. Within one, power swings around the quarter's mean by a ripple of whole waves,
so the ripple never adds energy, and the counter needs only the sum of means and one closed formula.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, sin, tau
from typing import Protocol

from collector.simulator.noise import uniform

SLOT_MS = 900_000
SLOT_H = 0.25


class Load(Protocol):
    """What a meter measures."""

    def power_w(self, t_ms: int) -> float:
        """Return the active power in W at an instant (UTC ms)."""

    def energy_wh(self, t_ms: int) -> float:
        """Return the energy counter in Wh at an instant: its start plus the integral of power since the origin."""


@dataclass(frozen=True, slots=True)
class Ripple:
    """Swing within a quarter-hour: `waves` whole waves, up to `depth` of the mean. `depth` stays below 1."""

    depth: float = 0.0
    waves: int = 6


STEADY = Ripple()


class Curve:
    """A load given by the mean power of each quarter-hour.

    `mean_w(slot)` is asked once per slot, where `slot` counts quarter-hours since 1970 UTC. The counter stands at
    `start_wh` at `origin_ms`, which is the start of a slot; before it nothing is known. Raises ValueError there.
    """

    def __init__(self, mean_w: Callable[[int], float], *, origin_ms: int, start_wh: float, ripple: Ripple = STEADY, seed: int = 0) -> None:
        if origin_ms % SLOT_MS:
            raise ValueError("the origin is not the start of a quarter-hour")
        self._mean_w = mean_w
        self._origin = origin_ms // SLOT_MS
        self._ripple = ripple
        self._seed = seed
        self._means = array("d")
        self._sums = array("d", [start_wh])

    def power_w(self, t_ms: int) -> float:
        """See Load."""
        slot, rest = divmod(t_ms, SLOT_MS)
        mean, _ = self._at(slot)
        if not self._ripple.depth:
            return mean
        phase = uniform(self._seed, slot) * tau
        return mean * (1.0 + self._ripple.depth * sin(tau * self._ripple.waves * rest / SLOT_MS + phase))

    def energy_wh(self, t_ms: int) -> float:
        """See Load."""
        slot, rest = divmod(t_ms, SLOT_MS)
        mean, before = self._at(slot)
        part = rest / SLOT_MS
        if self._ripple.depth:
            phase = uniform(self._seed, slot) * tau
            wave = tau * self._ripple.waves
            part -= self._ripple.depth * (cos(wave * part + phase) - cos(phase)) / wave
        return before + mean * SLOT_H * part

    def _at(self, slot: int) -> tuple[float, float]:
        index = slot - self._origin
        if index < 0:
            raise ValueError("this load is not known before its origin")
        while len(self._means) <= index:
            mean = self._mean_w(self._origin + len(self._means))
            self._means.append(mean)
            self._sums.append(self._sums[-1] + mean * SLOT_H)
        return self._means[index], self._sums[index]


class Total:
    """The load of an incomer: what it feeds together, so that the tree adds up at every instant."""

    def __init__(self, parts: Sequence[Load], *, start_wh: float, origin_ms: int) -> None:
        self._parts = tuple(parts)
        self._start_wh = start_wh - sum(part.energy_wh(origin_ms) for part in self._parts)

    def power_w(self, t_ms: int) -> float:
        """See Load."""
        return sum(part.power_w(t_ms) for part in self._parts)

    def energy_wh(self, t_ms: int) -> float:
        """See Load."""
        return self._start_wh + sum(part.energy_wh(t_ms) for part in self._parts)
