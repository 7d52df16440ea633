"""What happens to a meter's memory when a local day is over.

The first 14 valid days are buffered; then the schedule is learned and they are replayed in order with the
tests off. Tests start on valid day 29. A weekday that drew as little as a free day is taken for a holiday
(inferred closure): below m_off + 0.35 (m_work − m_off). Source: docs/detection.md, "One day".
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from processors.pure import baseline, channels, expected, heard, idle, reach, schedule, yearly
from processors.pure.baseline import FORGET
from processors.pure.channels import CHANNELS, Chart, Today
from processors.pure.detector_state import DetectorState
from processors.pure.fast import Usual
from processors.pure.gate import Profile
from processors.pure.heard import Heard
from processors.pure.hours import SUNDAY, Day, DayClass, bins_of
from processors.pure.ledger import Event
from processors.pure.memory import DAYS, Means, Memory, Past, with_copy
from processors.pure.robust import median
from processors.pure.schedule import Schedule
from processors.pure.settings import Settings

LEARNING_DAYS = 28
CLOSURE_SHARE = 0.35
_WORK_WEIGHT, _OFF_WEIGHT = 1 / 20, 1 / 8
_NONE = array("f")
_ANYWHERE = (inf, inf, inf)
_new = tuple.__new__
_TOT = CHANNELS.index("tot")
_CLOSURE_FROM = 5
_WORKING = ("work", "work_monday")
_KINDS: dict[DayClass, tuple[float, float, float, float]] = {
    "work": (1.0, 0.0, 0.0, 0.0),
    "saturday": (1.0, 1.0, 0.0, 0.0),
    "off": (1.0, 0.0, 1.0, 0.0),
    "work_monday": (1.0, 0.0, 0.0, 1.0),
}


class Taught(NamedTuple):
    """What the hours of a day have taught their `bins`: the gate's week and that of the fast test."""

    bins: bytes
    profile: Profile
    usual: Usual | None


class Closed(NamedTuple):
    """The memory after a day, the day as it is kept, and the day that left the memory, if one did."""

    memory: Memory
    day: Past
    left: Past | None = None


def close(state: DetectorState, day: Day, kw: array[float], taught: Taught, settings: Settings) -> Closed:
    """Take one valid day that is over; `kw` are its hours, `taught` what they have taught their bins already.

    Without an open event a calm day shapes the week.
    """
    before = state.memory
    means, past = _classify(before, state, day, kw, taught.bins)
    drivers = means[-1]
    if drivers.productions and not before.heard.productions:
        before = _with_production(before)
    days, valid_days, first, known, charts, copies, shape = before[:7]
    valid_days, left, year = valid_days + 1, None, before.yearly
    if (drivers.cold or drivers.idle) and not drivers.known(named=settings.drivers is not None):
        return _unjudged(before, means, past, taught)
    if known is None:
        days, shape = idle.with_load((*days, past)[-schedule.SCHEDULE_DAYS :]), _shaped(shape, past, state.scatter)
        valid_days, first = len(days), days[0].ordinal
    else:
        active = valid_days > LEARNING_DAYS
        far = _beyond(drivers, past.z) if active and drivers != heard.UNHEARD else ()
        charts, past = _observe(charts, past, known, forget=_forgetting(valid_days), active=active, far=far)
        if drivers != heard.UNHEARD and all(chart.calm for chart in charts):
            means = (*means[:-1], drivers._replace(reach=reach.grown(drivers.reach, past.z)))
        if len(days) >= DAYS:
            left = days[0]
        days = (*days[1 - DAYS :], past)
        if not state.events and all(chart.calm for chart in charts):
            shape = _shaped(shape, past, state.scatter)
        copies = with_copy(copies, past.ordinal, charts, moved=False)
        if past.day_class == day.day_class:
            year = yearly.learned(year, past.ordinal, past.z, past.ys, known)
    learned = (known, charts, copies, shape, taught.profile, taught.usual, *means)
    rest = (before.readiness, before.false_alarms, year, before.unfit)
    memory = _new(Memory, (days, valid_days, first or past.ordinal, *learned, *rest))
    if known is None:
        memory = scheduled(memory, settings)
    elif down := [c for c, chart in enumerate(charts) if channels.fallen(chart)]:
        memory = _follow_savings(memory, down).noted(past.ordinal, moved=True)
    return _new(Closed, (memory, past, left))


def _beyond(drivers: Heard, z: Sequence[float]) -> tuple[float, ...]:
    """Return how far a day lies beyond the range that is known: anywhere while the mean of production is not."""
    return _ANYWHERE if drivers.settling else reach.beyond(reach.edges(drivers.reach), z)


def valid_share(memory: Memory, today: int) -> float:
    """Return the share of the recent days (those remembered) that were valid."""
    if not memory.days:
        return 1.0
    return min(1.0, len(memory.days) / max(1, today - memory.days[0].ordinal))


def outlook(memory: Memory, day: Day) -> tuple[float, ...]:
    """Return the regressors that a day ahead is expected to have: its class, the last weather, usual production."""
    return regressors(day.day_class, memory.heard.usual)


def regressors(day_class: DayClass, drivers: tuple[float, ...]) -> tuple[float, ...]:
    """Return z of a day; `drivers` are CDD/10, HDD/10 and P/100.

    >>> regressors("saturday", (0.5, 0.0, 0.0))
    (1.0, 1.0, 0.0, 0.0, 0.5, 0.0, 0.0)
    """
    return _KINDS[day_class] + drivers


