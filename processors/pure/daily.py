"""What happens to a meter's memory when a local day is over.

The first 14 valid days are buffered; then the schedule is learned and they are replayed in order with the
tests off. Tests start on valid day 29. A weekday that drew as little as a free day is taken for a holiday
(inferred closure): below m_off + 0.35 (m_work − m_off). Source: docs/detection.md, "One day".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processors.pure import channels, expected, schedule
from processors.pure.baseline import FORGET
from processors.pure.channels import CHANNELS, Chart
from processors.pure.hours import SUNDAY, Day
from processors.pure.memory import DAYS, Memory, Past
from processors.pure.settings import Settings

LEARNING_DAYS = 28
CLOSURE_SHARE = 0.35
BALANCE_COOL, BALANCE_HEAT = 17.0, 15.0
_WORK_WEIGHT, _OFF_WEIGHT = 1 / 20, 1 / 8
_TOT = CHANNELS.index("tot")
_CLOSURE_FROM = 5


@dataclass(frozen=True, slots=True)
class Closed:
    """The memory after a day, the day as it is kept, and the day that left the memory, if one did."""

    memory: Memory
    day: Past
    left: Past | None = None


def close(memory: Memory, day: Day, settings: Settings, *, undisturbed: bool) -> Closed:
    """Take one valid day that is over. `undisturbed`: no waste event is open, so a calm day shapes the week."""
    valid_days = memory.valid_days + 1
    memory = memory.but(valid_days=valid_days, first=memory.first or day.ordinal)
    memory, past = _classify(memory, day)
    if memory.schedule is None:
        days = (*memory.days, past)[-schedule.SCHEDULE_DAYS :]
        memory = memory.but(days=days, shape=_shaped(memory, day, past))
        return Closed(_begin(memory, settings), past)
    memory, past = _observe(memory, past, active=valid_days > LEARNING_DAYS)
    memory = _follow_savings(memory, past)
    if undisturbed and all(chart.calm for chart in memory.charts):
        memory = memory.but(shape=_shaped(memory, day, past))
    left = memory.days[0] if len(memory.days) >= DAYS else None
    return Closed(memory.but(days=(*memory.days, past)[-DAYS:]).noted(), past, left)


def valid_share(memory: Memory, today: int) -> float:
    """Return the share of the recent days (those remembered) that were valid."""
    if not memory.days:
        return 1.0
    return min(1.0, len(memory.days) / max(1, today - memory.days[0].ordinal))


def outlook(memory: Memory, day: Day) -> tuple[float, ...]:
    """Return the regressors that a day ahead is expected to have: its class, the last weather, usual production."""
    return _regressors(memory, day.day_class, memory.weather, 1.0 if memory.productions else 0.0)


def _regressors(memory: Memory, day_class: str, weather: tuple[float, float], production: float) -> tuple[float, ...]:
    del memory
    return (
        1.0,
        1.0 if day_class == "saturday" else 0.0,
        1.0 if day_class == "off" else 0.0,
        1.0 if day_class == "work_monday" else 0.0,
        *weather,
        production,
    )


def _classify(memory: Memory, day: Day) -> tuple[Memory, Past]:
    """Return the memory with its slow means moved on, and the day with class, group and regressors."""
    mean = sum(day.kw) / len(day.kw)
    day_class = day.day_class
    if day_class in ("work", "work_monday"):
        known = memory.works >= _CLOSURE_FROM and memory.offs >= 1 and memory.work > memory.off
        if known and mean < memory.off + CLOSURE_SHARE * (memory.work - memory.off):
            day_class = "off"
        else:
            works = memory.works + 1
            memory = memory.but(works=works, work=memory.work + max(_WORK_WEIGHT, 1 / works) * (mean - memory.work))
    elif day_class == "off":
        offs = memory.offs + 1
        memory = memory.but(offs=offs, off=memory.off + max(_OFF_WEIGHT, 1 / offs) * (mean - memory.off))
    weather = memory.weather
    if day.temperatures:
        outside = day.temperature / day.temperatures
        weather = (max(0.0, outside - BALANCE_COOL) / 10, max(0.0, BALANCE_HEAT - outside) / 10)
    memory, production = _production(memory.but(weather=weather), day)
    weekday = SUNDAY if day_class == "off" else day.weekday
    bins = bytes(24 * weekday + hour for hour in day.hours)
    z = _regressors(memory, day_class, weather, production)
    group = 0 if day_class in ("work", "work_monday") else 1
    return memory, Past(day.ordinal, day.start_ms, weekday, group, z, day.at, bins, day.kw)


def _production(memory: Memory, day: Day) -> tuple[Memory, float]:
    """Return P/100: the day's mean of the driver by its mean over the learning period; 0 without a driver."""
    if not day.productions:
        return memory, 1.0 if memory.productions else 0.0
    mean = day.production / day.productions
    if memory.valid_days <= LEARNING_DAYS:
        count = memory.productions + 1
        memory = memory.but(productions=count, production=memory.production + (mean - memory.production) / count)
    return memory, mean / memory.production if memory.production > 0 else 0.0


