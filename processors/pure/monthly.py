"""A month in sums: energy and money by tariff period, day and shift, the highest quarter-hours, what is missing.

Everything comes from closed quarter-hours as they are stored; nothing is judged anew and nothing is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from driftwatt.alerts import Alert
from driftwatt.readings import Quality
from processors.pure.calendar import DayCalendar, local
from processors.pure.outputs import IntervalEnergy
from processors.pure.price import TariffBook

PERIODS = ("off_peak", "normal", "peak")
PEAKS = 3
OFF_SHIFT = ""
_ESTIMATED = int(Quality.ESTIMATED)


@dataclass(slots=True)
class Account:
    """One meter's month, or a sum of several. Energy in kWh, money before VAT; `approximate_days` are days of the month.

    `priced` tells that every interval had a price. `by_shift` has "" for what lies outside of shifts. `kvarh_of_kwh` is the
    energy of those quarter-hours whose reactive energy is known. `blocks` holds mean kW by day of the month and start.
    """

    kwh: float = 0.0
    cost: float = 0.0
    co2e_kg: float = 0.0
    kvarh: float | None = None
    kvarh_of_kwh: float = 0.0
    priced: bool = True
    covered_s: float = 0.0
    estimated_kwh: float = 0.0
    by_period: dict[str, tuple[float, float]] = field(default_factory=dict)
    by_day: dict[int, dict[str, float]] = field(default_factory=dict)
    by_shift: dict[str, tuple[float, float]] = field(default_factory=dict)
    blocks: dict[tuple[int, int], float] = field(default_factory=dict)
    approximate_days: set[int] = field(default_factory=set)

    def coverage(self, elapsed_s: float) -> float:
        """Return the share 0…1 of a time that readings cover."""
        return min(1.0, self.covered_s / elapsed_s) if elapsed_s > 0 else 0.0

    def peaks(self) -> list[tuple[int, float]]:
        """Return the highest quarter-hours (start ms, mean kW), one per day at most, without those with an estimated part."""
        best: dict[int, tuple[int, float]] = {}
        for (day, start_ms), kw in self.blocks.items():
            if day not in best or kw > best[day][1]:
                best[day] = start_ms, kw
        return sorted(best.values(), key=lambda each: -each[1])[:PEAKS]


def account(intervals: Iterable[IntervalEnergy], calendar: DayCalendar, tariff: TariffBook | None, *, fine: bool = False) -> Account:
    """Return the month of one meter; `fine` adds days, shifts and quarter-hours, which only the incomers need."""
    out = Account()
    period, from_ms, to_ms = "normal", 0, 0
    for each in intervals:
        start_ms, end_ms, kwh, cost = each.start_ms, each.end_ms, each.import_wh / 1000, each.cost
        if tariff is not None and not from_ms <= start_ms < to_ms:
            price = tariff.price_at(start_ms)
            period, from_ms, to_ms = (price.period, price.from_ms, price.to_ms) if price else ("normal", start_ms, start_ms + 1)
        guessed = each.quality & _ESTIMATED != 0
        out.kwh += kwh
        out.co2e_kg += (each.co2e_g or 0.0) / 1000
        out.covered_s += (end_ms - start_ms) / 1000 * each.coverage
        if cost is None:
            out.priced, cost = False, 0.0
        out.cost += cost
        if guessed:
            out.estimated_kwh += kwh
        if each.import_varh is not None:
            out.kvarh = (out.kvarh or 0.0) + each.import_varh / 1000
            out.kvarh_of_kwh += kwh
        _add(out.by_period, period, kwh, cost)
        if fine:
            _fine(out, each, calendar, period, guessed=guessed)
    return out


def _fine(out: Account, each: IntervalEnergy, calendar: DayCalendar, period: str, *, guessed: bool) -> None:
    kwh = each.import_wh / 1000
    day = local(calendar.zone, each.start_ms).day
    row = out.by_day.setdefault(day, {})
    row[period] = row.get(period, 0.0) + kwh
    shift = calendar.shift_at(each.start_ms)
    _add(out.by_shift, shift.name if shift else OFF_SHIFT, kwh, each.cost or 0.0)
    if guessed:
        out.approximate_days.add(day)
    else:
        out.blocks[day, each.start_ms] = kwh * 3_600_000 / (each.end_ms - each.start_ms)


def _add(table: dict[str, tuple[float, float]], key: str, kwh: float, cost: float) -> None:
    was = table.get(key, (0.0, 0.0))
    table[key] = was[0] + kwh, was[1] + cost


def added(parts: Sequence[Account]) -> Account:
    """Return the sum of several meters; a quarter-hour that one of them lacks is no peak."""
    out = Account(priced=all(part.priced for part in parts))
    for part in parts:
        out.kwh += part.kwh
        out.cost += part.cost
        out.co2e_kg += part.co2e_kg
        out.covered_s += part.covered_s / len(parts)
        out.estimated_kwh += part.estimated_kwh
        out.approximate_days |= part.approximate_days
        if part.kvarh is not None:
            out.kvarh = (out.kvarh or 0.0) + part.kvarh
            out.kvarh_of_kwh += part.kvarh_of_kwh
        for table, more in ((out.by_period, part.by_period), (out.by_shift, part.by_shift)):
            for key, (kwh, cost) in more.items():
                _add(table, key, kwh, cost)
        for day, row in part.by_day.items():
            mine = out.by_day.setdefault(day, {})
            for period, kwh in row.items():
                mine[period] = mine.get(period, 0.0) + kwh
    shared = set.intersection(*(set(part.blocks) for part in parts)) if parts else set[tuple[int, int]]()
    out.blocks = {block: sum(part.blocks[block] for part in parts) for block in shared}
    return out


def power_factor(out: Account) -> float | None:
    """Return cosφ of the quarter-hours whose active and reactive energy are known, None where there are none.

    >>> power_factor(Account(kwh=900.0, kvarh=43.6, kvarh_of_kwh=90.0)), power_factor(Account(kwh=90.0))
    (0.9, None)
    """
    if out.kvarh is None or out.kvarh_of_kwh <= 0:
        return None
    return round(out.kvarh_of_kwh / math.hypot(out.kvarh_of_kwh, out.kvarh), 2)


def reactive_charge(cosphi: float, cost: float) -> float:
    """Return what the buyer pays for reactive power (Circular 15/2014/TT-BCT): k = 0.9/cosφ − 1 below 0.90, capped at cosφ 0.59.

    >>> round(100 * reactive_charge(0.85, 1.0), 2), round(100 * reactive_charge(0.4, 1.0), 2), reactive_charge(0.9, 1.0)
    (5.88, 52.54, 0.0)
    """
    return cost * max(0.0, 0.9 / max(cosphi, 0.59) - 1)


def found_in(alerts: Iterable[Alert], start_ms: int, end_ms: int) -> list[Alert]:
    """Return the waste of a month, the costliest first: opened in it or still running in it, not what other alerts explain."""
    shown = [
        each
        for each in alerts
        if each.kind == "waste" and each.state != "suppressed" and each.opened_ms < end_ms and (each.cleared_ms or end_ms) >= start_ms
    ]
    return sorted(shown, key=lambda each: -(each.cost.value if each.cost else 0.0))
