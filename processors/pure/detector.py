"""Waste detection of one meter: closed quarter-hours in, findings and expected power out.

Everything is a pure function of the state and its input; a state handed in stays valid. The engine calls
`on_interval` after every closed 15-minute interval, in ascending order. Hours close at their end, a day with
the first interval of a later one; only the close of a day costs more than a few additions. The method is described
in docs/detection.md.
"""

from __future__ import annotations

from typing import Literal

from processors.pure import channels, daily, day_turn, fast, gate, waste
from processors.pure.baseline import dot
from processors.pure.detector_bytes import dump, load
from processors.pure.detector_state import DetectorState
from processors.pure.fast import CALM, Fast
from processors.pure.heard import Drivers
from processors.pure.hours import DOUBTFUL, HOUR_MS, LEAST_MS, MIN_COVERAGE, SiteCalendar
from processors.pure.ledger import OFF, TOT, Event
from processors.pure.memory import Memory
from processors.pure.outputs import Advice, Channel, IntervalEnergy, Output
from processors.pure.robust import median
from processors.pure.schedule import RUNNING
from processors.pure.settings import Settings
from processors.pure.waste import Running, Scene

__all__ = ["Answer", "DetectorState", "Settings", "SiteCalendar", "answer", "begin", "dump", "load", "on_interval", "take"]

Answer = Literal["known", "new_normal", "dismissed", "fixed"]
Told = tuple[DetectorState, tuple[Output, ...]]

_HOUR = float(HOUR_MS)
_SQUARE_MS = HOUR_MS * HOUR_MS
_EVEN_HOUR = 1e-12
"""Share of kW²: what rounding makes of an hour of one interval is no scatter."""
_SAME = 2e-9
"""Two hours that differ by less may be repeats: the gate decides."""
ANOTHER_LOAD = 2.0
"""A new normal of so many times what was expected is another load: nothing of what was learned holds for it."""
_new = tuple.__new__
_WORTH_MENTION = fast.ADVICE_SCORE * fast.DIVISOR


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
) -> Told:
    """Take one closed interval (CT/PT ratio and sign applied) that begins at or after the end of all before.

    `temperature` is the outdoor mean in °C, `production` units made, both in the interval and optional. An
    interval that is not later than all before changes nothing: corrections are booked, not judged again.
    Returns the new state and what follows from it: ExpectedPower, WasteFinding, DataFinding, Readiness,
    Advice; never IntervalEnergy.
    """
    start_ms, end_ms = interval.start_ms, interval.end_ms
    kwh = None if interval.quality & DOUBTFUL or interval.coverage < MIN_COVERAGE else interval.import_wh / 1000
    if end_ms - start_ms == HOUR_MS and kwh is not None and temperature is None and production is None:
        return _put_away(state, start_ms, end_ms, kwh, settings) or _take(state, start_ms, end_ms, kwh, settings, None, None)
    return _take(state, start_ms, end_ms, kwh, settings, temperature, production)


def take(  # noqa: PLR0917 – called for every row of a history: places cost less than names
    state: DetectorState,
    start_ms: int,
    end_ms: int,
    kwh: float | None,
    settings: Settings,
    temperature: float | None = None,
    production: float | None = None,
) -> Told:
    """Take one interval as bare numbers; `kwh` None is missing or not to be believed. See `on_interval`."""
    if end_ms - start_ms == HOUR_MS and kwh is not None and temperature is None and production is None:
        return _put_away(state, start_ms, end_ms, kwh, settings) or _take(state, start_ms, end_ms, kwh, settings, None, None)
    return _take(state, start_ms, end_ms, kwh, settings, temperature, production)


def _take(  # noqa: PLR0917 – places cost less than names
    state: DetectorState,
    start_ms: int,
    end_ms: int,
    kwh: float | None,
    settings: Settings,
    temperature: float | None,
    production: float | None,
) -> Told:
    """Take any interval; see `take`."""
    seen_ms, until_ms, total, good_ms, squares, day, behind, at, kws, scatter, drivers, quality, test, memory, events = state
    if start_ms < seen_ms:
        return state, ()
    outputs: tuple[Output, ...] = ()
    if start_ms >= until_ms:
        if until_ms or day is None or start_ms >= day[3][1]:
            state, outputs = _move_on(state, start_ms, settings, end_ms)
            _, _, total, good_ms, squares, day, behind, at, kws, scatter, drivers, quality, test, memory, events = state
        day_ms, day_end_ms, _, _ = day[3]  # type: ignore[index]  # there is one now
        until_ms = start_ms - (start_ms - day_ms) % HOUR_MS + HOUR_MS
        until_ms = min(until_ms, day_end_ms)
    if kwh is not None:
        length_ms = end_ms - start_ms
        total += kwh
        good_ms += length_ms
        squares += kwh * kwh * _SQUARE_MS / length_ms
    if temperature is not None or production is not None:
        drivers = _driven(drivers, temperature, production)
    over = end_ms >= until_ms
    if over and good_ms >= LEAST_MS and not test[0] and not quality[7]:
        day_ms, _, least, most = day[3]  # type: ignore[index]  # as above
        place, kw, last = (until_ms - 1 - day_ms) // HOUR_MS, total * HOUR_MS / good_ms, kws[-1] if behind else quality[2]
        plain = last is not None and least <= kw <= most[place] and not -_SAME * last <= kw - last <= _SAME * last
        if plain and not settings.calendar.closed(until_ms - HOUR_MS, until_ms):
            scatter = _scattered(scatter, len(kws), squares / good_ms, kw * kw)
            behind, at, over = behind + 1, at | 1 << place, False
            kws += (kw,)
            until_ms, total, good_ms, squares = 0, 0.0, 0, 0.0
    state = _new(
        DetectorState,
        (end_ms, until_ms, total, good_ms, squares, day, behind, at, kws, scatter, drivers, quality, test, memory, events),
    )
    if not over:
        return state, outputs
    state, said = _close_hour(state, settings, end_ms)
    return state, outputs + said