def _begin(memory: Memory, settings: Settings) -> Memory:
    """Learn the schedule once enough days are buffered, and replay the buffer with the tests off."""
    if len(memory.days) < schedule.SCHEDULE_DAYS:
        return memory
    pairs = [(b, kw) for day in memory.days for b, kw in zip(day.bins, day.kw, strict=True)]
    learned = schedule.learn(pairs, settings.off_bins)
    if learned.level <= 0:
        return memory
    buffered = memory.days
    memory = memory.but(schedule=learned, days=())
    for past in buffered:
        memory, seen = _observe(memory, past, active=False)
        memory = memory.but(days=(*memory.days, seen)).noted()
    return memory


def _observe(memory: Memory, past: Past, *, active: bool) -> tuple[Memory, Past]:
    """Show a day to every chart; the day comes back with its values and residuals."""
    if memory.schedule is None:
        return memory, past
    ys = channels.values_of(past.bins, past.kw, memory.schedule)
    forget = FORGET if memory.valid_days > LEARNING_DAYS else 1.0
    charts: list[Chart] = []
    rs: list[float | None] = []
    for chart, y in zip(memory.charts, ys, strict=True):
        if y is None:
            charts.append(chart)
            rs.append(None)
            continue
        after, r = channels.update(chart, past.z, y, group=past.group, ordinal=past.ordinal, active=active, forget=forget)
        charts.append(after)
        rs.append(r)
    return memory.but(charts=tuple(charts)), past.but(ys=ys, rs=tuple(rs))


def _follow_savings(memory: Memory, past: Past) -> Memory:
    """Re-base charts whose load has stayed below the reference: a saving becomes the reference."""
    down = [c for c, chart in enumerate(memory.charts) if channels.fallen(chart)]
    if not down:
        return memory
    seen = memory.but(days=(*memory.days, past))
    charts = tuple(
        channels.rebase(chart, seen.seen(c)[-channels.REBASE_MOST :]) if c in down else chart for c, chart in enumerate(memory.charts)
    )
    memory = memory.but(charts=charts)
    return reshape(memory, seen.days[-channels.REBASE_MOST :]) if _TOT in down else memory


def reshape(memory: Memory, days: Sequence[Past]) -> Memory:
    """Return the memory with the shape of the week learned anew from the days given."""
    if memory.shape is None:
        return memory
    shape = expected.restart(memory.shape, [list(zip(day.bins, day.kw, strict=True)) for day in days])
    return memory.but(shape=shape)


def _shaped(memory: Memory, day: Day, past: Past) -> expected.Shape:
    shape = memory.shape or expected.blank()
    return expected.add(shape, list(zip(past.bins, past.kw, strict=True)), day.scatter)
