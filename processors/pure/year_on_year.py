"""What a meter draws now beside its first twelve months, calendar, weather and production allowed for: "since last year".

    change_c = L · mean of y_c − θ_cᵀz over the last 28 valid days      90 % band: ± 2.1 · L · σ_c

with θ and σ of yearly.py: what a load does by itself within a year tells how far it goes from one year to the next. Nothing is ever
alarmed by this: it accounts for what re-basing and slow forgetting hide. Energy of a month is change_tot over its hours, money that
energy at the mean price which the meter paid in those days. Source: docs/detection.md, "Since last year".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from driftwatt.alerts import Range
from processors.pure import yearly
from processors.pure.appraise import DAYS_PER_MONTH
from processors.pure.baseline import dot
from processors.pure.channels import CHANNELS
from processors.pure.memory import Memory, Past
from processors.pure.outputs import ChannelChange, SinceLastYear
from processors.pure.price import Cost, TariffBook
from processors.pure.yearly import LEAST_LEARNED

RECENT, LEAST_RECENT, SPAN = 28, 20, 42
"""Compared are the last 28 valid days; at least 20 have to lie in the last 42."""
BAND_FACTOR = 2.1


def since_last_year(memory: Memory, meter: str, at_ms: int, until: int | None = None) -> SinceLastYear | None:
    """Return the comparison as it is after the last valid day, of those up to the ordinal `until`; None before there is one."""
    year, schedule = memory.yearly, memory.schedule
    days = [day for day in memory.days if until is None or day.ordinal <= until]
    if schedule is None or not days or not year.complete(days[-1].ordinal):
        return None
    days = [day for day in days if day.ordinal > max(year.end, days[-1].ordinal - SPAN)][-RECENT:]
    if len(days) < LEAST_RECENT:
        return None
    changes = tuple(_change(memory, days, place, c, schedule.level) for place, c in enumerate(yearly.kept(schedule)))
    used = tuple((start_ms, kw) for day in days for start_ms, _, kw in day.hours())
    return SinceLastYear(meter, at_ms, days[0].ordinal, days[-1].ordinal, len(days), year.first, year.end, changes, used)


def _change(memory: Memory, days: Sequence[Past], place: int, channel: int, level: float) -> ChannelChange:
    theta, half = memory.yearly.theta(place), BAND_FACTOR * memory.yearly.sigma(place) * level
    both = [(y, dot(theta, day.z)) for day in days if day.ys and (y := day.ys[channel]) is not None]
    expected = level * sum(clean for _, clean in both) / max(1, len(both))
    kw = level * sum(y for y, _ in both) / max(1, len(both)) - expected
    return ChannelChange(CHANNELS[channel], Range(kw, kw - half, kw + half), expected)


def month_over(memory: Memory) -> int | None:
    """Return the last valid day (ordinal) of a month when the newest valid day is the first one after it, else None."""
    before, newest = ([day.ordinal for day in memory.days[-2:]] + [0, 0])[:2]
    return before if newest and _month(before) != _month(newest) else None


def _month(ordinal: int) -> tuple[int, int]:
    day = date.fromordinal(ordinal)
    return day.year, day.month


def known_from(memory: Memory) -> int | None:
    """Return the ordinal of the day from which on there can be a comparison, None before anything was learned."""
    year = memory.yearly
    missing = max(0, LEAST_LEARNED - year.n)
    return max(year.end, year.last + missing) + LEAST_RECENT if year.n else None


def kwh_per_month(found: SinceLastYear) -> Range:
    """Return the energy that the change comes to in a month."""
    return _times(found.total.kw, 24 * DAYS_PER_MONTH)


def cost_per_month(found: SinceLastYear, tariff: TariffBook | None) -> tuple[Range, Cost] | None:
    """Return what that costs before VAT, and the prices used; None where there are none."""
    cost = tariff.cost_of(found.used) if tariff else None
    priced = sum(kwh for _, kwh in found.used) - cost.unpriced_kwh if cost else 0.0
    if cost is None or priced <= 0:
        return None
    return _times(kwh_per_month(found), cost.amount / priced), cost


def _times(value: Range, factor: float) -> Range:
    """Return a range in another unit.

    >>> _times(Range(1.0, -1.0, 3.0), 2.0)
    Range(value=2.0, low=-2.0, high=6.0)
    """
    return Range(value.value * factor, value.low * factor, value.high * factor)
