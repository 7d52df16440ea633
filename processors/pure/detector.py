"""Waste detection of one meter: closed quarter-hours in, findings and expected power out.

Everything is a pure function of the state and its input; a state handed in stays valid. The engine calls
`on_interval` after every closed 15-minute interval, in ascending order. Hours close at their end, a day with
the first interval of a later one. The method is described in docs/detection.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from driftwatt.errors import WireError
from processors.pure import channels, daily, expected, fast, gate, hours, readiness, waste
from processors.pure.baseline import Ridge, dot
from processors.pure.channels import Chart
from processors.pure.codec import Codec
from processors.pure.expected import Shape
from processors.pure.fast import Fast
from processors.pure.gate import Gate
from processors.pure.hours import Day, Hour, SiteCalendar
from processors.pure.ledger import OFF, TOT, Event, Sums
from processors.pure.memory import Memory, Past
from processors.pure.outputs import Advice, Channel, ExpectedPower, IntervalEnergy, Output
from processors.pure.robust import median
from processors.pure.schedule import RUNNING, Schedule
from processors.pure.settings import Settings
from processors.pure.waste import Scene

__all__ = ["Answer", "DetectorState", "Settings", "SiteCalendar", "answer", "begin", "dump", "load", "on_interval"]

Answer = Literal["known", "new_normal", "dismissed", "fixed"]
VERSION = 2


@dataclass(frozen=True, slots=True)
class DetectorState:
    """Everything that detection remembers of one meter. Immutable: a change is a new object.

    `seen_ms` is the end of the last interval taken; `hour` and `day` are in the making; `memory` changes only
    when a day is over; `events` are the open waste events, oldest first.
    """

    seen_ms: int = 0
    hour: Hour | None = None
    day: Day | None = None
    gate: Gate = field(default_factory=gate.begin)
    fast: Fast | None = None
    memory: Memory = field(default_factory=Memory)
    events: tuple[Event, ...] = ()


def begin(settings: Settings) -> DetectorState:
    """Return the state of a meter nothing is known about."""
    del settings
    return DetectorState()


def on_interval(
    state: DetectorState,
    interval: IntervalEnergy,
    settings: Settings,
    *,
    temperature: float | None = None,
    production: float | None = None,
) -> tuple[DetectorState, tuple[Output, ...]]:
    """Take one closed interval (CT/PT ratio and sign applied) that begins at or after the end of all before.

    `temperature` is the outdoor mean in °C, `production` units made, both in the interval and optional. An
    interval that is not later than all before changes nothing: corrections are booked, not judged again.
    Returns the new state and what follows from it: ExpectedPower, WasteFinding, DataFinding, Readiness,
    Advice; never IntervalEnergy.
    """
    if interval.start_ms < state.seen_ms:
        return state, ()
    at_ms, outputs = interval.end_ms, []
    hour = state.hour
    if hour is not None and interval.start_ms >= hour.end_ms:
        state, said = _close_hour(state, hour, settings, at_ms)
        outputs += said
        hour = None
    if hour is None:
        hour = hours.hour_of(interval.start_ms, settings.zone)
        if state.day is None or state.day.ordinal != hour.ordinal:
            state, said = _turn_day(state, hour, settings, at_ms)
            outputs += said
    hour = hours.add(hour, interval, temperature, production)
    if interval.end_ms >= hour.end_ms:
        state, said = _close_hour(state, hour, settings, at_ms)
        outputs += said
        hour = None
    return DetectorState(interval.end_ms, hour, state.day, state.gate, state.fast, state.memory, state.events), tuple(outputs)


def _close_hour(state: DetectorState, hour: Hour, settings: Settings, at_ms: int) -> tuple[DetectorState, list[Output]]:
    """Pass an hour through the gate, put it into its day, and run the fast test on it."""
    day = state.day or hours.day_of(hour, settings.zone, settings.calendar)
    kw = hour.kw
    quality, outputs = state.gate, list[Output]()
    if kw is not None and settings.calendar.closed(hour.start_ms, hour.end_ms):
        kw = None
    if kw is not None:
        quality, reason, found = gate.step(quality, kw, day.bin(hour.hour), meter=settings.meter, start_ms=hour.start_ms, at_ms=at_ms)
        outputs += found
        kw = None if reason else kw
    state = DetectorState(state.seen_ms, None, hours.append(day, hour, kw), quality, state.fast, state.memory, state.events)
    schedule = state.memory.schedule
    if kw is None or state.fast is None or schedule is None:
        return state, outputs
    b = day.bin(hour.hour)
    test = fast.step(state.fast, kw, b, off=schedule.mask[b] != RUNNING, at_ms=hour.start_ms)
    state = DetectorState(state.seen_ms, None, state.day, state.gate, test, state.memory, state.events)
    state, said = _heed_fast(state, test, settings, at_ms)
    return state, outputs + said


def _heed_fast(state: DetectorState, test: Fast, settings: Settings, at_ms: int) -> tuple[DetectorState, list[Output]]:
    """Open an event when the fast test says so, or mention one odd night."""
    ripe = state.memory.valid_days > daily.LEARNING_DAYS and waste.may_open(state.memory, state.events)
    if not ripe or state.day is None or test.score <= fast.ADVICE_SCORE:
        return state, []
    if test.score > settings.threshold:
        step = waste.open_by_fast(state.events, Scene(state.memory, settings, at_ms), state.day, test)
        return replace(state, events=step.events, memory=step.memory), list(step.findings)
    if test.advised or state.events:
        return state, []
    advice = Advice(settings.meter, at_ms, test.since_ms, test.kwh / test.hours, test.usual_kwh / test.hours)
    return replace(state, fast=fast.mention(test)), [advice]


def _turn_day(state: DetectorState, hour: Hour, settings: Settings, at_ms: int) -> tuple[DetectorState, list[Output]]:
    """Close the day that is over and begin the one of `hour`; say what it should draw."""
    outputs: list[Output] = []
    if state.day is not None and state.day.valid:
        state, outputs = _close_day(state, state.day, settings, at_ms)
    day = hours.day_of(hour, settings.zone, settings.calendar)
    state = replace(state, day=day)
    return state, [*outputs, *_day_ahead(state, day, settings)]


def _close_day(state: DetectorState, day: Day, settings: Settings, at_ms: int) -> tuple[DetectorState, list[Output]]:
    before = state.memory.schedule
    closed = daily.close(state.memory, day, settings, undisturbed=not state.events)
    memory, quality, test = closed.memory, state.gate, state.fast
    if before is None and memory.schedule is not None and memory.schedule.known:
        test = fast.begin([(b, kw) for past in memory.days for b, kw in zip(past.bins, past.kw, strict=True)], memory.schedule.level)
    elif test is not None:
        test = fast.at_day_close(test)
    if memory.valid_days == gate.LEARNING_DAYS:
        quality = gate.learned(quality, [kw for past in memory.days for kw in past.kw])
    outputs: list[Output] = []
    told = readiness.judge(settings.meter, at_ms, memory.charts, memory.valid_days, daily.valid_share(memory, day.ordinal + 1))
    if told.state == "learning" or told.state != memory.readiness:
        outputs.append(told)
    memory = memory.but(readiness=told.state)
    step = waste.after_day(state.events, Scene(memory, settings, at_ms), closed.day, closed.left)
    return DetectorState(state.seen_ms, None, None, quality, test, step.memory, step.events), [*outputs, *step.findings]


def _day_ahead(state: DetectorState, day: Day, settings: Settings) -> tuple[ExpectedPower, ...]:
    """Return the band of a whole local day, against the clean reference while waste is running."""
    memory = state.memory
    if not settings.band or memory.schedule is None or memory.shape is None:
        return ()
    theta = state.events[0].clean[TOT] if state.events else memory.charts[TOT].ridge.theta
    level = memory.schedule.level
    return expected.day_ahead(
        settings.meter,
        memory.shape,
        hours.hours_of(day, settings.zone),
        level=level,
        total_kw=dot(theta, daily.outlook(memory, day)) * level,
    )


def answer(  # noqa: PLR0917 – the engine hands its own arguments through
    state: DetectorState, settings: Settings, channel: Channel, since_ms: int, what: Answer, at_ms: int
) -> tuple[DetectorState, tuple[Output, ...]]:
    """Take a person's answer to the open event of `channel` since `since_ms`.

    `known`: it is waste and goes on counting, the charts are ready for the next change. `new_normal` and
    `dismissed` close it, `fixed` closes it at `at_ms`. An event that is not open changes nothing.
    """
    memory = state.memory
    event = next((each for each in state.events if each.channel == channel and each.since_ms == since_ms), None)
    if event is None or memory.schedule is None or not memory.days:
        return state, ()
    said = waste.finding(event, "answered" if what == "known" else "closed", Scene(memory, settings, at_ms), reason=what)
    if what == "fixed":
        charts = tuple(channels.quiet(chart) for chart in memory.charts)
    else:
        charts = tuple(channels.answered(chart, memory.seen(c)) for c, chart in enumerate(memory.charts))
    memory = memory.but(charts=charts, false_alarms=memory.false_alarms + (what == "dismissed")).noted()
    if what in ("new_normal", "dismissed"):
        recent = [day for day in memory.days if day.ordinal >= event.since]
        memory = daily.reshape(memory, recent[-channels.REBASE_MOST :])
    events = tuple(replace(each, answered="known") if each is event else each for each in state.events)
    kept = events if what == "known" else tuple(each for each in state.events if each is not event)
    lifted = {} if what == "fixed" else _lifted(event, memory)
    test = None if state.fast is None else fast.forgive(state.fast, lifted)
    return replace(state, memory=memory, events=kept, fast=test), (said,)


def _lifted(event: Event, memory: Memory) -> dict[int, float]:
    """Return the level at which the fast test takes an answered excess for usual, by off bin.

    The excess is the mean of the event or the median of the last three days, whichever is more: an event that was
    dated too early, or that grew, would else be told again.
    """
    schedule = memory.schedule or waste.NO_SCHEDULE
    values = [(day.ys[OFF], dot(event.clean[OFF], day.z)) for day in memory.days[-3:] if day.ys]
    last = [y - clean for y, clean in values if y is not None]
    excess = max(0.0, event.sums[OFF].delta, median(last) if last else 0.0) * schedule.level
    return {b: event.usual[b] + excess for b, code in enumerate(schedule.mask) if code != RUNNING}


_CODEC = Codec(
    VERSION,
    (DetectorState, Hour, Day, Gate, Fast, Memory, Past, Schedule, Chart, Ridge, Shape, Event, Sums),
    skip={DetectorState: "memory"},
    cached={Memory: "cache", Past: "cache"},
)


def dump(state: DetectorState) -> bytes:
    """Return the state as versioned, checksummed bytes; `load` gives it back bit for bit."""
    return _CODEC.seal(_CODEC.tree(state.memory) + _CODEC.tree(state))


def load(data: bytes) -> DetectorState:
    """Return the state that was dumped. Raises WireError for damage and UnknownMajor for another version."""
    memory, state = _CODEC.open(data, 2)
    if not isinstance(memory, Memory) or not isinstance(state, DetectorState):
        raise WireError("snapshot", "not a detector's state")
    return replace(state, memory=memory)
