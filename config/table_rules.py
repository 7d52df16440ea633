"""What dated tables must keep to: days that exist, hours that make sense, rows in order of time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date

from config.explain import shown
from config.source import Fault
from config.tables import Calendar, Factors, Schedule, Tariff

WEEK = 7 * 1440
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")
_COUNTRY = re.compile("[A-Z]{2}")
_DAYS_ALLOWED = '"all", a day such as "sun", or a span such as "mon-sat"'
_HOURS_ALLOWED = '"HH:MM-HH:MM"; over midnight as "22:00-04:00"'


def weekdays(text: str) -> tuple[int, ...]:
    """Return the days in `all`, `sun` or `mon-sat`, Monday 0. A span may cross Sunday. Raises ValueError."""
    if text == "all":
        return tuple(range(7))
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"{text!r} is not a day; allowed: {_DAYS_ALLOWED}")
    start = DAYS.index(first)
    count = (DAYS.index(last) - start) % 7 + 1 if dash else 1
    return tuple((start + step) % 7 for step in range(count))


def minutes(text: str) -> tuple[int, int]:
    """Return (start, end) of `HH:MM-HH:MM` in minutes since midnight; end ≤ start crosses midnight. Raises ValueError."""
    match = _HOURS.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a span of hours; allowed: {_HOURS_ALLOWED}")
    start, end = int(match[1]) * 60 + int(match[2]), int(match[3] or match[5]) * 60 + int(match[4] or match[6])
    if start == end:
        raise ValueError(f"{text!r} is empty; allowed: {_HOURS_ALLOWED}")
    return start, end


def tariff_faults(tariff: Tariff) -> Iterator[Fault]:
    """Yield every broken rule of a tariff."""
    yield from _in_order("price", [price.from_ for price in tariff.price])
    ids: list[str] = []
    for index, schedule in enumerate(tariff.schedule):
        if schedule.id in ids:
            yield Fault(("schedule", index, "id"), f"stands twice, first in schedule[{ids.index(schedule.id)}]", shown(schedule.id))
        ids.append(schedule.id)
        for inner, window in enumerate(schedule.periods):
            key = ("schedule", index, "periods", inner)
            yield from _refused((*key, "days"), weekdays, window.days)
            yield from _refused((*key, "at"), minutes, window.at)
        yield from _coverage_faults(index, schedule)
    used = {window.is_ for schedule in tariff.schedule for window in schedule.periods} - {"normal"}
    for index, price in enumerate(tariff.price):
        for period in sorted(used):
            if getattr(price, period) is None:
                yield Fault(("price", index, period), "is missing, and a schedule uses this period")
    first = min((schedule.from_ for schedule in tariff.schedule), default=None)
    price = tariff.price[0]
    if used and first is not None and price.from_ < first:
        what = f"has a hole: no schedule says which hours are peak or off-peak from {price.from_} on"
        yield Fault(("schedule", 0, "from"), what, str(first), f"a schedule that begins by {price.from_}, or a price that begins later")


def _coverage_faults(index: int, schedule: Schedule) -> Iterator[Fault]:
    """Yield windows that lie over each other and, where normal hours are written out, hours that no window covers."""
    owner: dict[int, int] = {}
    for inner, window in enumerate(schedule.periods):
        try:
            begin, end = minutes(window.at)
            days = weekdays(window.days)
        except ValueError:
            return
        for day in days:
            for minute in range(begin, end if end > begin else end + 1440):
                at = (day * 1440 + minute) % WEEK
                if owner.setdefault(at, inner) != inner:
                    other = schedule.periods[owner[at]]
                    what = f"overlaps periods[{owner[at]}], {shown(other.at)} on {shown(other.days)}, at {_moment(at)}"
                    yield Fault(("schedule", index, "periods", inner), what, f"{window.at} on {window.days} in {schedule.id}")
                    return
    if any(window.is_ == "normal" for window in schedule.periods):
        hole = next((at for at in range(WEEK) if at not in owner), None)
        if hole is not None:
            what = f"has a hole: no period covers {_moment(hole)}"
            yield Fault(("schedule", index, "periods"), what, schedule.id, "windows for every hour, or no windows of normal hours")


def _moment(at: int) -> str:
    return f"{DAYS[at // 1440]} {at % 1440 // 60:02}:{at % 60:02}"


def calendar_faults(calendar: Calendar) -> Iterator[Fault]:
    """Yield every broken rule of a calendar. Whether its country has holidays is known where they are looked up."""
    country = calendar.holidays.country
    if country is not None and not _COUNTRY.fullmatch(country):
        yield Fault(("holidays", "country"), "is not a country", shown(country), 'two letters, such as "VN"')
    taken: dict[int, str] = {}
    for days, shifts in calendar.week.items():
        key = ("week", days)
        try:
            numbers = weekdays(days)
        except ValueError as error:
            yield _fault(key, days, error)
            continue
        for number in numbers:
            if number in taken:
                yield Fault(key, f"{DAYS[number]} is already in {taken[number]!r}", shown(days))
            taken.setdefault(number, days)
        for index, shift in enumerate(shifts):
            yield from _refused((*key, index), _shift_minutes, shift)


def factor_faults(factors: Factors) -> Iterator[Fault]:
    """Yield every broken rule of emission factors."""
    yield from _in_order("factor", [factor.from_ for factor in factors.factor])


def _shift_minutes(shift: str) -> tuple[int, int]:
    try:
        return minutes(shift.split(" ", 1)[0])
    except ValueError:
        raise ValueError(f'{shift!r} is not a shift; allowed: hours and a name, such as "06:00-14:00 ca 1"') from None


def _in_order(name: str, days: Sequence[date]) -> Iterator[Fault]:
    for index in range(1, len(days)):
        if days[index] <= days[index - 1]:
            yield Fault((name, index, "from"), "is not later than the one before", str(days[index]), f"after {days[index - 1]}")


def _refused(key: tuple[str | int, ...], read: Callable[[str], object], text: str) -> Iterator[Fault]:
    try:
        read(text)
    except ValueError as error:
        yield _fault(key, text, error)


def _fault(key: tuple[str | int, ...], text: str, error: ValueError) -> Fault:
    problem, _, allowed = str(error).partition("; allowed: ")
    return Fault(key, problem[len(repr(text)) + 1 :], shown(text), allowed)