def _classify(memory: Memory, state: DetectorState, day: Day, kw: array[float], bins: bytes) -> tuple[Means, Past]:
    """Return the slow means moved on, and the day with class, group and regressors."""
    drivers, mean, (clock, day_class, _, _) = state.drivers, sum(kw) / len(kw), day
    work, works, off, offs, told = memory.means
    if day_class in _WORKING:
        if works >= _CLOSURE_FROM and offs >= 1 and work > off and mean < off + CLOSURE_SHARE * (work - off):
            day_class = "off"
            bins = bins_of(clock.hours, state.at, 24 * SUNDAY)
        else:
            works += 1
            work += max(_WORK_WEIGHT, 1 / works) * (mean - work)
    elif day_class == "off":
        offs += 1
        off += max(_OFF_WEIGHT, 1 / offs) * (mean - off)
    driven = (0.0, 0.0, 0.0)
    if told != heard.UNHEARD or drivers != heard.NOTHING:
        told, driven = heard.take(told, drivers, free=day_class == "off")
    z = regressors(day_class, driven)
    past = _new(Past, (clock.ordinal, clock.start_ms, day_class, z, state.at, bins, kw, (), _NONE))
    return (work, works, off, offs, told), past


def _with_production(memory: Memory) -> Memory:
    """Return the memory with all days so far as days of usual production: nobody counted, and the driver's term begins from there."""
    days = tuple(day._replace(z=(*day.z[:-1], 1.0)) for day in memory.days)
    charts = tuple(chart._replace(ridge=baseline.with_production(chart.ridge)) for chart in memory.charts)
    return memory._replace(days=days, charts=charts)


def _unjudged(memory: Memory, means: Means, past: Past, taught: Taught) -> Closed:
    """Take a day that nobody can judge, as what drives the load is not known: it is remembered, and teaches its hours alone."""
    days, left = memory.days, None
    if memory.schedule is not None:
        left = days[0] if len(days) >= DAYS else None
        days = (*days[1 - DAYS :], past)
    work, works, off, offs, told = means
    slow = memory._replace(days=days, work=work, works=works, off=off, offs=offs, heard=told)
    return Closed(slow._replace(profile=taught.profile, usual=taught.usual), past, left)


def scheduled(memory: Memory, settings: Settings) -> Memory:
    """Learn the schedule once enough days are buffered, and replay the buffer with the tests off."""
    if len(memory.days) < schedule.SCHEDULE_DAYS:
        return memory
    learned = schedule.learn([pair for day in memory.days for pair in day.pairs()], settings.off_bins)
    if learned.level <= idle.LEAST_LEVEL:
        return memory
    charts, days, forget, year, told = memory.charts, [], _forgetting(memory.valid_days), memory.yearly, memory.heard
    for past in memory.days:
        told = told._replace(reach=reach.grown(told.reach, past.z))
        charts, shown = _observe(charts, past, learned, forget=forget, active=False)
        days.append(shown)
        year = yearly.learned(year, shown.ordinal, shown.z, shown.ys, learned)
    memory = memory._replace(heard=told, schedule=learned, charts=charts, days=tuple(days), yearly=year)
    return memory.noted(days[-1].ordinal, moved=True)


def _forgetting(valid_days: int) -> float:
    """Return λ."""
    return FORGET if valid_days > LEARNING_DAYS else 1.0


def _observe(
    charts: tuple[Chart, ...], past: Past, known: Schedule, *, forget: float, active: bool, far: tuple[float, ...] = ()
) -> tuple[tuple[Chart, ...], Past]:
    """Show a day to every chart; the day comes back with its values and residuals. `far` is how far beyond the known range it lies."""
    ordinal, start_ms, day_class, z, at, bins, kw, _, _ = past
    ys = channels.values_of(bins, kw, known)
    today = _new(Today, (z, baseline.pairs(z), past.group, ordinal, active, forget))
    shown, rs = list(charts), array("f", bytes(4 * len(ys)))
    for c, y in enumerate(ys):
        if y is not None:
            lost = far and reach.unknown(charts[c], past.group, far)
            shown[c], rs[c] = (channels.taught if lost else channels.update)(charts[c], today, y)
    return tuple(shown), _new(Past, (ordinal, start_ms, day_class, z, at, bins, kw, ys, rs))


def _follow_savings(memory: Memory, down: Sequence[int]) -> Memory:
    """Re-base the charts `down`, whose load has stayed below the reference: a saving becomes the reference."""
    charts = list(memory.charts)
    for c in down:
        charts[c] = channels.rebase(charts[c], memory.seen(c)[-channels.REBASE_MOST :])
    memory = memory._replace(charts=tuple(charts))
    return reshape(memory, memory.days[-channels.REBASE_MOST :]) if _TOT in down else memory


def mended(memory: Memory, event: Event) -> tuple[Chart, ...]:
    """Return the charts with those that stand above an event's clean reference moved down to it: what lies between is waste, and gone."""
    charts, recent = [], memory.days[-channels.REBASE_MOST :]
    for c, chart in enumerate(memory.charts):
        apart = [baseline.dot(event.clean[c], day.z) - baseline.dot(chart.ridge.theta, day.z) for day in recent]
        lower = median(apart) if event.clean and apart else 0.0
        if lower < 0.0:
            ridge = baseline.shift_level(chart.ridge, lower)
            chart = chart._replace(ridge=ridge, mean=chart.mean + lower, level=0.0, below=0.0)  # noqa: PLW2901 – the same chart, moved
        charts.append(chart)
    return tuple(charts)


def reshape(memory: Memory, days: Sequence[Past]) -> Memory:
    """Return the memory with the shape of the week learned anew from the days given."""
    if memory.shape is None:
        return memory
    return memory._replace(shape=expected.restart(memory.shape, [(day.bins, day.kw) for day in days]))


def _shaped(shape: expected.Shape | None, past: Past, scatter: Sequence[float]) -> expected.Shape:
    return expected.add(shape or expected.Shape(), past.bins, past.kw, scatter)
