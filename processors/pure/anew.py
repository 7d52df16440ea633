"""Learning anew: a meter's schedule, charts, gate and calm week from its last valid days alone, and why.

| reason | when |
|---|---|
| date   | its `learn_from` in the plant file: a person says that what was before is another life |
| driver | a driver that it had learned was taken out of the plant file |
| answer | *new normal* to an event in which the load has doubled (detector.py) |
| unfit  | not fit for want of a driver, its total frozen and no event open, for 28 valid days in a row |

Never by waste: a meter that is provisional or ready does not learn anew by itself, nor one with an open event. Said
to people as readiness `learning` with the reason. Source: docs/detection.md, "Readiness".
"""

from __future__ import annotations

from array import array
from typing import Literal

from processors.pure import daily, expected, gate
from processors.pure.gate import Gate, Profile
from processors.pure.memory import Memory
from processors.pure.settings import Settings

UNFIT_DAYS = 28
LEAST_DAYS = 7
"""Limits of the gate are taken from so many days on; with fewer those of before stand."""
_NONE, _ALL = array("f"), (True, True)
Reason = Literal["", "date", "driver", "answer", "unfit"]


def due(memory: Memory, today: int, settings: Settings) -> tuple[Reason, int]:
    """Return why a meter has to learn anew after the day `today` (ordinal), and from which day on; "" when it need not."""
    if settings.learn_from and memory.first < settings.learn_from <= today:
        return "date", settings.learn_from
    told, (temperature, production) = memory.heard, settings.drivers or _ALL
    if (told.warmths and not temperature) or (told.productions and not production):
        return "driver", memory.first
    if memory.unfit >= UNFIT_DAYS:
        return "unfit", memory.days[-UNFIT_DAYS].ordinal
    return "", 0


def begin(memory: Memory, quality: Gate, since: int, settings: Settings) -> tuple[Memory, Gate]:
    """Return memory and gate as learned from the remembered days since an ordinal, with the drivers that are still named."""
    temperature, production = settings.drivers or _ALL
    keep = (1.0, 1.0, 1.0, 1.0, float(temperature), float(temperature), float(production))
    days = tuple(
        day._replace(z=tuple(x * y for x, y in zip(day.z, keep, strict=True)), ys=(), rs=_NONE)
        for day in memory.days
        if day.ordinal >= since and (day.ys or memory.schedule is None or not memory.heard.known(named=settings.drivers is not None))
    )
    told = memory.heard
    if not temperature:
        told = told._replace(weather=(0.0, 0.0), warmths=0, cold=0)
    if not production:
        told = told._replace(production=0.0, productions=0, idle=0)
    fresh = Memory(days=days, valid_days=len(days), first=days[0].ordinal if days else since, heard=told, false_alarms=memory.false_alarms)
    fresh = _taught(fresh)
    if len(days) >= LEAST_DAYS:
        quality = gate.learned(quality, [kw for day in days for kw in day.kw])
    return daily.scheduled(fresh, settings), quality


def _taught(memory: Memory) -> Memory:
    """Return the memory with what its days teach beside the charts: the gate's week, the calm week, means of working and free days."""
    profile, shape = Profile(), expected.Shape()
    work: list[float] = []
    off: list[float] = []
    for day in memory.days:
        profile, shape = profile.learned(day.bins, day.kw), expected.add(shape, day.bins, day.kw, ())
        mean = sum(day.kw) / len(day.kw)
        if day.day_class == "off":
            off.append(mean)
        elif day.day_class != "saturday":
            work.append(mean)
    return memory._replace(
        profile=profile,
        shape=shape,
        works=len(work),
        work=sum(work) / max(1, len(work)),
        offs=len(off),
        off=sum(off) / max(1, len(off)),
    )
