"""Two boxes, one edge id: how it is noticed. Decides from epochs alone, without clocks or addresses.

An edge sends its epochs oldest first, each to its end. An older epoch that advances after a younger one began
therefore comes from another box, unless one box said in its hello that it holds both and that the older one
reaches that far: a box that was asked to send again after the plant lost some of its state. Which of two is the older
a plant that lost state may have wrong; the hello of a box that holds both is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from driftwatt.wire import EpochSpan

QUIET_MS = 10 * 60_000
"""A younger epoch is let through again when the older one has been silent this long."""
MAX_HELLOS = 16


@dataclass(frozen=True, slots=True)
class Conflict:
    """`older` advanced to `upto` after the epoch that this conflict holds had begun, last at `at_ms`."""

    older: str
    upto: int
    at_ms: int


Hellos = tuple[tuple[EpochSpan, ...], ...]
"""What boxes said they hold, the newest last; each oldest epoch first."""


def remember(hellos: Hellos, spans: Sequence[EpochSpan]) -> Hellos:
    """Return the hellos with one more; a hello that says nothing new about age is not kept."""
    if len(spans) < 2:
        return hellos
    names = {span.epoch for span in spans}
    others = tuple(known for known in hellos if not {span.epoch for span in known} <= names)
    return (*others, tuple(spans))[-MAX_HELLOS:]


def same_box(hellos: Hellos, older: str, younger: str, upto: int) -> bool:
    """Tell whether one box said that it holds both epochs, and the older one up to `upto` at least."""
    for spans in hellos:
        tops = {span.epoch: span.top for span in spans}
        if older in tops and younger in tops and upto <= tops[older]:
            return True
    return False


def advanced(
    conflicts: Mapping[str, Conflict], hellos: Hellos, older: str, upto: int, *, begun: Sequence[str], now_ms: int
) -> dict[str, Conflict]:
    """Return the conflicts after `older` advanced to `upto`; `begun` are the younger epochs with rows already taken."""
    out = dict(conflicts)
    for younger in begun:
        if not same_box(hellos, older, younger, upto) and not in_order(hellos, younger, older):
            out[younger] = Conflict(older, upto, now_ms)
    return out


def in_order(hellos: Hellos, first: str, second: str) -> bool:
    """Tell whether a box said that it holds both epochs, and `first` is the older one."""
    for spans in hellos:
        names = [span.epoch for span in spans]
        if first in names and second in names[names.index(first) :]:
            return True
    return False


def explained(conflicts: Mapping[str, Conflict], hellos: Hellos) -> dict[str, Conflict]:
    """Return the conflicts that no hello explains."""
    return {younger: found for younger, found in conflicts.items() if not same_box(hellos, found.older, younger, found.upto)}


def by_age(known: Sequence[str], spans: Sequence[EpochSpan]) -> list[str]:
    """Return the known epochs with those of a hello in its order; new ones come last."""
    listed = dict.fromkeys(span.epoch for span in spans)
    before = set(known)
    places = iter([epoch for epoch in listed if epoch in before])
    ordered = [next(places) if epoch in listed else epoch for epoch in known]
    return ordered + [epoch for epoch in listed if epoch not in before]
