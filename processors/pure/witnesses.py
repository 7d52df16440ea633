"""What the meters of a plant say about each other: the witness that the feeder tree asks."""

from __future__ import annotations

from collections.abc import Mapping

from driftwatt.alerts import Cause
from processors.pure import clean, tree
from processors.pure.calendar import local
from processors.pure.engine import State
from processors.pure.hours import HOUR_MS
from processors.pure.outputs import Output, WasteFinding
from processors.pure.policy import MeterPolicy


def explained(
    output: Output, feeds: Mapping[str, tuple[str, ...]], states: Mapping[str, State], policies: Mapping[str, MeterPolicy]
) -> tuple[Cause, ...]:
    """Return which other meters explain a waste finding, by the feeder tree; nothing of any other finding."""
    if not isinstance(output, WasteFinding) or not feeds or output.state == "closed":
        return ()

    def hours(meter: str) -> tree.Hours:
        return clean.hours(states[meter].detector) if meter in states else {}

    def calm(meter: str) -> bool:
        state = states[meter].detector if meter in states else None
        return state is not None and clean.judged(state) and clean.calm(state)

    def other_day(one: str, other: str, t_ms: int) -> bool:
        known = [policies[meter] for meter in (one, other) if meter in policies]
        off = {policy.calendar.day_class(local(policy.zone, t_ms).date()) == "off" for policy in known}
        return len(known) == 2 and len(off) == 2

    def shut(meter: str, t_ms: int) -> bool:
        return meter in policies and policies[meter].calendar.closed(t_ms, t_ms + HOUR_MS)

    counted = [t_ms for t_ms, kwh in output.spread if kwh > 0]
    return tree.explain(output.meter, output.since_ms, counted, tree.Witness(feeds, hours, calm, other_day, shut))
