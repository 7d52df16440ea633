"""When waste began: the day on which a chart's run began in earnest, and the first hour of it that exceeds.

Source: docs/detection.md, "Events".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from processors.pure.attribution import Part
from processors.pure.channels import CHANNELS, U_CLIP, Chart, Seen
from processors.pure.ledger import EDGES, OFF, ON, Event, wasteful
from processors.pure.robust import clip
from processors.pure.schedule import Schedule

PARTS: dict[int, Part] = {OFF: "off", EDGES: "edge", ON: "on"}


def day(chart: Chart, seen: Sequence[Seen]) -> int:
    """Return the ordinal of the day on which the present run of a chart began in earnest.

    The run starts where S left zero, often some noisy days too early. Of the days since then the one is taken
    from which on (Σ u)²/n is largest: the maximum-likelihood change point for a shift of any size.
    """
    run = [one for one in seen if one.ordinal >= chart.since]
    best, since, total = 0.0, chart.since, 0.0
    for count, one in enumerate(reversed(run), 1):
        total += clip(one.r / chart.sigma(one.group), U_CLIP)
        if total > 0.0 and total * total / count > best:
            best, since = total * total / count, one.ordinal
    return since


def hour(event: Event, hours: Sequence[tuple[int, int, float]], schedule: Schedule) -> int:
    """Return the start of the first hour that exceeds, UTC ms: what people are told as the beginning.

    `hours` are (start ms, bin, kW), ascending; those count that the event's channel looks at. From the change point on
    Σ (excess − half of the mean excess) is largest. Where none exceeds it is the start of the event's day.
    """
    inside = wasteful(schedule, PARTS.get(CHANNELS.index(event.channel), "all"))
    excess = [(start_ms, kw - event.usual[b]) for start_ms, b, kw in hours if start_ms >= event.since_ms and inside[b]]
    if not excess:
        return event.since_ms
    half = sum(kw for _, kw in excess) / len(excess) / 2
    ahead = accumulate(kw - half for _, kw in reversed(excess))
    best, start_ms = max((total, start_ms) for total, (start_ms, _) in zip(ahead, reversed(excess), strict=True))
    return start_ms if best > 0 and half > 0 else event.since_ms
