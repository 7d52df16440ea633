"""The energy of one meter: readings in, closed intervals and doubts about its numbers out.

The import counter rules; export and reactive counters follow it. A step that is no energy (reset, jump, gap, a
new meter) opens a new segment and a finding for a person. Power also betrays a counter that stands still or
counts with another ratio.
"""

from __future__ import annotations

from math import log10
from typing import NamedTuple

from driftwatt.readings import Quality
from processors.pure import counters
from processors.pure.counters import Limits
from processors.pure.energy_state import Energy, Followers
from processors.pure.findings import Findings
from processors.pure.intervals import Account, Move, Totals, advance, opened
from processors.pure.normalize import IMPORT, Measured, registers
from processors.pure.outputs import DataFinding, IntervalEnergy
from processors.pure.policy import MeterPolicy
from processors.pure.power import Integral, Watch, integrate, look
from processors.pure.sources import COUNTER, NO_SOURCE, Circumstances, Verdict, judge

_LIFT = 4.0
_STANDBY_W = 1000.0
_LEAST_STEPS = 50
_STUCK, _UNSURE = int(Quality.STUCK), int(Quality.CLOCK_UNCERTAIN)
_UNCOVERED = int(Quality.STUCK | Quality.ESTIMATED | Quality.CLOCK_UNCERTAIN)
_NOTHING = (None, None, None)
_SAME_DIGITS = 5e-4


class Told(NamedTuple):
    """What a reading brought: the state after it, intervals published and findings, each oldest first."""

    energy: Energy
    intervals: tuple[IntervalEnergy, ...] = ()
    findings: tuple[DataFinding, ...] = ()


def take(energy: Energy, said: Measured, policy: MeterPolicy) -> Told:
    """Take what a reading measured, whatever it says. One that is not newer than the last changes nothing."""
    if said.t_ms <= energy.seen_ms:
        return Told(energy)
    t_ms = said.t_ms
    integral = integrate(energy.integral, t_ms, said.power_w, policy.gap_ms)
    bound = _bound(energy.integral.w, said.power_w, policy)
    around = _around(energy, t_ms, integral, bound, policy)
    value = said.counters[IMPORT]
    verdict = judge(energy.basis, t_ms, value if value is not None and counters.believable(value) else None, around)
    fresh = verdict.broke == "replaced"
    followers = energy.followers
    if said.counters[1:] != _NOTHING:
        followers = _followed(followers, said, bound, policy, fresh=fresh)
    account, intervals = _moved(energy, said, verdict, followers, policy)
    watch, change = _watched(energy.watch, t_ms, verdict, around)
    findings = _doubts(energy, t_ms, verdict, change, policy)
    known = account is not energy.account
    believed = known and verdict.basis.source == COUNTER
    serial = policy.serial or energy.serial if believed else energy.serial
    sure = said.sure if known else energy.sure
    wake_ms = t_ms + policy.gap_ms
    after = Energy(t_ms, sure, verdict.basis, followers, integral, account, watch, findings.found, serial, wake_ms)
    return Told(after, intervals, findings.told)


def fall_silent(energy: Energy, now_ms: int, policy: MeterPolicy) -> Told:
    """Take note that it is `now_ms` and no reading came. Tells a gap once, at `wake_ms` or later."""
    if energy.wake_ms < 0 or now_ms < energy.wake_ms:
        return Told(energy)
    findings = Findings(energy.found).open(policy.meter, "gap", energy.seen_ms, now_ms, {})
    return Told(energy._replace(found=findings.found, wake_ms=-1), (), findings.told)


def _bound(before_w: float, now_w: float | None, policy: MeterPolicy) -> float:
    """Return what the meter can count per hour at most, in its own units: its rating, lifted by what it was seen to draw."""
    most = policy.max_power_w / policy.ratio
    seen = max(abs(before_w), abs(now_w or 0.0))
    return min(_LIFT * most, max(most, 2 * seen))


def _limits(name: str, bound: float, policy: MeterPolicy) -> Limits:
    facts = policy.counters.get(name)
    return Limits(bound, facts.modulus_wh or 0.0, facts.resolution_wh or 0.0) if facts else Limits(bound)


def _around(energy: Energy, t_ms: int, integral: Integral, bound: float, policy: MeterPolicy) -> Circumstances:
    account = energy.account
    return Circumstances(
        account.t_ms if account else t_ms,
        account.totals[0] if account else 0.0,
        integral,
        _limits(registers(policy.sign)[IMPORT], bound, policy),
        policy.gap_ms,
        min(_STANDBY_W, policy.max_power_w / 100) / policy.ratio,
        energy.serial is not None and policy.serial is not None and energy.serial != policy.serial,
    )


