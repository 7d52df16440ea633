"""Savings verified: what a repair saved, measured against the clean reference as it was frozen before the waste began.

In the words of IPMVP (option B, retrofit isolation: all parameters measured): savings = (baseline-period energy −
reporting-period energy) ± adjustments. The adjustments are the frozen regression θ* of the meter (kind of day,
weather, production), so that both periods stand against the same conditions:

    e_d = W_d − H_d · θ*ᵀz_d                   excess of day d, kWh
    saving = mean e (waste, n days) − mean e (since the repair, n' valid days)         kWh per day
    half-width (90 %) = h · √( (1/n + 1/n') / (1/n + 1/130) )      h: the half-width of the waste per day (ledger.py)

The reference stands on both sides, so its own error (1/130) cancels. Looked at 14, 30 and 90 days after the repair:

| outcome | when |
|---|---|
| verified | the whole band is above zero and at least half of the waste is gone |
| within_band | at least half of the waste is gone, but the band holds zero |
| not_seen | less than half of it is gone: the alert is opened again |
| no_data | fewer than 90 % of the days since the repair are valid |

A day without hours of the part in which the waste ran is valid with nothing in it, so that all figures are per calendar day.

It came back when, after two days or more without it, three days in a row are above half of the waste.

>>> half_width(10.0, 7, 14) > 10.0, round(half_width(10.0, 60, 90), 2)
(True, 10.68)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

from driftwatt.alerts import Alert, HistoryLine, Outcome, Range, Saving, Verdict
from processors.pure.baseline import FORGET
from processors.pure.clean import Excess, Reference

DAY_MS = 86_400_000
REFERENCE_DAYS = 1 / (1 - FORGET)
"""So many days weigh in a baseline."""
LOOKS = (14, 30, 90)
"""Days after the repair at which the saving is looked at."""
RECENT_DAYS = 14
LEAST_COVERAGE = 0.9
CLAIM_DAYS = 365
"""A claimed saving needs a baseline of twelve months; with less it is an estimate after the repair."""
HALF = 0.5
BACK_DAYS, AWAY_DAYS = 3, 2
LATE_MS = 2 * DAY_MS
"""A look that no data reach is given up so long after its day."""
DAYS_PER_YEAR = 365.25


def begin(alert: Alert, found: Reference | None, days: Sequence[Excess], at_ms: int) -> Alert:
    """Return a repaired alert whose saving is followed from now on; without a reference or a waste figure it is not.

    `days` are the valid days of the waste; its last two weeks count, so that a doubtful beginning does not matter.
    """
    kwh, per_day = alert.excess_kwh, alert.per_day.get("kwh", 0.0)
    if found is None or kwh is None or kwh.value <= 0 or per_day <= 0:
        return replace(alert, saving=again(alert.saving, at_ms)) if alert.saving else alert
    recent = [day.kwh for day in days][-RECENT_DAYS:]
    before, cost, told = sum(recent) / len(recent) if recent else per_day, alert.per_day.get("cost"), kwh.value / per_day
    count = len(recent) or max(1, round(told))
    half = half_width((kwh.high - kwh.value) / told, max(1, round(told)), count, shared=False)
    saving = Saving(
        fixed_ms=at_ms,
        channel=found.channel,
        all_day=found.all_day,
        theta=found.theta,
        level=found.level,
        before=Range(before, max(0.0, before - half), before + half),
        before_days=count,
        cost=None if cost is None else cost / per_day,
        co2e_kg=None if alert.co2e_kg is None else alert.co2e_kg / kwh.value,
        claim=alert.days_learned >= CLAIM_DAYS and not alert.provisional,
    )
    return replace(alert, saving=saving)


def ended_ms(days: Sequence[Excess]) -> int | None:
    """Return when waste that went away by itself was over: the end of the last day with more than half of the waste of its worse days."""
    said = [day for day in days if not day.idle]
    worse = sorted((day.kwh for day in said), reverse=True)[: (len(said) + 1) // 2]
    return max((day.start_ms + DAY_MS for day in said if day.kwh > HALF * sum(worse) / len(worse)), default=None) if worse else None


def again(saving: Saving, at_ms: int) -> Saving:
    """Return a saving that is followed anew from a second repair on, against the same reference."""
    return replace(saving, fixed_ms=at_ms, days=0, kwh=0.0, ordinal=0, end_ms=0, high=0, low=0, verdicts=(), came_back_ms=None)


def reference(saving: Saving) -> Reference:
    """Return the frozen reference of a saving."""
    return Reference(saving.channel, saving.all_day, saving.theta, saving.level)  # type: ignore[arg-type]


def followed(alert: Alert) -> bool:
    """Tell whether an alert's saving still has to be looked at."""
    saving = alert.saving
    return (
        saving is not None
        and alert.state == "closed"
        and saving.came_back_ms is None
        and not (saving.verdicts and saving.verdicts[-1].day == LOOKS[-1])
    )


def book(alert: Alert, days: Iterable[Excess], at_ms: int) -> Alert:
    """Return the alert with valid days that are over; opened again when the waste came back or never went."""
    for day in days:
        saving = alert.saving
        if saving is None or not followed(alert):
            return alert
        if day.ordinal <= saving.ordinal or day.start_ms < saving.fixed_ms:
            continue
        high = day.kwh > HALF * saving.before.value
        saving = replace(
            saving,
            days=saving.days + 1,
            kwh=saving.kwh + day.kwh,
            ordinal=day.ordinal,
            end_ms=day.start_ms + DAY_MS,
            high=saving.high if day.idle else saving.high + 1 if high else 0,
            low=saving.low + (not high and not day.idle),
        )
        alert = replace(alert, saving=saving)
        due = due_look(saving, saving.end_ms)
        if saving.high >= BACK_DAYS and saving.low >= AWAY_DAYS:
            alert = came_back(alert, at_ms)
        elif due is not None:
            alert = judged(alert, due, at_ms)
    return alert


