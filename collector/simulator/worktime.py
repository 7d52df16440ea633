"""When the demo plant works: its wall clock, its shifts and its days off."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

ZONE = "Asia/Ho_Chi_Minh"
OFFSET_MS = 7 * 3_600_000  # no daylight saving since 1945
SLOT_MS = 900_000
SLOTS_A_DAY = 96
_EPOCH_MONDAY = 3  # 1970-01-01 was a Thursday
_SUNDAY = 6
_SATURDAY = 5
_NOON = SLOTS_A_DAY // 2

_FIXED = ((1, 1), (4, 30), (5, 1), (9, 2), (11, 24))
_MOVING = {
    2026: ("02-16", "02-17", "02-18", "02-19", "02-20", "04-27", "08-31", "09-01"),
    2027: ("02-04", "02-05", "02-06", "02-08", "02-09", "02-10", "04-16", "09-03"),
    2028: ("01-24", "01-25", "01-26", "01-27", "01-28", "01-29", "04-04", "09-04"),
}
"""Days off that follow the moon or a yearly decision; the demo plant's own choice, close to the public one."""


def local_slot(slot: int) -> int:
    """Return a quarter-hour since 1970 UTC as counted on the plant's wall clock."""
    return slot + OFFSET_MS // SLOT_MS


def weekday(day: int) -> int:
    """Return 0 for Monday … 6 for Sunday of a local day counted since 1970-01-01."""
    return (day + _EPOCH_MONDAY) % 7


def local_day(t_ms: int) -> int:
    """Return the local day, counted since 1970-01-01, of an instant."""
    return (t_ms + OFFSET_MS) // 86_400_000


def start_of_day_ms(day: int) -> int:
    """Return the instant of a local midnight."""
    return day * 86_400_000 - OFFSET_MS


def days_off(first: date, last: date) -> list[date]:
    """Return the plant's holidays between two dates, both included, in order."""
    return [day for day in (first + timedelta(days=at) for at in range((last - first).days + 1)) if is_day_off(day)]


def is_day_off(day: date) -> bool:
    """Tell whether the plant keeps a date as a holiday."""
    return (day.month, day.day) in _FIXED or day.strftime("%m-%d") in _MOVING.get(day.year, ())


def date_of(day: int) -> date:
    """Return the date of a local day counted since 1970-01-01."""
    return datetime.fromtimestamp(day * 86_400, UTC).date()


@lru_cache(maxsize=1024)
def works(day: int) -> bool:
    """Tell whether the plant works on a local day counted since 1970-01-01."""
    return weekday(day) != _SUNDAY and not is_day_off(date_of(day))


def shift_share(day: int, at: int) -> float:
    """Return how far production runs, 0 … 1, in quarter-hour `at` of a local day: two shifts, six days."""
    return _SHIFTS[at] if works(day) else 0.0


def office_share(day: int, at: int) -> float:
    """Return how far the office is in use, 0 … 1: by day, on Saturday until noon."""
    return _OFFICE[at] if works(day) and not (weekday(day) == _SATURDAY and at >= _NOON) else 0.0


def _slot(clock: str) -> int:
    return int(clock[:2]) * 4 + int(clock[3:]) // 15


def _day(steps: tuple[tuple[str, float], ...]) -> tuple[float, ...]:
    share, out = 0.0, []
    shares = {_slot(clock): value for clock, value in steps}
    for at in range(SLOTS_A_DAY):
        share = shares.get(at, share)
        out.append(share)
    return tuple(out)


_SHIFTS = _day(
    (
        ("06:00", 0.55), ("06:15", 0.88), ("06:30", 0.97), ("07:00", 1.0),
        ("11:30", 0.86), ("12:15", 1.0),
        ("14:00", 0.88), ("14:15", 1.0),
        ("18:00", 0.82), ("18:30", 1.0),
        ("21:45", 0.92), ("22:00", 0.0),
    )
)  # fmt: skip
_OFFICE = _day(
    (("07:15", 0.3), ("07:30", 0.8), ("08:00", 1.0), ("12:00", 0.75), ("13:00", 1.05), ("17:00", 0.6), ("17:30", 0.2), ("18:30", 0.0))
)
