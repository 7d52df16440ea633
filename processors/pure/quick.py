"""The plain reading: everything as usual, nothing to decide, no boundary passed. Nine of ten readings are plain.

`quick` gives exactly what energy.take_carefully gives, or None when a reading is not plain. A law compares both.
"""

from __future__ import annotations

from processors.pure.counters import BURST_MS, LARGEST, LONGEST_STEP_MS, MS_PER_HOUR, Counter
from processors.pure.energy_state import Energy, Followers
from processors.pure.intervals import KNOWN, Account
from processors.pure.normalize import Measured, Values
from processors.pure.policy import MeterPolicy
from processors.pure.power import Watch, integrate
from processors.pure.sources import COUNTER, Basis

_NOTHING = (None, None, None)


def quick(energy: Energy, said: Measured, policy: MeterPolicy) -> Energy | None:
    """Return the state after a plain reading, None when it needs care."""
    t_ms, sure, power_w, values = said
    _, _, basis, followers, before, account, watch, found, serial, _ = energy
    counter, value = basis.counter, values[0]
    if account is None or counter is None or value is None or found or not sure or not energy.sure or basis.source != COUNTER:
        return None
    step_ms = t_ms - counter.t_ms
    per_ms = policy.max_power_w / policy.ratio / MS_PER_HOUR
    most = per_ms * (step_ms + BURST_MS)
    gain, gap_ms = value - counter.value, policy.gap_ms
    if not 0 <= gain <= most or value > LARGEST or counter.held_ms >= 0 or step_ms > gap_ms:
        return None
    changed_ms = t_ms if gain else counter.changed_ms
    if t_ms >= account.end_ms or t_ms >= account.due_ms or t_ms >= watch.next_ms or t_ms - changed_ms > gap_ms:
        return None
    if policy.serial is not None and policy.serial != serial:
        return None
    totals = account.totals
    told = counter.base + (value - counter.ref)
    total = max(totals[0], told)
    if values[1] is not None or values[2] is not None or values[3] is not None:
        others = _followers(followers, values, t_ms, per_ms)
        if others is None:
            return None
        followers = others
    exported, var_in, var_out = totals[1:]
    if followers != _NOTHING:
        exported, var_in, var_out = (_more(one, was) for one, was in zip(followers, totals[1:], strict=True))
    integral = integrate(before, t_ms, power_w, gap_ms)
    moved = Account(
        t_ms, (total, exported, var_in, var_out), account.covered_ms + step_ms, account.flags | KNOWN,
        account.start_ms, account.end_ms, account.day_ms, account.day_end_ms, account.begun, account.begun_covered_ms,
        account.ready, account.hour, account.day, account.due_ms,
    )  # fmt: skip
    at_change = integral.import_wh if gain else basis.at_change
    after = Counter(t_ms, value, counter.base, counter.ref, changed_ms)
    return Energy(
        t_ms,
        sure,
        Basis(COUNTER, after, basis.carried, integral.import_wh, at_change),
        followers,
        integral,
        moved,
        Watch(watch.next_ms, watch.counted, watch.integrated, watch.readings + 1, watch.ratio, watch.odd_hours),
        found,
        serial,
        t_ms + gap_ms,
    )


def _followers(before: Followers, values: Values, t_ms: int, per_ms: float) -> Followers | None:
    """Return the other counters after a plain reading, None when one of them needs care."""
    after = list(before)
    for index, counter in enumerate(before):
        value = values[index + 1]
        if value is None:
            continue
        if counter is None or counter.held_ms >= 0 or value > LARGEST or t_ms - counter.t_ms > LONGEST_STEP_MS:
            return None
        if not 0 <= value - counter.value <= per_ms * (t_ms - counter.t_ms + BURST_MS):
            return None
        after[index] = Counter(t_ms, value, counter.base, counter.ref, t_ms if value != counter.value else counter.changed_ms)
    return after[0], after[1], after[2]


def _more(counter: Counter | None, before: float | None) -> float | None:
    if counter is None:
        return before
    total = counter.base + (counter.value - counter.ref)
    return total if before is None or total > before else before
