"""Waste events of one meter: when they open, what is said of them day by day, when they close.

A meter has at most one event that waits for an answer; nothing new opens before it. Answered events go on
counting. Source: docs/detection.md, "Tests" and "Events".
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal, NamedTuple

from driftwatt.alerts import Range
from processors.pure import expected, hours, ledger, onset, reach, reference
from processors.pure.channels import CHANNELS, quiet
from processors.pure.cusum import limits
from processors.pure.fast import Fast
from processors.pure.heard import UNHEARD
from processors.pure.ledger import OFF, Event
from processors.pure.memory import Memory, Past
from processors.pure.outputs import DAY_S, Channel, WasteFinding
from processors.pure.schedule import RUNNING, Schedule
from processors.pure.settings import Settings

NO_SCHEDULE = Schedule(0.0)
MOST_OPEN = 6
"""So many events of a meter are kept counting; a newer one closes the oldest as `superseded`, its reference is too old."""


class Scene(NamedTuple):
    """The meter at one instant: what it remembers, its settings, and the time of what is said."""

    memory: Memory
    settings: Settings
    at_ms: int

    @property
    def schedule(self) -> Schedule:
        """The learned schedule; before there is one, one without off-hours."""
        return self.memory.schedule or NO_SCHEDULE


class Step(NamedTuple):
    """What a step did: the open events, the memory (charts may have been quieted), and the findings."""

    events: tuple[Event, ...]
    memory: Memory
    findings: tuple[WasteFinding, ...] = ()


class Running(NamedTuple):
    """The good hours of the day that is running: (start ms, bin, kW)."""

    ordinal: int
    hours: tuple[tuple[int, int, float], ...]


def may_open(memory: Memory, events: Sequence[Event]) -> bool:
    """Tell whether a new event may open."""
    waiting = any(not event.answered for event in events)
    return memory.readiness in ("provisional", "ready") and not waiting


def raised(memory: Memory, threshold: float) -> bool:
    """Tell whether a chart stands above the threshold."""
    patient, steep = limits(threshold)
    return any(chart.up > patient or chart.steep > steep for chart in memory.charts)


def after_day(events: tuple[Event, ...], scene: Scene, past: Past, left: Past | None) -> Step:
    """Book a day that is over on every open event, close the resolved ones, and open one if a chart says so.

    `past` is already the last of the memory's days; `left` is the day that left the memory for it, if one did.
    """
    kept: list[Event] = []
    findings: list[WasteFinding] = []
    memory = scene.memory
    for was in events:
        event = ledger.add_day(was, past, scene.schedule, memory.charts)
        event = event if left is None else ledger.forget_day(event, left)
        if ledger.resolved(event, memory.charts[CHANNELS.index(event.channel)], past.ordinal, past.group):
            findings.append(finding(event, "closed", scene, reason="resolved"))
            memory = memory._replace(charts=tuple(quiet(chart) for chart in memory.charts))
            continue
        kept.append(event)
        findings.append(finding(event, "updated", scene))
    step = _open_by_chart(tuple(kept), Scene(memory, scene.settings, scene.at_ms), past)
    return Step(step.events, step.memory, (*findings, *step.findings)) if findings else step


def _open_by_chart(events: tuple[Event, ...], scene: Scene, past: Past) -> Step:
    memory = scene.memory
    if not raised(memory, scene.settings.threshold) or not may_open(memory, events):
        return Step(events, memory)
    highest = max(range(len(CHANNELS)), key=lambda c: memory.charts[c].score)
    chart = memory.charts[highest]
    since = onset.day(chart, memory.seen(highest))
    since_ms = hours.day_start_ms(since, scene.settings.zone)
    return _join(events, _new(CHANNELS[highest], (since, since_ms), past.ordinal, chart.score, memory, events=events), scene, ())


def open_by_fast(events: tuple[Event, ...], scene: Scene, day: Running, test: Fast) -> Step:
    """Open an event on the word of the fast test, in the running `day`.

    It began on the local day of the test's run; on an earlier one if the daily chart was already on its way up.
    """
    memory, zone = scene.memory, scene.settings.zone
    since = datetime.fromtimestamp(test.since_ms / 1000, zone).toordinal()
    chart = memory.charts[OFF]
    if not chart.calm:
        since = min(since, onset.day(chart, memory.seen(OFF)))
    event = _new("off", (since, hours.day_start_ms(since, zone)), day.ordinal, test.score, memory, events=events)
    step = _join(events, event, scene, day.hours)
    return step._replace(findings=(*step.findings[:-1], _with_today(step.findings[-1], event, scene, day, test)))


def _new(channel: Channel, since: tuple[int, int], opened: int, score: float, memory: Memory, *, events: Sequence[Event]) -> Event:
    """Return an event as it begins; `since` is the first day's (ordinal, start ms), `events` go on beneath it."""
    shape, level = memory.shape or expected.Shape(), (memory.schedule or NO_SCHEDULE).level
    usual = expected.week(shape, level)
    c = CHANNELS.index(channel)
    known = [(event.since, [sums.delta for sums in event.sums]) for event in events]
    clean = reference.clean_reference(memory, since[0], c, known)
    judged = reference.level_moved(memory, since[0], c)
    seen = reach.edges(memory.heard.reach) if memory.heard != UNHEARD else array("f")
    provisional, sigma = memory.readiness != "ready", memory.charts[c].sigma(0)
    return Event(channel, since[1], since[0], opened, score, provisional, clean, usual, sigma, judged=judged, reach=seen)


