"""What has to be kept so that a meter's state can be made again from its stored readings: snapshots and moves.

A *snapshot* is a state at one instant. A *move* is anything but a reading that changed a state: an answer of a person,
silence that became news, a word of the edge about the meter. Snapshot, the readings since, and the moves since,
each in its place, give the state again, byte for byte.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from pydantic import TypeAdapter

from driftwatt.wire import HelloMeter
from processors.pure.answers import Told
from processors.pure.policy import UNTOLD_EVERY_MS, MeterPolicy

DAY_MS = 86_400_000
NEWEST = 1 << 61
"""An instant after all others: whoever is late from then on begins at the newest snapshot."""
DAILY, WEEKLY = 3, 5
"""Snapshots kept: one of each of the newest days, then one of each of the weeks before."""

TOLD: TypeAdapter[Told] = TypeAdapter(Told)
FACTS: TypeAdapter[HelloMeter] = TypeAdapter(HelloMeter)


@dataclass(frozen=True, slots=True)
class Move:
    """What changed the state of a meter between two readings, after the one of `after_ms` (-1: before the first).

    `number` rises over all meters. `body` is JSON: a Told for `answer`, the instant for `wake`, a HelloMeter for `hello`.
    """

    number: int
    meter: str
    after_ms: int
    what: Literal["answer", "wake", "hello"]
    body: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a meter after every reading up to `t_ms` and every move up to `number`.

    `parts` are those of processors.pure.engine, none for the state in which nothing is known. `plan` names the people's part of the
    policy in force; `facts` is the edge's part, a HelloMeter as JSON, empty while it said nothing.
    """

    meter: str
    t_ms: int
    number: int
    plan: str
    facts: str = ""
    parts: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def blank(self) -> bool:
        """True of the state before the first reading."""
        return not self.parts


def plain(policy: MeterPolicy) -> MeterPolicy:
    """Return a policy without what an edge said."""
    return replace(policy, every_ms=UNTOLD_EVERY_MS, counters={}, serial=None)


def with_facts(policy: MeterPolicy, facts: str) -> MeterPolicy:
    """Return a policy with what an edge said at some time, as a snapshot or move keeps it."""
    return policy.with_hello(FACTS.validate_json(facts)) if facts else plain(policy)


def facts_of(said: HelloMeter) -> str:
    """Return what an edge said of a meter, as far as it matters to its state."""
    return FACTS.dump_json(HelloMeter(said.id, "", "", "", said.every_ms, said.serial, dict(sorted(said.counters.items())))).decode()


def plan_of(policy: MeterPolicy, known: dict[int, str] | None = None) -> str:
    """Return a short name of the people's part of a policy, the same in every process. `known` remembers shared parts by identity."""
    return f"{zlib.crc32(_spelt(replace(plain(policy), drivers=None), {} if known is None else known).encode()):08x}"


def stale(kept: Iterable[Snapshot]) -> list[int]:
    """Return the instants of the snapshots of one meter that need not be kept: DAILY, then WEEKLY, and the blank one stay."""
    stay: set[int] = set()
    days: set[int] = set()
    weeks: set[int] = set()
    all_of_them = sorted(kept, key=lambda each: -each.t_ms)
    for each in all_of_them:
        day, week = each.t_ms // DAY_MS, each.t_ms // (7 * DAY_MS)
        if each.blank:
            stay.add(each.t_ms)
        elif day not in days and len(days) < DAILY:
            days.add(day)
            stay.add(each.t_ms)
        elif day not in days and week not in weeks and len(weeks) < WEEKLY:
            weeks.add(week)
            stay.add(each.t_ms)
    return [each.t_ms for each in all_of_them if each.t_ms not in stay]


def _spelt(value: Any, known: dict[int, str]) -> str:
    if value is None or isinstance(value, str | int | float | bool):
        return repr(value)
    if isinstance(value, MeterPolicy):
        return _members(value, known)
    if id(value) not in known:  # holidays, tariffs and calendars serve many meters, and outlive this
        known[id(value)] = _spelt_anew(value, known)
    return known[id(value)]


def _spelt_anew(value: Any, known: dict[int, str]) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{_spelt(key, known)}:{_spelt(item, known)}" for key, item in value.items())) + "}"
    if isinstance(value, frozenset | set):
        return "{" + ",".join(sorted(str(item) for item in value)) + "}"
    if isinstance(value, tuple | list):
        return "[" + ",".join([_spelt(item, known) for item in value]) + "]"
    return _members(value, known) if type(value).__module__.startswith("processors.") else str(value)


def _members(value: Any, known: dict[int, str]) -> str:
    if is_dataclass(value):
        names: Iterable[str] = (each.name for each in fields(value) if each.init)
    else:
        names = sorted(name for name in (getattr(value, "__slots__", None) or vars(value)) if not name.startswith("_"))
    return type(value).__name__ + "(" + ",".join(_spelt(getattr(value, name), known) for name in names) + ")"
