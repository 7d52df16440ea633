"""Where a meter's import energy comes from, reading by reading: its counter, or its power while there is none.

`judge` looks at one reading and says by which legs the meter's energy moves on. It holds all the rules about
counters that break, come back or never were there; energy.py carries out what it says.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from driftwatt.readings import Quality
from processors.pure import counters
from processors.pure.counters import MS_PER_HOUR, Counter, Limits
from processors.pure.power import Integral

NO_SOURCE, COUNTER, POWER = 0, 1, 2
_ESTIMATED, _RESET, _INTEGRATED, _ROLLOVER = (int(Quality[name]) for name in ("ESTIMATED", "RESET", "INTEGRATED", "ROLLOVER"))
_STUCK = int(Quality.STUCK)
_STUCK_STEPS = 5

Broke = Literal["reset", "jump", "gap", "replaced"]


class Leg(NamedTuple):
    """The meter's energy moves on to `total` at `t_ms`; where it is not `known`, `total` is what it was."""

    t_ms: int
    total: float
    flags: int = 0
    known: bool = True


class Basis(NamedTuple):
    """What energy rests on: the source, the import counter, and marks of the integral of power.

    `carried` is import energy told before power took over, less the integral then. `at_counter` and `at_change`
    are the integral when the counter was last believed and when it last moved.
    """

    source: int = NO_SOURCE
    counter: Counter | None = None
    carried: float = 0.0
    at_counter: float = 0.0
    at_change: float = 0.0


class Verdict(NamedTuple):
    """What a reading means for import energy: the basis after it, legs in order, and what broke, if anything did."""

    basis: Basis
    legs: tuple[Leg, ...] = ()
    broke: Broke | None = None


class Circumstances(NamedTuple):
    """What `judge` has to know besides the value: energy known so far, power, and what this register can do.

    `standby_w` is the power below which a counter may stand still without being stuck.
    """

    known_ms: int
    total: float
    integral: Integral
    limits: Limits
    gap_ms: int
    standby_w: float
    replaced: bool = False


def judge(basis: Basis, t_ms: int, value: float | None, around: Circumstances) -> Verdict:
    """Take the import counter as read at `t_ms`; None where it was absent, doubted or no number for a counter."""
    counter = basis.counter
    if value is None:
        return _by_power(basis, t_ms, around)
    if counter is None or basis.source == POWER:
        return _anchored(basis, t_ms, value, around)
    if around.replaced:
        fresh = counters.first(t_ms, value, base=counter.total)
        return Verdict(_believed(basis, fresh, t_ms, around), (Leg(t_ms, counter.total, _RESET, known=False),), "replaced")
    after, kind = counters.step(counter, t_ms, value, around.limits)
    match kind:
        case "held":
            return _by_power(Basis(basis.source, after, basis.carried, basis.at_counter, basis.at_change), t_ms, around)
        case "normal" | "rollover":
            flags = _flags(basis, after, t_ms, around) | (_ROLLOVER if kind == "rollover" else 0)
            return Verdict(_believed(basis, after, t_ms, around), (Leg(t_ms, after.total, flags),))
    known = Leg(t_ms, after.total, _RESET | (_ESTIMATED if t_ms - counter.held_ms > around.gap_ms else 0))
    unknown = Leg(counter.held_ms, counter.total, _RESET, known=False)
    return Verdict(_believed(basis, after, t_ms, around), (unknown, known), kind)


def _believed(basis: Basis, counter: Counter, t_ms: int, around: Circumstances) -> Basis:
    told = around.integral.import_wh
    return Basis(COUNTER, counter, basis.carried, told, told if counter.changed_ms == t_ms else basis.at_change)


def _flags(basis: Basis, after: Counter, t_ms: int, around: Circumstances) -> int:
    """Return ESTIMATED for a step over a gap, STUCK while the counter stands though power flows."""
    flags = _ESTIMATED if t_ms - around.known_ms > around.gap_ms else 0
    stood_ms = t_ms - after.changed_ms
    if stood_ms > around.gap_ms:
        least = max(_STUCK_STEPS * counters.resolution(after.value, around.limits), around.standby_w * stood_ms / MS_PER_HOUR)
        if around.integral.import_wh - basis.at_change > least:
            flags |= _STUCK
    return flags


def _anchored(basis: Basis, t_ms: int, value: float, around: Circumstances) -> Verdict:
    """Begin to count here: the first value ever, or the first after power stood in."""
    if basis.source == NO_SOURCE:
        return Verdict(_believed(basis, counters.first(t_ms, value), t_ms, around))
    legs = _by_power(basis, t_ms, around).legs or (Leg(t_ms, around.total, known=False),)
    counter = counters.first(t_ms, value, base=legs[-1].total)
    return Verdict(_believed(basis, counter, t_ms, around), legs)


def _by_power(basis: Basis, t_ms: int, around: Circumstances) -> Verdict:
    """Go on without a counter: wait for it for the length of a gap, then let power tell energy."""
    integral = around.integral
    if integral.t_ms != t_ms:
        return Verdict(basis)
    if basis.source == NO_SOURCE:
        return Verdict(Basis(POWER, basis.counter, -integral.import_wh))
    since_ms = max(integral.since_ms, around.known_ms)
    if basis.source == POWER:
        return Verdict(basis, (_leg(basis.carried, t_ms, around, known=integral.since_ms <= around.known_ms),))
    if t_ms - since_ms <= around.gap_ms:
        return Verdict(basis)
    unbroken = integral.since_ms <= around.known_ms
    carried = around.total - (basis.at_counter if unbroken else integral.run_wh)
    legs = (_leg(carried, t_ms, around, known=True),)
    unknown = () if unbroken else (Leg(since_ms, around.total, known=False),)
    return Verdict(Basis(POWER, basis.counter, carried, basis.at_counter, basis.at_change), (*unknown, *legs))


def _leg(carried: float, t_ms: int, around: Circumstances, *, known: bool) -> Leg:
    if not known:
        return Leg(t_ms, around.total, known=False)
    return Leg(t_ms, max(carried + around.integral.import_wh, around.total), _INTEGRATED)
