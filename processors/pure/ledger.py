"""The event ledger: how much energy a waste event has cost so far, with its 90 % band, hour by hour.

The clean reference is θ* of every channel (reference.py), frozen. r_c is the mean residual against it over the n valid
days since then (those before the alarm too), in shares of the meter's scale L; deep night is what the off-hours have
left without the shoulders. Which part of the day the excess runs in, and how much it is, is a weighted mean over all
of them (attribution.py):

    W = L Σ_part P(part) · hours(part) · δ(part),     half-width = 2.5 standard deviations of that mixture
    no schedule: one part, all day, gauged by base load if base opened the event, else by the day's mean

An excess may end long before its event is resolved: a weekend is over on Monday. The likeliest end is the day up to which
(Σ r)²/n of the opening channel is largest, the change point of a shift of any size; when less than a fifth of the mean
excess is left of five valid days or more since then, the days up to there are what is told. Days before that of its first
hour hold hardly any of it and do not count: their noise would be most of what is told of a young one.

Hours are those of the weekdays passed, so that a weekend counts with its own. Channels are never summed:
base ⊂ off ⊂ tot. Nor are the open events of one meter: an older one counts against its own, older reference and so
includes what the younger ones count.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from operator import sub
from typing import NamedTuple, overload

from driftwatt.alerts import Range
from processors.pure import attribution, reach
from processors.pure.attribution import DRIFT, Excess, Part
from processors.pure.baseline import dot
from processors.pure.channels import CHANNELS, Chart
from processors.pure.memory import Past
from processors.pure.outputs import Channel
from processors.pure.robust import clip
from processors.pure.schedule import EDGE, RUNNING, Schedule

BAND_FACTOR = 2.5
"""Half-width in standard deviations: a normal would need 1.645, drift has longer tails."""
RESOLVED_WEIGHT, RESOLVED_SHARE, RESOLVED_DAYS = 0.15, 0.3, 7
OVER_DAYS, OVER_SHARE = 5, 0.2
RESOLVED_CLIP = 2.5
"""Residuals count up to so many sigma when it is judged whether waste is over: else a large one would linger."""
BASE, OFF, EDGES, ON, TOT = range(5)


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


NO_SUMS = tuple(Sums() for _ in CHANNELS)


class Kept(NamedTuple):
    """Some days of an event: up to the day `until` (ordinal), how many valid ones and their sums.

    `peak` was (Σ r)²/n then, and `scales` s of the channels: what a load draws less after its waste is no scatter of it.
    """

    until: int = 0
    days: int = 0
    sums: tuple[Sums, ...] = NO_SUMS
    peak: float = 0.0
    scales: tuple[float, ...] = ()


class Event(NamedTuple):
    """One open waste event. `clean` is the frozen θ per channel, `usual` the bin profile frozen at the alarm.

    It is booked from the local day `since` on; `since_ms` is the first hour that exceeds, `days` counts valid days since
    `since`; `level` smooths the opening channel's residual, `sigma` is its scale at the alarm; `answered` is the answer
    given so far. `old_*` stands for days that have left the memory: weights per bin and their span. `judged` is the θ
    that the opening channel must come back to. `kept` are the days up to the likeliest end of its excess. `reach` is how far the range
    of the drivers was known at the alarm, empty without any. `lead` are the days before that of `since_ms`, which hold hardly any excess.
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
    sums: tuple[Sums, ...] = NO_SUMS
    level: float = 0.0
    answered: str = ""
    old_weights: array[float] = array("f")
    old_until_ms: int = 0
    judged: tuple[float, ...] = ()
    kept: Kept = Kept()
    reach: array[float] = array("f")
    lead: Kept = Kept()

    @property
    def opening(self) -> int:
        """The place of the opening channel."""
        return CHANNELS.index(self.channel)


class Account(NamedTuple):
    """What an event amounts to since its first hour.

    Its energy in kWh, in all and on a mean day of the calendar (the days of a young event are no whole week), its valid days,
    the hours of a day that has any and its mean powers in kW in the opening channel, and the part of the day it runs in.
    """

    kwh: Range
    daily_kwh: float
    days: int
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