def _put_away(state: DetectorState, start_ms: int, end_ms: int, kwh: float, settings: Settings) -> Told | None:
    """Take an interval that is a whole plain hour of the running day: `_take`, short; None for any other."""
    seen_ms, until_ms, _, _, _, day, behind, at, kws, scatter, drivers, quality, test, memory, events = state
    if until_ms or start_ms < seen_ms or day is None or scatter or test[0] or quality[7]:
        return None
    day_ms, day_end_ms, least, most = day[3]
    place, begun_ms = divmod(start_ms - day_ms, HOUR_MS)
    if begun_ms or end_ms > day_end_ms:
        return None
    kw, last = kwh * _HOUR / _HOUR, kws[-1] if behind else quality[2]
    if last is None or -_SAME * last <= kw - last <= _SAME * last or not least <= kw <= most[place]:
        return None
    if settings.calendar.closed(start_ms, end_ms):
        return None
    kws += (kw,)
    return _new(
        DetectorState, (end_ms, 0, 0.0, 0, 0.0, day, behind + 1, at | 1 << place, kws, scatter, drivers, quality, test, memory, events)
    ), ()


def _move_on(state: DetectorState, start_ms: int, settings: Settings, at_ms: int) -> Told:
    """Close what is over when an interval begins: the hour, if it did not end with one, and the day."""
    outputs: tuple[Output, ...] = ()
    if state.until_ms:
        state, outputs = _close_hour(state, settings, at_ms)
    if state.day is None or start_ms >= state.day.clock.end_ms:
        state, said = day_turn.turn(state, start_ms, settings, at_ms)
        outputs += said
    return state, outputs


def _driven(drivers: Drivers, temperature: float | None, production: float | None) -> Drivers:
    warmth, warmths, made, mades = drivers
    if temperature is not None:
        warmth, warmths = warmth + temperature, warmths + 1
    if production is not None:
        made, mades = made + production, mades + 1
    return Drivers(warmth, warmths, made, mades)


def _close_hour(state: DetectorState, settings: Settings, at_ms: int) -> Told:
    """Pass an hour that may not be plain through the gate, put it into its day, and run the fast test on it."""
    seen_ms, until_ms, kwh, good_ms, squares, day, behind, at, kws, scatter, drivers, quality, test, memory, events = state
    before = test
    found: tuple[Output, ...] = ()
    if day is not None and good_ms >= LEAST_MS:
        (_, day_ms, _, hours_of_day), _, base, _ = day
        place = (until_ms - 1 - day_ms) // HOUR_MS
        start_ms = day_ms + place * HOUR_MS
        if not settings.calendar.closed(start_ms, until_ms):
            if behind:
                quality, behind = day_turn.caught_up(state), 0
            kw, b = kwh * HOUR_MS / good_ms, base + hours_of_day[place]
            quality, reason, found = gate.step(quality, memory.profile, kw, b, settings.meter, start_ms, at_ms)
            if kw < day.plain[2]:
                day = day_turn.wary(day, quality)
            if not reason:
                at |= 1 << place
                scatter = _scattered(scatter, len(kws), squares / good_ms, kw * kw)
                kws = (*kws, kw)
                if memory.usual is not None and memory.schedule is not None:
                    test = fast.step(test, memory.usual, kw, b, start_ms, off=memory.schedule.mask[b] != RUNNING)
    state = _new(DetectorState, (seen_ms, 0, 0.0, 0, 0.0, day, behind, at, kws, scatter, drivers, quality, test, memory, events))
    if test is before or test[0] <= _WORTH_MENTION:
        return state, found
    state, said = _heed_fast(state, settings, at_ms)
    return state, found + said


def _scattered(scatter: tuple[float, ...], hours_before: int, mean_square: float, squared_mean: float) -> tuple[float, ...]:
    """Return the scatter inside the hours of a day with one more; nothing while there is none at all."""
    square = max(0.0, mean_square - squared_mean)
    if scatter:
        return (*scatter, square)
    return (*(0.0,) * hours_before, square) if square > _EVEN_HOUR * squared_mean else scatter


