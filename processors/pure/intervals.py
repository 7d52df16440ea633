"""Energy to quarter-hours, hours and days, by event time.

An account knows the totals of a meter's counters up to one instant. Each step moves it on; where a step crosses
a boundary the totals there are interpolated linearly, and an interval's energy is the difference of the totals
at its two ends, so that intervals add up to what the counter gained. An interval is published once energy is
known up to its end + 2 minutes; silence publishes nothing. Quarter-hours and hours are counted from the local
midnight, so that every day is a whole number of them, also those of 23 and 25 hours.
"""

from __future__ import annotations

from typing import NamedTuple

from driftwatt.readings import Quality
from processors.pure.calendar import day_bounds
from processors.pure.outputs import IntervalEnergy
from processors.pure.policy import MeterPolicy

LATE_MS = 120_000
QUARTER_MS, HOUR_MS = 900_000, 3_600_000
GOOD_COVERAGE = 0.95
KNOWN = 1 << 16
"""Inner mark: somebody knows the energy of at least a part of the interval."""
_ESTIMATED, _INTEGRATED = int(Quality.ESTIMATED), int(Quality.INTEGRATED)
_NO_PEAK = int(Quality.ESTIMATED | Quality.STUCK)
_NEVER = 1 << 62

Totals = tuple[float, float | None, float | None, float | None]
"""Energy told since the beginning in the meter's own units: import, export, import and export reactive."""


class Sum(NamedTuple):
    """Energy of an interval that is made but not published, in plant units (see IntervalEnergy)."""

    start_ms: int
    end_ms: int
    import_wh: float
    export_wh: float
    import_varh: float | None
    export_varh: float | None
    peak_w: float | None
    cost: float | None
    co2e_g: float | None
    covered_ms: int
    flags: int


class Account(NamedTuple):
    """Where a meter's energy stands. `totals` hold at `t_ms`; the quarter-hour `[start_ms, end_ms)` is open.

    `covered_ms` counts the time covered by good readings since the beginning. `begun` and `begun_covered_ms` are
    totals and coverage at `start_ms`. `ready` are made quarter-hours, `due_ms` is when the next thing is published.
    """

    t_ms: int
    totals: Totals
    covered_ms: int
    flags: int
    start_ms: int
    end_ms: int
    day_ms: int
    day_end_ms: int
    begun: Totals
    begun_covered_ms: int
    ready: tuple[Sum, ...] = ()
    hour: Sum | None = None
    day: Sum | None = None
    due_ms: int = _NEVER


class Move(NamedTuple):
    """A step of an account to `t_ms`: totals there, quality bits, whether the energy is known and covered."""

    t_ms: int
    totals: Totals
    flags: int
    known: bool = True
    covered: bool = True


def opened(t_ms: int, totals: Totals, policy: MeterPolicy) -> Account:
    """Return an account that begins now."""
    day_ms, day_end_ms = day_bounds(policy.zone, t_ms)
    start_ms, end_ms = _quarter(t_ms, day_ms, day_end_ms)
    return Account(t_ms, totals, 0, 0, start_ms, end_ms, day_ms, day_end_ms, totals, 0)


def advance(account: Account, move: Move, policy: MeterPolicy) -> tuple[Account, tuple[IntervalEnergy, ...]]:
    """Move the account on to a later instant. Returns it and what is published, oldest first, larger intervals last."""
    covered_ms = account.covered_ms + (move.t_ms - account.t_ms if move.covered else 0)
    flags = move.flags | KNOWN if move.known else move.flags
    if move.t_ms < account.end_ms:
        moved = Account(
            move.t_ms,
            move.totals,
            covered_ms,
            account.flags | flags,
            account.start_ms,
            account.end_ms,
            account.day_ms,
            account.day_end_ms,
            account.begun,
            account.begun_covered_ms,
            account.ready,
            account.hour,
            account.day,
            account.due_ms,
        )
    else:
        moved = _cross(account, move, flags, policy) if move.known else _skip(account, move, flags, policy)
    return (moved, ()) if move.t_ms < moved.due_ms else _publish(moved, policy)


