"""The event ledger: how much energy a waste event has cost so far, with its 90 % band, hour by hour.

The clean reference is θ* of every channel (reference.py), frozen. δ_c is the mean residual against
it over the n valid days since then (those before the alarm too). Energy by parts (docs/detection.md, "Energy"):

    no schedule                      W = 24 n δ_base if base opened the event, else 24 n δ_tot
    opened by on or tot, δ_on > 2 δ_off and significant                W = Σ_d h_on(d) δ_on(d)
    δ_off > 0 and (opened by base, off or edge, or δ_off significant):
        δ_on > δ_off/2               W = 24 n (δ_base/s_base² + δ_off/s_off²) / (1/s_base² + 1/s_off²)    round the clock
        else δ_deep < δ_edge/2       W = Σ_d h_edge(d) δ_edge(d)      early start or late stop
        else                         W = Σ_d h_off(d) δ_off(d)        off-hours only
    otherwise                        W = Σ_d h_on(d) δ_on(d)

    half-width = 7.1 · 24 · L · s_tot · √((1+ρ)/(1−ρ) · (n + n²/130))

h(d) are the channel's hours on the weekday of day d, so that a weekend counts with its own hours. Channels are
never summed: base ⊂ off ⊂ tot; round the clock two gauges of the same kW are averaged by their scatter. Nor are the
open events of one meter: an older one counts against its own, older reference and so includes what the younger ones count.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, overload

from driftwatt.alerts import Range
from processors.pure.baseline import FORGET, dot
from processors.pure.channels import CHANNELS, Chart
from processors.pure.memory import Past
from processors.pure.outputs import Channel
from processors.pure.robust import clip
from processors.pure.schedule import EDGE, RUNNING, Schedule

BAND_FACTOR = 7.1
REFERENCE_DAYS = 1 / (1 - FORGET)
RESOLVED_WEIGHT, RESOLVED_SHARE, RESOLVED_DAYS = 0.15, 0.3, 7
RESOLVED_CLIP = 2.5
"""Residuals count up to so many sigma when it is judged whether waste is over: else a large one would linger."""
BASE, OFF, EDGES, ON, TOT = range(5)
Part = Literal["all", "off", "edge", "on"]


class Sums(NamedTuple):
    """One channel over the days of an event, in shares of L: days, Σ value, Σ reference, Σ hours·residual, Σ hours."""

    n: int = 0
    y: float = 0.0
    clean: float = 0.0
    energy: float = 0.0
    hours: float = 0.0

    @property
    def delta(self) -> float:
        """Mean residual against the frozen reference."""
        return (self.y - self.clean) / self.n if self.n else 0.0


class Event(NamedTuple):
    """One open waste event. `clean` is the frozen θ per channel, `usual` the bin profile frozen at the alarm.

    `days` counts valid days since `since`; `level` smooths the opening channel's residual, `sigma` is its scale
    at the alarm; `answered` is the answer given so far. `old_*` stands for days that have left the memory: weights per bin and their span.
    """

    channel: Channel
    since_ms: int
    since: int
    opened: int
    score: float
    provisional: bool
    clean: tuple[tuple[float, ...], ...]
    usual: array[float]
    sigma: float
    days: int = 0
    sums: tuple[Sums, ...] = tuple(Sums() for _ in CHANNELS)
    level: float = 0.0
    answered: str = ""
    old_weights: array[float] = array("f")
    old_until_ms: int = 0


class Account(NamedTuple):
    """What an event amounts to: energy in kWh, hours per day, mean powers of the opening channel in kW, its part."""

    kwh: Range
    hours: float
    expected_kw: float
    actual_kw: float
    part: Part


def channel_hours(schedule: Schedule, channel: int, weekday: int) -> float:
    """Return how many hours a channel has on a row of the week."""
    if channel in (BASE, TOT) or not schedule.known:
        return 24.0
    if channel == EDGES:
        return float(schedule.edge_hours(weekday))
    off = float(schedule.off_hours(weekday))
    return off if channel == OFF else 24.0 - off


def add_day(event: Event, day: Past, schedule: Schedule) -> Event:
    """Return the event with one valid day more."""
    sums, level, weekday = list(event.sums), event.level, day.weekday
    for c, y in enumerate(day.ys):
        if y is None:
            continue
        clean = dot(event.clean[c], day.z)
        hours = channel_hours(schedule, c, weekday)
        was = sums[c]
        sums[c] = Sums(was.n + 1, was.y + y, was.clean + clean, was.energy + hours * (y - clean), was.hours + hours)
        if CHANNELS[c] == event.channel:
            excess = clip(y - clean, RESOLVED_CLIP * event.sigma)
            level += RESOLVED_WEIGHT * (excess - level)
    return event._replace(sums=tuple(sums), days=event.days + 1, level=level)


def without(event: Event, days: Sequence[Past], schedule: Schedule) -> Event:
    """Return the event as if some of its valid days had not been booked: those after a repair that was told late."""
    sums = list(event.sums)
    for day in days:
        for c, y in enumerate(day.ys):
            if y is not None:
                clean, hours, was = dot(event.clean[c], day.z), channel_hours(schedule, c, day.weekday), sums[c]
                sums[c] = Sums(was.n - 1, was.y - y, was.clean - clean, was.energy - hours * (y - clean), was.hours - hours)
    return event._replace(sums=tuple(sums), days=event.days - len(days))


def opened(event: Event, days: Sequence[Past], schedule: Schedule) -> Event:
    """Return a new event with the days since its beginning booked."""
    for day in days:
        if day.ordinal >= event.since:
            event = add_day(event, day, schedule)
    return event._replace(level=clip(event.sums[CHANNELS.index(event.channel)].delta, RESOLVED_CLIP * event.sigma))


def account(event: Event, schedule: Schedule, charts: Sequence[Chart]) -> Account:
    """Return what the event amounts to so far."""
    level, n = schedule.level, event.days
    part, per_level, hours = _energy(event, schedule, charts)
    total = charts[TOT]
    rho = total.rho
    stretch = (1 + rho) / (1 - rho) * (max(n, 1) + n * n / REFERENCE_DAYS)
    half = BAND_FACTOR * 24 * level * total.sigma(0) * math.sqrt(stretch)
    kwh = max(0.0, per_level * level)
    own = event.sums[CHANNELS.index(event.channel)]
    days = max(own.n, 1)
    return Account(Range(kwh, max(0.0, kwh - half), kwh + half), hours, own.clean / days * level, own.y / days * level, part)


def _energy(event: Event, schedule: Schedule, charts: Sequence[Chart]) -> tuple[Part, float, float]:
    """Return the part of the day that the waste runs in, its energy in L·h, and its hours per day."""
    n, sums = event.days, event.sums
    if not schedule.known:
        return "all", 24.0 * n * sums[BASE if event.channel == "base" else TOT].delta, 24.0
    off, edge, on = sums[OFF], sums[EDGES], sums[ON]
    working = event.channel in ("on", "tot") and on.delta > 2 * off.delta and _significant(on, charts[ON])
    if not working and off.delta > 0 and (event.channel in ("base", "off", "edge") or _significant(off, charts[OFF])):
        if on.delta > off.delta / 2:
            return "all", 24.0 * n * _round_the_clock(sums, charts), 24.0
        deep_hours = off.hours - edge.hours
        deep = (off.energy - edge.energy) / deep_hours if deep_hours > 0 else 0.0
        if edge.delta > 0 and deep < edge.delta / 2:
            return "edge", edge.energy, edge.hours / max(edge.n, 1)
        return "off", off.energy, off.hours / max(off.n, 1)
    return "on", on.energy, on.hours / max(on.n, 1)


def _round_the_clock(sums: Sequence[Sums], charts: Sequence[Chart]) -> float:
    """Return the excess that base load and off-hours show together, the steadier one counting more."""
    trust = [1.0 / charts[c].sigma(0) ** 2 for c in (BASE, OFF)]
    return (trust[0] * sums[BASE].delta + trust[1] * sums[OFF].delta) / (trust[0] + trust[1])


def _significant(sums: Sums, chart: Chart) -> bool:
    if not sums.n:
        return False
    rho = chart.rho
    return sums.delta / (chart.sigma(0) * math.sqrt((1 + rho) / (1 - rho) / sums.n)) > 1


def resolved(event: Event, chart: Chart, ordinal: int, group: int) -> bool:
    """Tell whether the opening channel has been back at its reference for long enough."""
    return ordinal - event.opened >= RESOLVED_DAYS and event.level < RESOLVED_SHARE * chart.sigma(group)


def wasteful(schedule: Schedule, part: Part) -> list[bool]:
    """Return which of the 168 bins belong to a part of the day."""
    if part == "all" or not schedule.known:
        return [True] * 168
    if part == "on":
        return [code == RUNNING for code in schedule.mask]
    return [code == EDGE if part == "edge" else code != RUNNING for code in schedule.mask]


def forget_day(event: Event, day: Past) -> Event:
    """Return the event when a day leaves the memory: its excess is kept by hour of week, and its hours are not."""
    if day.ordinal < event.since:
        return event
    weights = event.old_weights[:] or array("f", bytes(4 * 168))
    for _, b, kw in day.hours():
        weights[b] += max(0.0, kw - event.usual[b])
    return event._replace(old_weights=weights, old_until_ms=day.start_ms + 24 * 3_600_000)


class Spread(Sequence[tuple[int, float]]):
    """(hour start ms, kWh) of the event's energy, ascending, in proportion to each hour's excess.

    Days that have left the memory appear as one hour per bin in the last week that did. Computed when it is first
    looked at: it is said every day and priced seldom.
    """

    def __init__(self, event: Event, found: Account, schedule: Schedule, days: Sequence[Past]) -> None:
        self._of = (event, found, schedule, days)
        self._hours: tuple[tuple[int, float], ...] | None = None

    def _all(self) -> tuple[tuple[int, float], ...]:
        if self._hours is None:
            self._hours = spread(*self._of)
        return self._hours

    @overload
    def __getitem__(self, place: int) -> tuple[int, float]: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[tuple[int, float], ...]: ...
    def __getitem__(self, place: int | slice) -> tuple[int, float] | tuple[tuple[int, float], ...]:
        """Return one hour, or some."""
        return self._all()[place]

    def __len__(self) -> int:
        """Return the number of hours."""
        return len(self._all())

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Yield the hours."""
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        """Compare with hours in any other sequence."""
        return isinstance(other, Sequence) and self._all() == tuple(other)

    def __hash__(self) -> int:
        """Return the hash of the hours."""
        return hash(self._all())