def _expected(theta: Sequence[float], learned: Chart, day: Past, far: Sequence[float]) -> float:
    return reach.continued(theta, learned.ridge.theta, day.z, far) if far else dot(theta, day.z)


def add_day(event: Event, day: Past, schedule: Schedule, charts: Sequence[Chart]) -> Event:
    """Return the event with one valid day more; one that no chart judged, as its drivers are not known, counts for nothing.

    A day beyond the range that was known at the alarm (reach.py) makes it provisional.
    """
    if not day.ys:
        return event
    sums, level, weekday = list(event.sums), event.level, day.weekday
    far = reach.beyond(event.reach, day.z) if event.reach else ()
    for c, y in enumerate(day.ys):
        if y is None:
            continue
        clean = _expected(event.clean[c], charts[c], day, far)
        hours = channel_hours(schedule, c, weekday)
        was = sums[c]
        sums[c] = Sums(was.n + 1, was.y + y, was.clean + clean, was.energy + hours * (y - clean), was.hours + hours)
        if CHANNELS[c] == event.channel:
            excess = clip(y - _expected(event.judged, charts[c], day, far), RESOLVED_CLIP * event.sigma)
            level += RESOLVED_WEIGHT * (excess - level)
    event = event._replace(sums=tuple(sums), days=event.days + 1, level=level, provisional=event.provisional or bool(far))
    own = sums[event.opening]
    peak = own.n * max(0.0, own.delta) ** 2
    return event if peak < event.kept.peak else event._replace(kept=Kept(day.ordinal, event.days, event.sums, peak, _scales(charts)))


def _scales(charts: Sequence[Chart]) -> tuple[float, ...]:
    return tuple(chart.sigma(0) for chart in charts)


def over(event: Event) -> bool:
    """Tell whether hardly any excess is left of the valid days after its likeliest end."""
    own, then = event.sums[event.opening], event.kept.sums[event.opening]
    left = own.n - then.n
    return left >= OVER_DAYS and own.n * own.delta - then.n * then.delta < OVER_SHARE * left * then.delta


def counted(event: Event) -> Event:
    """Return an event as its energy counts: up to the likeliest end of its excess when that is over, else all of it."""
    return event._replace(days=event.kept.days, sums=event.kept.sums) if over(event) else event


def told(event: Event) -> Event:
    """Return an event with the days that people are told of: those counted, less the ones before its first hour."""
    event, lead = counted(event), event.lead
    if event.days <= lead.days or event.sums[event.opening].n <= lead.sums[event.opening].n:
        return event
    sums = tuple(Sums(*map(sub, all_days, early)) for all_days, early in zip(event.sums, lead.sums, strict=True))
    return event._replace(days=event.days - lead.days, sums=sums)


def led(event: Event, days: Sequence[Past], schedule: Schedule, charts: Sequence[Chart]) -> Event:
    """Return a new event that knows its lead, the booked `days` before that of its first hour."""
    lead = event._replace(days=0, sums=NO_SUMS)
    for day in days:
        lead = add_day(lead, day, schedule, charts)
    return event._replace(lead=Kept(0, lead.days, lead.sums))


def without(event: Event, days: Sequence[Past], schedule: Schedule, charts: Sequence[Chart]) -> Event:
    """Return the event as if some of its valid days had not been booked: the last ones, after a repair that was told late."""
    sums = list(event.sums)
    days = [day for day in days if day.ys]
    for day in days:
        far = reach.beyond(event.reach, day.z) if event.reach else ()
        for c, y in enumerate(day.ys):
            if y is not None:
                clean, hours, was = _expected(event.clean[c], charts[c], day, far), channel_hours(schedule, c, day.weekday), sums[c]
                sums[c] = Sums(was.n - 1, was.y - y, was.clean - clean, was.energy - hours * (y - clean), was.hours - hours)
    left = event._replace(sums=tuple(sums), days=event.days - len(days))
    if not days or days[0].ordinal > event.kept.until:
        return left
    return left._replace(kept=Kept(0, left.days, left.sums, scales=_scales(charts)))


