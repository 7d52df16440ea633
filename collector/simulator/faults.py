"""Faults on request: what goes wrong between a meter and its reader, how often and when. Seeded and counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from driftwatt.errors import ConfigError

KINDS = {
    "delay": "answers SECONDS later",
    "late": "answers 0.5 to 3 times SECONDS later (give the reader's time-out)",
    "drop": "does not answer",
    "duplicate": "answers twice",
    "crc": "one bit is wrong (RTU)",
    "noise": "strange bytes before or after the reply",
    "echo": "the request comes back before the reply, as with two wires of RS-485",
    "half": "half a reply, then silence",
    "wrong-unit": "another unit answers, with other values",
    "wrong-function": "a reply to function 3 instead of 4 or the other way round, with other values",
    "short": "fewer registers than asked, with other values",
    "long": "more registers than asked, with other values",
    "tid0": "transaction id 0 (Modbus TCP)",
    "busy": "exception 6",
    "illegal": "exception 2 for requests that touch FIRST-LAST",
    "dead": "units A,B,… are silent",
}
LIES = frozenset({"crc", "half", "wrong-unit", "wrong-function", "short", "long"})
"""Replies that nobody may believe; what they say is never what the meter measures."""
_NEEDS_VALUE = frozenset({"delay", "late", "illegal", "dead"})
_ONLY_RTU, _ONLY_TCP = frozenset({"crc"}), frozenset({"tid0"})
_FORM = re.compile(r"([a-z0-9-]+)(?:=([^:@]+))?(?::([0-9.]+)%)?(?:@([0-9.]+)-([0-9.]*))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `share` 0 … 1 of all replies between `since_s` and `until_s` after the start.

    `value` is seconds (delay, late), the first and last address (illegal) or unit ids (dead).
    """

    kind: str
    value: tuple[float, ...] = ()
    share: float = 1.0
    since_s: float = 0.0
    until_s: float = float("inf")


def fault(text: str) -> Fault:
    """Return the fault in `KIND[=VALUE][:SHARE%][@FROM-[TO]]`, such as `delay=0.2:1%` or `dead=3@0-120`. Raises ConfigError."""
    found = _FORM.fullmatch(text)
    if found is None or found[1] not in KINDS or (found[2] is None) == (found[1] in _NEEDS_VALUE):
        raise _not_understood(text)
    kind, value, share, since, until = found.groups()
    try:
        made = Fault(kind, _value(kind, value), float(share or 100) / 100, float(since or 0), float(until or "inf"))
    except ValueError:
        raise _not_understood(text) from None
    if not 0 < made.share <= 1 or made.since_s >= made.until_s:
        raise _not_understood(text)
    return made


def _value(kind: str, text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    if kind == "illegal":
        first, last = (int(part, 0) for part in text.split("-"))
        return first, last
    if kind == "dead":
        return tuple(int(part) for part in text.split(","))
    return (float(text),)


def _not_understood(text: str) -> ConfigError:
    return ConfigError("--fault is not understood", found=repr(text), allowed=f"KIND[=VALUE][:SHARE%][@FROM-TO] with {', '.join(KINDS)}")


class Mischief:
    """Decides for each request which faults strike. Equal seeds and requests give equal faults; `counts` says how many struck."""

    def __init__(self, faults: Sequence[Fault] = (), *, seed: int = 0, now_s: Callable[[], float] = lambda: 0.0) -> None:
        self.random = Random(seed)  # noqa: S311 – faults, no secrets
        self.counts: Counter[str] = Counter()
        self._faults = tuple(faults)
        self._now_s = now_s
        self._began_s = now_s()

    def fits(self, framing: str) -> None:
        """Return if every fault can happen on such a line. Raises ConfigError."""
        for each in self._faults:
            if each.kind in (_ONLY_TCP if framing == "rtu" else _ONLY_RTU):
                raise ConfigError(f"--fault {each.kind} cannot happen here", found=framing, allowed="rtu" if framing == "tcp" else "tcp")

    def strike(self, unit: int, address: int, count: int) -> dict[str, Fault]:
        """Return the faults, by kind, that strike the reply to a request."""
        if not self._faults:
            return {}
        age_s = self._now_s() - self._began_s
        struck = {
            each.kind: each
            for each in self._faults
            if each.since_s <= age_s < each.until_s and _touches(each, unit, address, count) and self.random.random() < each.share
        }
        self.counts.update(struck.keys())
        return struck


def _touches(each: Fault, unit: int, address: int, count: int) -> bool:
    if each.kind == "dead":
        return unit in each.value
    return each.kind != "illegal" or (address <= each.value[1] and each.value[0] < address + count)