def _heed_fast(state: DetectorState, settings: Settings, at_ms: int) -> Told:
    """Open an event when the fast test says so, or mention one odd night."""
    memory, test = state.memory, state.fast
    ripe = memory.valid_days > daily.LEARNING_DAYS and waste.may_open(memory, state.events)
    if not ripe or test.score <= fast.ADVICE_SCORE:
        return state, ()
    if test.score > settings.threshold:
        step = waste.open_by_fast(
            state.events, Scene(memory, settings, at_ms), Running(state.day.clock.ordinal if state.day else 0, state.today), test
        )
        return state._replace(events=step.events, memory=step.memory), step.findings
    if test.advised or state.events:
        return state, ()
    advice = Advice(settings.meter, at_ms, test.since_ms, test.kwh / test.hours, test.usual_kwh / test.hours)
    return state._replace(fast=test._replace(advised=True)), (advice,)


def answer(  # noqa: PLR0917 – the engine hands its own arguments through
    state: DetectorState, settings: Settings, channel: Channel, since_ms: int, what: Answer, at_ms: int
) -> Told:
    """Take a person's answer to the open event of `channel` since `since_ms`.

    `known`: it is waste and goes on counting, the charts are ready for the next change. `new_normal` and
    `dismissed` close it, a new normal of twice what was expected makes the meter learn anew, `fixed` closes it at `at_ms`:
    charts that had followed the waste since `known` go back to the reference before it, so that the same waste is found when it
    comes back. An event that is not open changes nothing.
    """
    memory = state.memory
    event = next((each for each in state.events if each.channel == channel and each.since_ms == since_ms), None)
    if event is None or memory.schedule is None or not memory.days:
        return state, ()
    said = waste.finding(event, "answered" if what == "known" else "closed", Scene(memory, settings, at_ms), reason=what)
    total = event.sums[TOT]
    if what == "new_normal" and total.y >= ANOTHER_LOAD * total.clean:
        rest = state._replace(events=tuple(each for each in state.events if each is not event))
        return _learn_anew(rest, event.since, said, settings, at_ms)
    if what == "fixed":
        charts = tuple(channels.quiet(chart) for chart in (daily.mended(memory, event) if event.answered else memory.charts))
    else:
        begun = max((day.ordinal for day in memory.days if day.start_ms <= event.since_ms), default=event.since)
        charts = tuple(channels.answered(chart, memory.seen(c), begun) for c, chart in enumerate(memory.charts))
    memory = memory._replace(charts=charts, false_alarms=memory.false_alarms + (what == "dismissed"))
    memory = memory.noted(memory.days[-1].ordinal, moved=True)
    if what in ("new_normal", "dismissed"):
        recent = [day for day in memory.days if day.ordinal >= event.since]
        memory = daily.reshape(memory, recent[-channels.REBASE_MOST :])
    events = tuple(each._replace(answered="known") if each is event else each for each in state.events)
    kept = events if what == "known" else tuple(each for each in state.events if each is not event)
    if memory.usual is not None:
        memory = memory._replace(usual=memory.usual.forgiven({} if what == "fixed" else _lifted(event, memory)))
    day = day_turn.limited(state.day, day_turn.caught_up(state), memory) if state.day else None
    return state._replace(day=day, memory=memory, events=kept, fast=_forgiven(state.fast, memory)), (said,)


def _learn_anew(state: DetectorState, since: int, said: Output, settings: Settings, at_ms: int) -> Told:
    """Let a meter learn anew on the word of a person, from the days since an ordinal; what else is open closes."""
    quality, memory, events, told = day_turn.learn_anew(
        state.events, day_turn.caught_up(state), state.memory, ("answer", since), settings, at_ms
    )
    day = day_turn.limited(state.day, quality, memory) if state.day else None
    return state._replace(day=day, behind=0, gate=quality, fast=CALM, memory=memory, events=events), (said, *told)


def _forgiven(test: Fast, memory: Memory) -> Fast:
    return test if memory.usual is None else CALM


def _lifted(event: Event, memory: Memory) -> dict[int, float]:
    """Return the level at which the fast test takes an answered excess for usual, by off bin.

    The excess is the median of the last three days against the baseline that the charts had before the event: its energy is
    told against a reference that may lie lower, and what drifted meanwhile would then hide the next night of waste.
    """
    schedule = memory.schedule or waste.NO_SCHEDULE
    baseline = memory.clean_before(event.since)[OFF]
    last = [y - dot(baseline, day.z) for day in memory.days[-3:] if day.ys and (y := day.ys[OFF]) is not None]
    excess = max(0.0, median(last) if last else 0.0) * schedule.level
    return {b: event.usual[b] + excess for b, code in enumerate(schedule.mask) if code != RUNNING}