def opened(event: Event, days: Sequence[Past], schedule: Schedule, charts: Sequence[Chart]) -> Event:
    """Return a new event with the days since its beginning booked."""
    c = event.opening
    above: list[float] = []
    for day in days:
        if day.ordinal >= event.since:
            event = add_day(event, day, schedule, charts)
            above += [y - dot(event.judged, day.z) for y in day.ys[c : c + 1] if y is not None]
    return event._replace(level=clip(sum(above) / max(len(above), 1), RESOLVED_CLIP * event.sigma))


def account(event: Event, schedule: Schedule, charts: Sequence[Chart]) -> Account:
    """Return what the event amounts to so far."""
    level, shown = schedule.level, told(event)
    found = _excess(shown, schedule, charts, event.kept.scales if over(event) else _scales(charts))
    kwh, half = found.energy * level, BAND_FACTOR * found.sigma * level
    own, n = shown.sums[event.opening], max(shown.sums[event.opening].n, 1)
    part = "off" if schedule.known and found.part == "all" and not shown.sums[ON].hours else found.part
    hours, passed = _hours(shown, part)
    daily = kwh / passed * week_hours(schedule, part) / 7 if passed else 0.0
    band = Range(kwh, max(0.0, kwh - half), kwh + half)
    return Account(band, daily, shown.days, hours, own.clean / n * level, own.y / n * level, part)


def _excess(event: Event, schedule: Schedule, charts: Sequence[Chart], scales: Sequence[float]) -> Excess:
    """Return the energy in L·h, and the part of the day that it most likely runs in; `scales` are s of the channels."""
    sums, n = event.sums, max(event.days, 1)
    if not schedule.known:
        c = BASE if event.channel == "base" else TOT
        s = scales[c] * math.sqrt(DRIFT + _noise(charts[c], n))
        _, mean, variance = attribution.positive(sums[c].delta / s)
        return Excess("all", 24.0 * event.days * s * mean, 24.0 * event.days * s * math.sqrt(variance))
    off, edge = sums[OFF], sums[EDGES]
    deep_hours = off.hours - edge.hours
    deep = (off.energy - edge.energy) / deep_hours if deep_hours > 0 else off.delta
    used = [charts[c] for c in (BASE, OFF, EDGES, ON)]
    return attribution.attribute(
        (sums[BASE].delta, deep, edge.delta, sums[ON].delta),
        [scales[c] for c in (BASE, OFF, EDGES, ON)],
        (off.hours, edge.hours, sums[ON].hours),
        sum(_noise(chart, n) for chart in used) / len(used),
    )


def _noise(chart: Chart, n: int) -> float:
    """Return the variance of a mean of n days in units of σ²; single days follow each other with ρ."""
    rho = chart.rho
    return (1 + rho) / (1 - rho) / n


def _hours(event: Event, part: Part) -> tuple[float, float]:
    """Return the hours of a part of the day: on a day that has any, and in all."""
    if part == "all":
        return 24.0, 24.0 * event.days
    own = event.sums[{"off": OFF, "edge": EDGES, "on": ON}[part]]
    return own.hours / max(own.n, 1), own.hours


def week_hours(schedule: Schedule, part: Part) -> int:
    """Return how many hours of a week belong to a part of the day."""
    return sum(wasteful(schedule, part))


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
    if day.ordinal < event.since or (over(event) and day.ordinal > event.kept.until):
        return event
    weights = event.old_weights[:] or array("f", bytes(4 * 168))
    for start_ms, b, kw in day.hours():
        if start_ms >= event.since_ms:
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
    until = event.kept.until if over(event) else days[-1].ordinal if days else 0
    recent = [hour for day in days if event.since <= day.ordinal <= until for hour in day.hours()]
    weights = [(start_ms, max(0.0, kw - event.usual[b])) for start_ms, b, kw in recent if inside[b]]
    hours += [each for each in weights if each[0] >= event.since_ms] or weights
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