def _join(events: tuple[Event, ...], event: Event, scene: Scene, running: Sequence[tuple[int, int, float]]) -> Step:
    """Book the new event's days so far, and say from which hour on. Older ones go on against their own reference.

    The oldest has the whole. `running` are the hours of a day that is not over.
    """
    days = [day for day in scene.memory.days if day.ordinal >= event.since]
    event = ledger.opened(event, days, scene.schedule, scene.memory.charts)
    since_ms = onset.hour(event, [*(hour for day in days for hour in day.hours()), *running], scene.schedule)
    early = [day for day in days if day.start_ms + DAY_S * 1000 <= since_ms]
    event = ledger.led(event._replace(since_ms=since_ms), early, scene.schedule, scene.memory.charts)
    gone = events[: len(events) + 1 - MOST_OPEN] if len(events) >= MOST_OPEN else ()
    said = [finding(was, "closed", scene, reason="superseded") for was in gone]
    return Step((*events[len(gone) :], event), scene.memory, (*said, finding(event, "opened", scene)))


def finding(event: Event, state: Literal["opened", "updated", "answered", "closed"], scene: Scene, *, reason: str = "") -> WasteFinding:
    """Return what is to be said of an event now."""
    memory = scene.memory
    found = ledger.account(event, scene.schedule, memory.charts)
    return WasteFinding(
        meter=scene.settings.meter,
        state=state,
        channel=event.channel,
        at_ms=scene.at_ms,
        since_ms=event.since_ms,
        score=event.score if state == "opened" else memory.charts[CHANNELS.index(event.channel)].score,
        threshold=scene.settings.threshold,
        provisional=event.provisional,
        days=found.days,
        days_learned=memory.valid_days,
        expected_kw=found.expected_kw,
        actual_kw=found.actual_kw,
        hours=found.hours,
        kwh=found.kwh,
        daily_kwh=found.daily_kwh,
        spread=ledger.Spread(event, found, scene.schedule, memory.days),
        evidence=_evidence(event, memory, scene.schedule.level),
        reason=reason,
    )


def _evidence(event: Event, memory: Memory, level: float) -> tuple[dict[str, float | str], ...]:
    """Return what each channel that has moved says, the opening one first."""
    rows: list[dict[str, float | str]] = []
    told = ledger.told(event)
    for c, name in enumerate(CHANNELS):
        chart, sums = memory.charts[c], told.sums[c]
        if not sums.n or (name != event.channel and chart.calm):
            continue
        rows.append(
            {
                "channel": name,
                "score": chart.score,
                "expected_kw": sums.clean / sums.n * level,
                "actual_kw": sums.y / sums.n * level,
                "sigma_kw": chart.sigma(0) * level,
            }
        )
    return tuple(sorted(rows, key=lambda row: row["channel"] != event.channel))


def _with_today(said: WasteFinding, event: Event, scene: Scene, day: Running, test: Fast) -> WasteFinding:
    """Return the first finding of a fast event with the off-hours of the running day counted in."""
    mask = scene.schedule.mask
    today: list[tuple[int, float]] = []
    for start_ms, b, kw in day.hours:
        excess = kw - event.usual[b]
        if mask[b] != RUNNING and excess > 0:
            today.append((start_ms, excess))
    extra = sum(kwh for _, kwh in today)
    off_hours = said.hours * said.days + sum(mask[b] != RUNNING for start_ms, b, _ in day.hours if start_ms >= event.since_ms)
    return replace(
        said,
        expected_kw=test.usual_kwh / max(test.hours, 1),
        actual_kw=test.kwh / max(test.hours, 1),
        hours=said.hours or float(test.hours),
        kwh=Range(said.kwh.value + extra, said.kwh.low + extra / 2, said.kwh.high + extra),
        daily_kwh=(said.kwh.value + extra) / max(off_hours, 1.0) * ledger.week_hours(scene.schedule, "off") / 7,
        spread=(*said.spread, *today),
    )