def overdue(alert: Alert, now_ms: int) -> bool:
    """Tell whether a look is past its day and no data came that could bring it."""
    due = due_look(alert.saving, now_ms - LATE_MS) if alert.saving and followed(alert) else None
    return due is not None


def due_look(saving: Saving, end_ms: int) -> int | None:
    """Return the first look that is due at an instant and was not had yet, in days after the repair."""
    had = saving.verdicts[-1].day if saving.verdicts else 0
    return next((day for day in LOOKS if day > had and end_ms - saving.fixed_ms >= day * DAY_MS), None)


def judged(alert: Alert, day: int, at_ms: int) -> Alert:
    """Return the alert after a look at its saving."""
    saving = alert.saving
    if saving is None:
        return alert
    verdict = look(saving, day, at_ms)
    saving = replace(saving, verdicts=(*saving.verdicts, verdict))
    history = (*alert.history, HistoryLine(at_ms, f"saving_{verdict.outcome}", reason=str(day)))
    alert = replace(alert, saving=saving, history=history, updated_ms=max(alert.updated_ms, at_ms))
    return _opened_again(alert) if verdict.outcome == "not_seen" else alert


def look(saving: Saving, day: int, at_ms: int) -> Verdict:
    """Return what the days since the repair say."""
    kwh = measured(saving)
    coverage = min(1.0, saving.days / day)
    gone = kwh.value >= (1 - HALF) * saving.before.value
    outcome: Outcome = "no_data" if coverage < LEAST_COVERAGE else "not_seen" if not gone else "verified" if kwh.low > 0 else "within_band"
    return Verdict(at_ms, day, outcome, saving.days, coverage, kwh, per_year(saving, kwh), co2e_per_year(saving, kwh))


def measured(saving: Saving) -> Range:
    """Return the saving per day so far, kWh, with its 90 % band; nothing before the first valid day."""
    if not saving.days:
        return Range(0.0, 0.0, 0.0)
    value = saving.before.value - saving.kwh / saving.days
    half = half_width(saving.before.high - saving.before.value, saving.before_days, saving.days)
    return Range(value, value - half, value + half)


def half_width(before: float, n: int, after: int, *, shared: bool = True) -> float:
    """Return a half-width per day from that of the waste over `n` days.

    `shared`: of a difference to `after` days against the same reference; else of the waste over `after` days alone.
    """
    return before * math.sqrt(((1 / n if shared else 1 / REFERENCE_DAYS) + 1 / after) / (1 / n + 1 / REFERENCE_DAYS))


def per_year(saving: Saving, kwh: Range) -> Range | None:
    """Return the money of a year at what a kWh of the waste cost."""
    if saving.cost is None:
        return None
    scale = DAYS_PER_YEAR * saving.cost
    return Range(kwh.value * scale, kwh.low * scale, kwh.high * scale)


def co2e_per_year(saving: Saving, kwh: Range) -> float | None:
    """Return the kg CO2e of a year."""
    return None if saving.co2e_kg is None else DAYS_PER_YEAR * saving.co2e_kg * kwh.value


def came_back(alert: Alert, at_ms: int, *, by: str = "") -> Alert:
    """Return a repaired alert whose waste is back; `by` is the alert that opened for it, else this one opens again."""
    saving = alert.saving
    if saving is None:
        return alert
    line = HistoryLine(at_ms, "came_back", note=by)
    alert = replace(
        alert, saving=replace(saving, came_back_ms=at_ms), history=(*alert.history, line), updated_ms=max(alert.updated_ms, at_ms)
    )
    return alert if by else _opened_again(alert)


def state(alert: Alert) -> str:
    """Return how far the saving of a repaired alert is, in one word; "" for an alert that is not repaired."""
    saving = alert.saving
    if saving is None:
        return ""
    if saving.came_back_ms is not None:
        return "came_back"
    return saving.verdicts[-1].outcome if saving.verdicts else "verifying"


def by_meter(alerts: Iterable[Alert]) -> dict[str, tuple[str, ...]]:
    """Return the ids of the alerts whose saving is followed, by meter."""
    found: dict[str, tuple[str, ...]] = {}
    for alert in alerts:
        if followed(alert):
            found[alert.meter] = (*found.get(alert.meter, ()), alert.id)
    return found


def document(alert: Alert) -> dict[str, object] | None:
    """Return the saving as integrators read it, None for an alert that is not repaired."""
    saving = alert.saving
    if saving is None:
        return None
    kwh = measured(saving)
    year = per_year(saving, kwh)
    return {
        "state": state(alert),
        "fixed_ms": saving.fixed_ms,
        "days": saving.days,
        "claim": saving.claim,
        "waste_kwh_per_day": asdict(saving.before),
        "kwh_per_day": asdict(kwh),
        "cost_per_year": None if year is None else asdict(year),
        "co2e_kg_per_year": co2e_per_year(saving, kwh),
        "verdicts": [asdict(verdict) for verdict in saving.verdicts],
        "came_back_ms": saving.came_back_ms,
    }


def _opened_again(alert: Alert) -> Alert:
    return replace(alert, state="unacked", closed_reason=None, cleared_ms=None, ack_by=None, ack_at_ms=None, ack_reason=None, told="known")
