"""What later judgements may ask of a meter's detection: the one place outside of it that knows how it remembers.

The second stage (verified savings, the feeder tree) works on the outputs of a plant's meters and on nothing else of
detection but what stands here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from processors.pure import ledger, waste
from processors.pure.baseline import dot
from processors.pure.channels import CHANNELS
from processors.pure.detector import DetectorState
from processors.pure.outputs import Channel, WasteFinding
from processors.pure.schedule import Schedule
from processors.pure.settings import Settings


@dataclass(frozen=True, slots=True)
class Reference:
    """The clean reference of an event, frozen: what the gauge channel (in shares of `level` kW) was before it began."""

    channel: Channel
    all_day: bool
    theta: tuple[float, ...]
    level: float


@dataclass(frozen=True, slots=True)
class Excess:
    """What a valid local day used beyond a reference, kWh; below zero where it used less.

    `idle`: the day has no hours of the reference's part, as a Sunday has no running hours; that says nothing but zero.
    """

    ordinal: int
    start_ms: int
    kwh: float
    idle: bool = False


def reference(state: DetectorState, channel: str, since_ms: int) -> Reference | None:
    """Return the frozen reference of an open event, by the part of the day that its waste runs in; None without such an event."""
    event = next((each for each in state.events if each.channel == channel and each.since_ms == since_ms), None)
    schedule = state.memory.schedule
    if event is None or schedule is None or not event.clean:
        return None
    part = ledger.account(event, schedule, state.memory.charts).part
    gauge: Channel = ("off" if schedule.known else event.channel if event.channel == "base" else "tot") if part == "all" else part
    return Reference(gauge, part == "all", event.clean[CHANNELS.index(gauge)], schedule.level)


def until(state: DetectorState, settings: Settings, channel: str, since_ms: int, *, repaired_ms: int, at_ms: int) -> WasteFinding | None:
    """Return what an open event amounts to up to a repair that is over: later days are not counted. None without such an event."""
    event = next((each for each in state.events if each.channel == channel and each.since_ms == since_ms), None)
    if event is None:
        return None
    days = state.memory.days
    later = [day for day in days if day.ordinal >= event.since and day.start_ms >= repaired_ms]
    scene = waste.Scene(state.memory._replace(days=days[: len(days) - len(later)]), settings, at_ms)
    return waste.finding(ledger.without(event, later, scene.schedule, scene.memory.charts), "updated", scene)


def waste_days(state: DetectorState, found: Reference, channel: str, since_ms: int) -> list[Excess]:
    """Return the remembered valid days of an open event with their excess."""
    event = next((each for each in state.events if each.channel == channel and each.since_ms == since_ms), None)
    return [] if event is None else list(excess_after(state, found, event.since - 1))


def excess_after(state: DetectorState, found: Reference, ordinal: int) -> Iterator[Excess]:
    """Yield the remembered valid days later than a local date, oldest first, with their excess against a reference."""
    schedule, c = state.memory.schedule or Schedule(0.0), CHANNELS.index(found.channel)
    for day in state.memory.days:
        if day.ordinal <= ordinal or not day.ys:
            continue
        y, hours = day.ys[c], 24.0 if found.all_day else ledger.channel_hours(schedule, c, day.weekday)
        if not hours:
            yield Excess(day.ordinal, day.start_ms, 0.0, idle=True)
        elif y is not None:
            yield Excess(day.ordinal, day.start_ms, (y - dot(found.theta, day.z)) * hours * found.level)


def hours(state: DetectorState) -> dict[int, tuple[int, float]]:
    """Return bin of the week and mean kW of every good hour that is remembered, those of the running day too, by start ms."""
    found = {start_ms: (b, kw) for day in state.memory.days for start_ms, b, kw in day.hours()}
    return found | {start_ms: (b, kw) for start_ms, b, kw in state.today}


def judged(state: DetectorState) -> bool:
    """Tell whether the meter's baseline is far enough that its silence means something."""
    return state.memory.readiness in ("provisional", "ready")


def calm(state: DetectorState) -> bool:
    """Tell whether no chart of the meter is on its way to an alarm."""
    return not state.events and all(chart.calm for chart in state.memory.charts)