def spread(event: Event, found: Account, schedule: Schedule, days: Sequence[Past]) -> tuple[tuple[int, float], ...]:
    """Return what Spread holds."""
    if found.kwh.value <= 0:
        return ()
    inside = wasteful(schedule, found.part)
    hours: list[tuple[int, float]] = []
    if event.old_weights:
        hours += _old_hours(event, inside, days)
    for day in days:
        if day.ordinal >= event.since:
            hours += [(start_ms, max(0.0, kw - event.usual[b])) for start_ms, b, kw in day.hours() if inside[b]]
    total = sum(weight for _, weight in hours)
    if total <= 0:
        return tuple((start_ms, found.kwh.value / len(hours)) for start_ms, _ in hours)
    return tuple((start_ms, found.kwh.value * weight / total) for start_ms, weight in hours if weight > 0)


def _old_hours(event: Event, inside: Sequence[bool], days: Sequence[Past]) -> list[tuple[int, float]]:
    """Return one hour per bin inside the last week before `old_until_ms`, aligned to the local week of `days`."""
    if not days:
        return []
    anchor_bin = 24 * ((days[-1].ordinal - 1) % 7)
    begin_ms = event.old_until_ms - 168 * 3_600_000
    found = []
    for b, weight in enumerate(event.old_weights):
        if not inside[b] or weight <= 0:
            continue
        like_ms = days[-1].start_ms + (b - anchor_bin) * 3_600_000
        week_ms = 168 * 3_600_000
        found.append((begin_ms + (like_ms - begin_ms) % week_ms, weight))
    return sorted(found)