def _cross(account: Account, move: Move, flags: int, policy: MeterPolicy) -> Account:
    """Close every quarter-hour that a step of known energy passes."""
    ready = list(account.ready)
    start_ms, end_ms, day_ms, day_end_ms = account.start_ms, account.end_ms, account.day_ms, account.day_end_ms
    begun, begun_covered_ms, kept = account.begun, account.begun_covered_ms, account.flags
    while end_ms <= move.t_ms:
        at_end = _between(account, move, end_ms)
        covered_ms = account.covered_ms + (end_ms - account.t_ms if move.covered else 0)
        ready.append(_made((start_ms, end_ms), begun, at_end, covered_ms=covered_ms - begun_covered_ms, flags=kept | flags, policy=policy))
        begun, begun_covered_ms, kept, start_ms = at_end, covered_ms, 0, end_ms
        if start_ms >= day_end_ms:
            day_ms, day_end_ms = day_bounds(policy.zone, start_ms)
        end_ms = min(start_ms + QUARTER_MS, day_end_ms)
    kept = flags if move.t_ms > start_ms else 0
    covered_ms = account.covered_ms + (move.t_ms - account.t_ms if move.covered else 0)
    due_ms = min(account.due_ms, ready[0].end_ms + LATE_MS)
    return Account(
        move.t_ms, move.totals, covered_ms, kept, start_ms, end_ms, day_ms, day_end_ms, begun, begun_covered_ms,
        tuple(ready), account.hour, account.day, due_ms,
    )  # fmt: skip


def _skip(account: Account, move: Move, flags: int, policy: MeterPolicy) -> Account:
    """Leave the open quarter-hour with what is known of it and go on in the one of `move`; between them nothing is known."""
    ready, due_ms = account.ready, account.due_ms
    if account.flags & KNOWN:
        covered_ms = account.covered_ms - account.begun_covered_ms
        span, seen = (account.start_ms, account.end_ms), account.flags | flags
        made = _made(span, account.begun, account.totals, covered_ms=covered_ms, flags=seen, policy=policy)
        ready, due_ms = (*ready, made), min(due_ms, made.end_ms + LATE_MS)
    fresh = opened(move.t_ms, account.totals, policy)
    kept = flags if move.t_ms > fresh.start_ms else 0
    return fresh._replace(
        totals=move.totals, flags=kept, covered_ms=account.covered_ms, begun_covered_ms=account.covered_ms,
        ready=ready, hour=account.hour, day=account.day, due_ms=due_ms,
    )  # fmt: skip


def _between(account: Account, move: Move, t_ms: int) -> Totals:
    """Return the totals at an instant of the step, linear in time; they never fall and never pass the step's end."""
    if t_ms == move.t_ms:
        return move.totals
    share = (t_ms - account.t_ms) / (move.t_ms - account.t_ms)
    first, last = account.totals, move.totals
    return (
        min(first[0] + (last[0] - first[0]) * share, last[0]),
        _part(first[1], last[1], share),
        _part(first[2], last[2], share),
        _part(first[3], last[3], share),
    )


def _part(first: float | None, last: float | None, share: float) -> float | None:
    if first is None or last is None:
        return first
    return min(first + (last - first) * share, last)


def _made(span: tuple[int, int], begun: Totals, ended: Totals, *, covered_ms: int, flags: int, policy: MeterPolicy) -> Sum:
    """Return a quarter-hour in plant units, with its price and CO2e."""
    start_ms, end_ms = span
    ratio = policy.ratio
    import_wh = (ended[0] - begun[0]) * ratio
    good = covered_ms >= GOOD_COVERAGE * (end_ms - start_ms)
    if flags & _INTEGRATED and not good:
        flags |= _ESTIMATED
    peak_w = import_wh * HOUR_MS / (end_ms - start_ms) if good and not flags & _NO_PEAK else None
    kwh = import_wh / 1000
    factor = policy.factors.factor_at(start_ms) if policy.factors else None
    return Sum(
        start_ms,
        end_ms,
        import_wh,
        _gained(begun[1], ended[1], ratio) or 0.0,
        _gained(begun[2], ended[2], ratio),
        _gained(begun[3], ended[3], ratio),
        peak_w,
        policy.tariff.cost_of_interval(start_ms, end_ms, kwh) if policy.tariff else None,
        kwh * factor.kg_per_kwh * 1000 if factor else None,
        covered_ms,
        flags & ~KNOWN,
    )


