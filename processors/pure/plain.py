"""The plain reading: everything as usual, nothing to decide, no boundary passed. Nearly all readings are plain.

A `Run` takes such readings one after another by changing a handful of numbers in place, and makes the Energy
that they lead to when somebody wants it. It ends exactly where `energy.take` would have: a law compares both.
What only adds up or only grows (coverage, totals) is not carried along but follows from where the run began.
"""

from __future__ import annotations

from operator import itemgetter

from driftwatt.readings import Reading
from processors.pure.counters import BURST_MS, LARGEST, LONGEST_STEP_MS, MS_PER_HOUR, Counter
from processors.pure.energy_state import Energy
from processors.pure.intervals import KNOWN, Account
from processors.pure.normalize import registers
from processors.pure.policy import MeterPolicy
from processors.pure.power import LARGEST_W, Integral, Watch
from processors.pure.sources import COUNTER, Basis

_POWER = "active_power"


class Run:
    """A meter whose readings are plain and have the registers of the first one. Made by `begin`."""

    __slots__ = (
        "_absent", "_account", "_at_change", "_began", "_changed_ms", "_counter", "_export_wh", "_first", "_first_ms", "_gap_ms",
        "_has_power", "_import_wh", "_most_ms", "_per_ms", "_pick", "_places", "_power_ms", "_readings", "_run_wh", "_second", "_second_ms",
        "_seen_ms", "_sign", "_since_ms", "_t_ms", "_third", "_third_ms", "_until_ms", "_value", "_w",
    )  # fmt: skip

    def __init__(self, energy: Energy, account: Account, counter: Counter, policy: MeterPolicy, like: Reading) -> None:
        self._began, self._account, self._counter, self._seen_ms = energy, account, counter, energy.seen_ms
        self._sign, self._gap_ms = policy.sign, policy.gap_ms
        self._most_ms = min(policy.gap_ms, LONGEST_STEP_MS)
        self._per_ms = policy.max_power_w / policy.ratio / MS_PER_HOUR
        self._until_ms = min(account.end_ms, account.due_ms, energy.watch.next_ms)
        self._t_ms, self._value, self._changed_ms = counter.t_ms, counter.value, counter.changed_ms
        self._at_change, self._readings = energy.basis.at_change, 0
        self._power_ms, self._w, self._since_ms, self._run_wh, self._import_wh, self._export_wh = energy.integral
        name, *names = registers(policy.sign)
        followed = [each if other in like.values else None for other, each in zip(names, energy.followers, strict=True)]
        self._places = [place for place, each in enumerate(followed) if each is not None]
        # A register that is not there is taken for the import counter once more: nothing looks at what comes of it.
        (self._first, self._first_ms), (self._second, self._second_ms), (self._third, self._third_ms) = (
            (each.value, each.changed_ms) for each in (one or counter for one in followed)
        )
        self._has_power = _POWER in like.values
        told = (other if each is not None else name for other, each in zip(names, followed, strict=True))
        self._pick = itemgetter(name, _POWER if self._has_power else name, *told)
        there = {_POWER if self._has_power else name, *(names[place] for place in self._places)}
        self._absent = tuple(each for each in (_POWER, *names) if each not in there)

    @property
    def seen_ms(self) -> int:
        """The newest reading taken."""
        return max(self._seen_ms, self._t_ms)

    def take(self, reading: Reading) -> bool:  # noqa: C901, PLR0911 – for every reading of a plant: steps in one place cost half of calls
        """Take a reading. Returns False, with nothing changed, when it needs care or has other registers."""
        t_ms, values = reading.t_ms, reading.values
        if reading.doubt or reading.clock != "ok" or not self._seen_ms < t_ms < self._until_ms:
            return False
        try:
            value, w, first, second, third = self._pick(values)
        except KeyError:
            return False
        step_ms, gain = t_ms - self._t_ms, value - self._value
        most = self._per_ms * (step_ms + BURST_MS)
        if not 0 <= gain <= most or value > LARGEST or not 0 < step_ms <= self._most_ms:
            return False
        if not gain and t_ms - self._changed_ms > self._gap_ms:
            return False
        one, two, three = first - self._first, second - self._second, third - self._third
        if not (0 <= one <= most and 0 <= two <= most and 0 <= three <= most) or first > LARGEST or second > LARGEST or third > LARGEST:
            return False
        if self._absent and any(name in values for name in self._absent):
            return False
        if self._has_power:
            self._integrate(t_ms, w if self._sign > 0 else -w)
        self._t_ms, self._value, self._first, self._second, self._third = t_ms, value, first, second, third
        self._readings += 1
        if one:
            self._first_ms = t_ms
        if two:
            self._second_ms = t_ms
        if three:
            self._third_ms = t_ms
        if gain:
            self._changed_ms, self._at_change = t_ms, self._import_wh
        return True

    def energy(self) -> Energy:
        """Return what is known after the readings taken so far."""
        began, account, counter, t_ms = self._began, self._account, self._counter, self._t_ms
        if not self._readings:
            return began
        after = Counter(t_ms, self._value, counter.base, counter.ref, self._changed_ms)
        followers, watch = list(began.followers), began.watch
        imported, *others = account.totals
        now = (self._first, self._first_ms), (self._second, self._second_ms), (self._third, self._third_ms)
        for place in self._places:
            before, (value, changed_ms) = followers[place], now[place]
            assert before is not None
            followers[place] = Counter(t_ms, value, before.base, before.ref, changed_ms)
        others = [was if one is None else _more(was, one.total) for one, was in zip(followers, others, strict=True)]
        return Energy(
            t_ms,
            began.sure,
            Basis(COUNTER, after, began.basis.carried, self._import_wh, self._at_change),
            (followers[0], followers[1], followers[2]),
            Integral(self._power_ms, self._w, self._since_ms, self._run_wh, self._import_wh, self._export_wh),
            Account(
                t_ms, (max(imported, after.total), others[0], others[1], others[2]),
                account.covered_ms + t_ms - counter.t_ms, account.flags | KNOWN,
                account.start_ms, account.end_ms, account.day_ms, account.day_end_ms, account.begun, account.begun_covered_ms,
                account.ready, account.hour, account.day, account.due_ms,
            ),
            Watch(watch.next_ms, watch.counted, watch.integrated, watch.readings + self._readings, watch.ratio, watch.odd_hours),
            began.found,
            began.serial,
            t_ms + self._gap_ms,
        )  # fmt: skip

    def _integrate(self, t_ms: int, w: float) -> None:
        """Take power, as `power.integrate` does."""
        if not -LARGEST_W <= w <= LARGEST_W:
            return
        before, hours = self._w, (t_ms - self._power_ms) / MS_PER_HOUR
        if self._power_ms < 0 or t_ms - self._power_ms > self._gap_ms:
            self._since_ms, self._run_wh = t_ms, self._import_wh
        elif before >= 0 and w >= 0:
            self._import_wh += (before + w) / 2 * hours
        else:
            self._import_wh += (max(before, 0.0) + max(w, 0.0)) / 2 * hours
            self._export_wh -= (min(before, 0.0) + min(w, 0.0)) / 2 * hours
        self._power_ms, self._w = t_ms, w


def begin(energy: Energy, policy: MeterPolicy, like: Reading) -> Run | None:
    """Return a run for readings with the registers of this one; None while something is open that a plain reading does not settle."""
    account, counter = energy.account, energy.basis.counter
    if account is None or counter is None or energy.found or not energy.sure or energy.basis.source != COUNTER:
        return None
    names = registers(policy.sign)
    for name, other in zip(names[1:], energy.followers, strict=True):
        if name in like.values and (other is None or other.held_ms >= 0 or other.t_ms != counter.t_ms):
            return None
    if counter.held_ms >= 0 or names[0] not in like.values or (policy.serial is not None and policy.serial != energy.serial):
        return None
    return Run(energy, account, counter, policy, like)


def _more(before: float | None, total: float) -> float:
    return total if before is None or total > before else before
