"""The turn of a local day: the day that is over teaches and is judged, the next one begins."""

from __future__ import annotations

from array import array
from typing import NamedTuple

from processors.pure import anew, daily, expected, fast, gate, hours, idle, readiness, waste
from processors.pure.baseline import dot
from processors.pure.daily import Closed, Taught
from processors.pure.detector_state import DetectorState
from processors.pure.fast import CALM
from processors.pure.gate import Gate
from processors.pure.heard import Drivers
from processors.pure.hours import EVEN, Day
from processors.pure.ledger import TOT, Event
from processors.pure.memory import Memory
from processors.pure.outputs import ExpectedPower, Output
from processors.pure.settings import Settings
from processors.pure.waste import Scene

AWAY = "away"
"""Kept as readiness while a driver is away: nothing is judged, and what is next is told."""
_new = tuple.__new__
_UNDRIVEN = Drivers()


class Over(NamedTuple):
    """What a day that is over leaves behind."""

    gate: Gate
    memory: Memory
    events: tuple[Event, ...]
    outputs: tuple[Output, ...] = ()


def turn(state: DetectorState, start_ms: int, settings: Settings, at_ms: int) -> tuple[DetectorState, tuple[Output, ...]]:
    """Close the day that is over and begin the one of `start_ms`; say what it should draw."""
    over, left = state.day, _new(Over, (state.gate, state.memory, state.events, ()))
    if over is not None and state.kw:
        left = _end(state, over, settings, at_ms)
    day = hours.day_of(start_ms, settings.zone, settings.calendar, over.clock if over else None)
    day = limited(day, left.gate, left.memory)
    quality, memory, events, outputs = left
    test = state.fast if memory.first == state.memory.first else CALM  # what learned anew has another week
    state = _new(DetectorState, (state.seen_ms, 0, 0.0, 0, 0.0, day, 0, 0, (), (), _UNDRIVEN, quality, test, memory, events))
    return state, (*outputs, *_ahead(state, day, settings)) if settings.band else outputs


def caught_up(state: DetectorState) -> Gate:
    """Return the gate after the plain hours that it was not asked about."""
    if state.day is None or not state.behind:
        return state.gate
    bins = hours.bins_of(state.day.clock.hours, state.at, state.day.base)
    return gate.caught_up(state.gate, state.kw[-state.behind :], bins[-state.behind :])


def limited(day: Day, quality: Gate, memory: Memory) -> Day:
    """Return a day with the limits between which its hours are plain."""
    clock, day_class, base, (start_ms, end_ms, _, _) = day
    least, most = gate.plain_between(quality)
    usual, schedule = memory.usual, memory.schedule
    if usual is None or schedule is None:
        return _new(Day, (clock, day_class, base, (start_ms, end_ms, least, (most,) * len(clock.hours))))
    tops = usual.quiet_up_to(schedule.mask[base : base + 24], base, most)
    tops = tops if clock.hours == EVEN else tuple(tops[hour] for hour in clock.hours)
    return _new(Day, (clock, day_class, base, (start_ms, end_ms, least, tops)))


def wary(day: Day, quality: Gate) -> Day:
    """Return a day after an hour below its limits: from here on the gate is asked about every hour below the lowest."""
    start_ms, end_ms, least, most = day.plain
    return day._replace(plain=(start_ms, end_ms, max(least, quality.lowest), most))


def _end(state: DetectorState, day: Day, settings: Settings, at_ms: int) -> Over:
    """Let every good hour teach its bin, whether the day is valid or not; a valid day is judged."""
    memory, kw = state.memory, array("f", state.kw)
    bins = hours.bins_of(day.clock.hours, state.at, day.base)
    taught = Taught(bins, memory.profile.learned(bins, kw), memory.usual.learned(bins, kw) if memory.usual is not None else None)
    quality = gate.caught_up(state.gate, state.kw[-state.behind :], bins[-state.behind :]) if state.behind else state.gate
    if not state.valid:
        return Over(quality, memory._replace(profile=taught.profile, usual=taught.usual), state.events)
    closed = daily.close(state, day, kw, taught, settings)
    return _judge(state.events, quality, closed, settings, at_ms)


def _judge(events: tuple[Event, ...], quality: Gate, closed: Closed, settings: Settings, at_ms: int) -> Over:
    """Set what is learned once, tell a new readiness, and let the day count for or against waste."""
    memory, past, left = closed
    if memory.usual is None and memory.schedule is not None and memory.schedule.known:
        memory = memory._replace(usual=fast.begin([pair for each in memory.days for pair in each.pairs()], memory.schedule.level))
    if quality.highest is None and memory.valid_days >= gate.LEARNING_DAYS:
        quality = gate.learned(quality, [x for each in memory.days for x in each.kw])
    why, since = anew.due(memory, past.ordinal, settings)
    if why:
        return learn_anew(events, quality, memory, (why, since), settings, at_ms)
    outputs: tuple[Output, ...] = ()
    share = daily.valid_share(memory, past.ordinal + 1)
    if away := memory.heard.away(named=settings.drivers is not None):
        if memory.readiness != AWAY:
            outputs = (readiness.without(settings.meter, at_ms, memory.valid_days, away),)
            memory = memory._replace(readiness=AWAY)
    elif not readiness.settled(memory.readiness, memory.charts, memory.valid_days, share):
        load = "" if memory.schedule else idle.why(memory.days)
        told = readiness.judge(settings.meter, at_ms, memory.charts, memory.valid_days, share, load)
        if told.state == "learning" or told.state != memory.readiness:
            outputs = (told,)
            memory = memory._replace(readiness=told.state)
    unfit = memory.unfit + 1 if memory.readiness == "not_fit" and not events and not memory.charts[TOT].calm else 0
    if unfit != memory.unfit:
        memory = memory._replace(unfit=unfit)
    if not events and not waste.raised(memory, settings.threshold):
        return _new(Over, (quality, memory, events, outputs))
    step = waste.after_day(events, Scene(memory, settings, at_ms), past, left)
    return Over(quality, step.memory, step.events, (*outputs, *step.findings))


def learn_anew(  # noqa: PLR0917 – what `_judge` has
    events: tuple[Event, ...], quality: Gate, memory: Memory, due: tuple[anew.Reason, int], settings: Settings, at_ms: int
) -> Over:
    """Let a meter learn anew: what is open was measured against another life and closes."""
    scene = Scene(memory, settings, at_ms)
    closed = [waste.finding(event, "closed", scene, reason="learned_anew") for event in events]
    reason, since = due
    fresh, quality = anew.begin(memory, quality, since, settings)
    told = readiness.anew(settings.meter, at_ms, fresh.valid_days, reason)
    return Over(quality, fresh._replace(readiness="learning"), (), (*closed, told))


def _ahead(state: DetectorState, day: Day, settings: Settings) -> tuple[ExpectedPower, ...]:
    """Return the band of a whole local day, against the clean reference while waste is running."""
    memory = state.memory
    if memory.schedule is None or memory.shape is None:
        return ()
    theta = state.events[0].clean[TOT] if state.events else memory.charts[TOT].ridge.theta
    level = memory.schedule.level
    total_kw = dot(theta, daily.outlook(memory, day)) * level
    return expected.day_ahead(settings.meter, memory.shape, hours.hours_of(day), level=level, total_kw=total_kw)