def _followed(before: Followers, said: Measured, bound: float, policy: MeterPolicy, *, fresh: bool) -> Followers:
    """Return the export and reactive counters after a reading; `fresh` begins new segments."""
    names = registers(policy.sign)
    after = list(before)
    for index, counter in enumerate(before):
        value = said.counters[index + 1]
        if value is None or not counters.believable(value):
            continue
        if counter is None or fresh:
            after[index] = counters.first(said.t_ms, value, base=counter.total if counter else 0.0)
        else:
            after[index] = counters.step(counter, said.t_ms, value, _limits(names[index + 1], bound, policy))[0]
    return after[0], after[1], after[2]


def _moved(
    energy: Energy, said: Measured, verdict: Verdict, followers: Followers, policy: MeterPolicy
) -> tuple[Account | None, tuple[IntervalEnergy, ...]]:
    """Carry out what was judged. Energy is never taken back: totals stay where rounding would lower them."""
    account = energy.account
    if account is None:
        begun = verdict.basis.source != NO_SOURCE
        return (opened(said.t_ms, _totals(0.0, followers, None), policy) if begun else None), ()
    unsure = 0 if energy.sure and said.sure else _UNSURE
    published: tuple[IntervalEnergy, ...] = ()
    for leg in verdict.legs:
        last = leg is verdict.legs[-1]
        totals = _totals(leg.total, followers, account.totals) if last else (leg.total, *account.totals[1:])
        flags = leg.flags | unsure
        account, told = advance(account, Move(leg.t_ms, totals, flags, leg.known, leg.known and not flags & _UNCOVERED), policy)
        published += told
    return account, published


def _totals(total: float, followers: Followers, before: Totals | None) -> Totals:
    others = [None if counter is None else counter.total for counter in followers]
    if before is None:
        return total, others[0], others[1], others[2]
    return max(total, before[0]), _never_less(others[0], before[1]), _never_less(others[1], before[2]), _never_less(others[2], before[3])


def _never_less(now: float | None, before: float | None) -> float | None:
    return before if now is None else now if before is None else max(now, before)


def _watched(watch: Watch, t_ms: int, verdict: Verdict, around: Circumstances) -> tuple[Watch, float | None]:
    counter = verdict.basis.counter
    if counter is None or verdict.basis.source != COUNTER or not verdict.legs:
        return watch, None
    least = max(_LEAST_STEPS * counters.resolution(counter.value, around.limits), around.standby_w)
    return look(watch, t_ms, verdict.legs[-1].total, around.integral.import_wh, least=least)


def _doubts(energy: Energy, t_ms: int, verdict: Verdict, change: float | None, policy: MeterPolicy) -> Findings:
    """Return the findings after a reading: silence and a stuck counter end, a break begins."""
    findings = Findings(energy.found)
    if findings.found:
        findings = findings.close(policy.meter, "gap", t_ms).close_old(policy.meter, t_ms)
    counter = verdict.basis.counter
    stuck = bool(verdict.legs) and bool(verdict.legs[-1].flags & _STUCK)
    if stuck and counter is not None:
        findings = findings.open(policy.meter, "stuck", counter.changed_ms, t_ms, {"value": counter.value})
    elif findings.found and counter is not None and counter.changed_ms == t_ms:
        findings = findings.close(policy.meter, "stuck", t_ms)
    if change is not None:
        findings = findings.open(policy.meter, "multiplier", t_ms, t_ms, {"change": change})
    before = energy.basis.counter
    if verdict.broke and before is not None and counter is not None:
        new = before.held if before.held_ms >= 0 and verdict.broke != "replaced" else counter.ref
        since_ms = before.t_ms
        reason = "multiplier" if verdict.broke == "jump" and _rescaled(before.value, new) else verdict.broke
        findings = findings.open(policy.meter, reason, since_ms, t_ms, {"from_wh": before.value, "to_wh": new})
    return findings


def _rescaled(old: float, new: float) -> bool:
    """Tell whether a counter went on with its point moved, as after a change of its ratio by ten or a hundred."""
    if old < 1 or new < 1:
        return False
    places = log10(new / old)
    return round(places) != 0 and abs(places - round(places)) < _SAME_DIGITS