def _gained(begun: float | None, ended: float | None, ratio: float) -> float | None:
    return None if ended is None else (ended - (begun or 0.0)) * ratio


def _publish(account: Account, policy: MeterPolicy) -> tuple[Account, tuple[IntervalEnergy, ...]]:
    """Publish everything that ended 2 minutes ago or earlier."""
    out: list[IntervalEnergy] = []
    until_ms, hour, day = account.t_ms - LATE_MS, account.hour, account.day
    ready = list(account.ready)
    while ready and ready[0].end_ms <= until_ms:
        quarter = ready.pop(0)
        if hour and quarter.start_ms >= hour.end_ms:
            out.append(_told(hour, "1h", policy))
            hour = None
        if day and quarter.start_ms >= day.end_ms:
            out.append(_told(day, "1d", policy))
            day = None
        out.append(_told(quarter, "15m", policy))
        hour, day = _added(hour, quarter, HOUR_MS, policy), _added(day, quarter, None, policy)
    if hour and hour.end_ms <= until_ms:
        out.append(_told(hour, "1h", policy))
        hour = None
    if day and day.end_ms <= until_ms:
        out.append(_told(day, "1d", policy))
        day = None
    ends = [some.end_ms + LATE_MS for some in (*ready[:1], hour, day) if some]
    return account._replace(ready=tuple(ready), hour=hour, day=day, due_ms=min(ends, default=_NEVER)), tuple(out)


def _told(made: Sum, kind: str, policy: MeterPolicy) -> IntervalEnergy:
    return IntervalEnergy(
        policy.meter,
        kind,  # type: ignore[arg-type]  # one of the three literals, written above
        made.start_ms,
        made.end_ms,
        made.import_wh,
        made.export_wh,
        made.import_varh,
        made.export_varh,
        made.peak_w,
        made.cost,
        made.co2e_g,
        made.covered_ms / (made.end_ms - made.start_ms),
        made.flags,
    )


def _added(whole: Sum | None, part: Sum, length_ms: int | None, policy: MeterPolicy) -> Sum:
    """Return an hour (`length_ms`) or a day (None) with one more quarter-hour in it."""
    if whole is None:
        start_ms, end_ms = day_bounds(policy.zone, part.start_ms)
        if length_ms:
            start_ms += (part.start_ms - start_ms) // length_ms * length_ms
            end_ms = min(start_ms + length_ms, end_ms)
        return part._replace(start_ms=start_ms, end_ms=end_ms)
    return Sum(
        whole.start_ms,
        whole.end_ms,
        whole.import_wh + part.import_wh,
        whole.export_wh + part.export_wh,
        _plus(whole.import_varh, part.import_varh),
        _plus(whole.export_varh, part.export_varh),
        part.peak_w if whole.peak_w is None else whole.peak_w if part.peak_w is None else max(whole.peak_w, part.peak_w),
        None if whole.cost is None or part.cost is None else whole.cost + part.cost,
        None if whole.co2e_g is None or part.co2e_g is None else whole.co2e_g + part.co2e_g,
        whole.covered_ms + part.covered_ms,
        whole.flags | part.flags,
    )


def _plus(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else one + other


def _quarter(t_ms: int, day_ms: int, day_end_ms: int) -> tuple[int, int]:
    start_ms = day_ms + (t_ms - day_ms) // QUARTER_MS * QUARTER_MS
    return start_ms, min(start_ms + QUARTER_MS, day_end_ms)
