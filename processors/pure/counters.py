"""What one step of a counter register means: energy, a rollover, or a break that needs a person.

A counter tells energy by what it gained, never by what it reads. Each step is classified; only `normal` and
`rollover` make energy. A value that cannot follow the last one is *held* until the next: when counting goes
on from the old value it was a glitch and is forgotten; when counting goes on from the held one, a new segment
began there. All numbers are in the register's own unit (Wh or varh before CT/PT ratio).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["normal", "rollover", "held", "reset", "jump", "gap"]
MS_PER_HOUR = 3_600_000
BURST_MS = 60_000
"""A meter may show its counter this much later than it counted."""
IDLE_MS = 900_000
"""At most so much standstill is believed to be a counter that is shown rarely."""
LONGEST_STEP_MS = 45 * 24 * MS_PER_HOUR
"""Over a longer silence nobody can say what a counter did."""
_FLOAT32_STEP = 2.0**-22
LARGEST = 1e15


class Limits(NamedTuple):
    """What a register can do: counts per hour at most, its modulus (0 is unknown), its smallest step."""

    per_hour: float
    modulus: float = 0.0
    resolution: float = 0.0


class Counter(NamedTuple):
    """One register and the energy that it has told.

    The last believed value stands at `t_ms`; `changed_ms` is when it last moved. Energy told so far is
    `base + (value − ref)`: `ref` is where the segment begins (less a modulus for each rollover), so that energy
    between any two readings of a segment is the difference of their values. `held_ms` is -1 when nothing is held.
    """

    t_ms: int
    value: float
    base: float
    ref: float
    changed_ms: int
    held_ms: int = -1
    held: float = 0.0

    @property
    def total(self) -> float:
        """Energy told since the first reading."""
        return self.base + (self.value - self.ref)


def believable(value: float) -> bool:
    """Tell whether a counter may show this at all."""
    return -1.0 <= value <= LARGEST


def first(t_ms: int, value: float, *, base: float = 0.0) -> Counter:
    """Return a counter whose segment begins with this value."""
    return Counter(t_ms, value, base, value, t_ms)


def resolution(value: float, limits: Limits) -> float:
    """Return the smallest difference that means anything at this height: the register's own, or that of a float32."""
    return max(limits.resolution, abs(value) * _FLOAT32_STEP)


def step(counter: Counter, t_ms: int, value: float, limits: Limits) -> tuple[Counter, Kind]:
    """Take a value read at `t_ms`, later than the last. Returns the counter after it and what the step was.

    After `held` nothing is believed yet. After `reset` (counting begins near 0), `jump` and `gap` (the held value
    came after more than LONGEST_STEP_MS) a segment began with the value held before, at its `held_ms`.
    """
    gain = _gain(counter, t_ms, value, limits)
    if gain is not None:
        return _moved(counter, t_ms, value, gain, limits)
    if counter.held_ms >= 0:
        began = Counter(counter.held_ms, counter.held, counter.total, counter.held, counter.held_ms)
        gain = _gain(began, t_ms, value, limits)
        if gain is not None:
            return _moved(began, t_ms, value, gain, limits)[0], _break(counter, limits)
    return Counter(counter.t_ms, counter.value, counter.base, counter.ref, counter.changed_ms, t_ms, value), "held"


def _moved(counter: Counter, t_ms: int, value: float, gain: float, limits: Limits) -> tuple[Counter, Kind]:
    if gain < 0:  # the last digit of a float trembles: the counter stands
        return Counter(t_ms, counter.value, counter.base, counter.ref, counter.changed_ms), "normal"
    changed_ms = t_ms if gain > 0 else counter.changed_ms
    if value < counter.value:
        return Counter(t_ms, value, counter.base, counter.ref - limits.modulus, changed_ms), "rollover"
    return Counter(t_ms, value, counter.base, counter.ref, changed_ms), "normal"


def _gain(counter: Counter, t_ms: int, value: float, limits: Limits) -> float | None:
    """Return what was counted up to `value`, None where no meter can have counted so; below 0 is tremble."""
    if not believable(value) or t_ms - counter.t_ms > LONGEST_STEP_MS:
        return None
    difference = value - counter.value
    tremble = resolution(counter.value, limits)
    idle_ms = min(counter.t_ms - counter.changed_ms, IDLE_MS)
    most = limits.per_hour * ((t_ms - counter.t_ms + idle_ms + BURST_MS) / MS_PER_HOUR) + 2 * tremble
    if -tremble <= difference <= most:
        return difference
    if difference < 0 < limits.modulus and counter.value <= limits.modulus + tremble:
        forward = difference + limits.modulus
        if 0 <= forward <= most:
            return forward
    return None


def _break(counter: Counter, limits: Limits) -> Kind:
    """Name the break between the last believed value and the held one; a reset shows what is soon counted from 0."""
    since_ms = counter.held_ms - counter.t_ms
    if since_ms > LONGEST_STEP_MS:
        return "gap"
    soon = limits.per_hour * ((since_ms + IDLE_MS) / MS_PER_HOUR) + resolution(0.0, limits)
    return "reset" if counter.held < counter.value and counter.held <= soon else "jump"
