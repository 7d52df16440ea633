"""The feeder tree as a witness: which feeders explain what a meter uses beyond its own expectation.

Second stage, over the outputs of one plant's meters. Every kW of an incomer flows through a feeder, and every feeder is
judged by its own calendar, weather and production. So an excess that the incomer's expectation does not know may be
nothing new: a feeder runs as it should on a day that is a holiday for the others. In the hours whose excess the alert
counts and in which the meter is above its usual level (the median of the same hour of the week, earlier):

    e   = Σ (kW − usual)               of the meter that raised the alert
    c_i = Σ (kW_i − usual_i)           of another meter in the same hours, usual_i from the same earlier hours
    m_i = Σ min(kW − usual, highest kW_i − usual_i)     of a meter below that is in a maintenance window then

| who | explains |
|---|---|
| a feeder below | `usual`, c_i / e, when half of e is on days that have another class in its calendar, or it is calm with c_i ≥ e/4 |
| a meter below in a window | `maintenance`, m_i / e: nobody knows what it drew, at the most its highest hour; several share the excess |
| a sibling | `moved`, −c_i / e, when c_i is a drop of 0.6 to 1.6 times e, well above its scatter, and the sum above both did not rise |

Hours in which a meter below is in a window say nothing of the others.

What is explained by at least half is hidden under `suppressed` with its causes, not opened (feeders.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from driftwatt.alerts import Cause
from processors.pure.feeders import below

Hours = Mapping[int, tuple[int, float]]
"""Bin of the week and mean kW by start of the hour, ms."""
LEAST_SHARE = 0.25
MOVED = (0.6, 1.6)
SCATTERS = 3.0
PARENT_ROSE = 0.5
LEAST_HOURS = 4
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Witness:
    """What the tree asks of a plant: hours, calm, calendars and windows of its meters."""

    feeds: Mapping[str, tuple[str, ...]]
    hours: Callable[[str], Hours]
    calm: Callable[[str], bool]
    other_day: Callable[[str, str, int], bool]
    """Tell whether two meters have another class of day at an instant."""
    shut: Callable[[str, int], bool] = lambda _meter, _t_ms: False
    """Tell whether a meter is in a maintenance window or shutdown at an instant."""


def explain(meter: str, since_ms: int, counted: Iterable[int], plant: Witness) -> tuple[Cause, ...]:
    """Return which meters below, or which sibling, explain the excess of a meter since an instant; the largest first.

    `counted` are the starts of the hours, ms, whose excess the alert counts.
    """
    own = plant.hours(meter)
    usual = _usual(own, own, since_ms)
    above = {t: own[t][1] - usual[own[t][0]] for t in counted if t in own and own[t][0] in usual and own[t][1] > usual[own[t][0]]}
    if len(above) < LEAST_HOURS:
        return ()
    children = plant.feeds.get(meter, ())
    causes = _below(meter, above, own, since_ms, plant) if children else _moved(meter, above, own, since_ms, plant)
    return tuple(sorted(causes, key=lambda cause: (-cause.share, cause.meter)))


def _below(meter: str, above: Mapping[int, float], own: Hours, since_ms: int, plant: Witness) -> list[Cause]:
    found, windowed = _in_windows(meter, above, own, since_ms, plant)
    rest = {t: kw for t, kw in above.items() if t not in windowed}
    left = sum(rest.values()) / sum(above.values())
    for child in plant.feeds[meter]:
        kw, share, hours = _part(plant.hours(child), rest, own, since_ms)
        if not hours or share <= 0:
            continue
        elsewhere = sum(rest[t] for t in hours if plant.other_day(meter, child, t)) >= sum(rest[t] for t in hours) / 2
        if elsewhere or (plant.calm(child) and share >= LEAST_SHARE):
            found.append(Cause(child, kw, share * left, "usual"))
    return found


def _in_windows(meter: str, above: Mapping[int, float], own: Hours, since_ms: int, plant: Witness) -> tuple[list[Cause], set[int]]:
    """Return what meters below may have drawn in maintenance windows, and the hours in which one of them was in one."""
    taken: dict[str, float] = {}
    windowed: set[int] = set()
    for child in below(meter, plant.feeds):
        inside = [t for t in above if plant.shut(child, t)]
        theirs = plant.hours(child) if inside else {}
        usual, most = _usual(theirs, own, since_ms), max((kw for _, kw in theirs.values()), default=0.0)
        taken[child] = sum(min(above[t], max(0.0, most - usual.get(own[t][0], 0.0))) for t in inside)
        windowed.update(inside)
    whole, inside_kwh = sum(above.values()), sum(above[t] for t in windowed)
    scale = min(1.0, inside_kwh / sum(taken.values())) if sum(taken.values()) > 0 else 0.0
    causes = [Cause(child, scale * kwh / len(windowed), scale * kwh / whole, "maintenance") for child, kwh in taken.items() if kwh > 0]
    return causes, windowed


def _moved(meter: str, above: Mapping[int, float], own: Hours, since_ms: int, plant: Witness) -> list[Cause]:
    parent = next((each for each, children in plant.feeds.items() if meter in children), None)
    if parent is None:
        return []
    _, rose, hours = _part(plant.hours(parent), above, own, since_ms)
    if not hours or rose > PARENT_ROSE:
        return []
    best: Cause | None = None
    for sibling in plant.feeds[parent]:
        theirs = plant.hours(sibling)
        kw, share, hours = _part(theirs, above, own, since_ms) if sibling != meter else (0.0, 0.0, [])
        fits = hours and MOVED[0] <= -share <= MOVED[1] and -kw > SCATTERS * _scatter(theirs, own, since_ms)
        if fits and (best is None or share < -best.share):
            best = Cause(sibling, kw, -share, "moved")
    return [best] if best else []


def _part(theirs: Hours, above: Mapping[int, float], own: Hours, since_ms: int) -> tuple[float, float, list[int]]:
    """Return mean kW and share of the excess that another meter brings in its hours, and the hours that both have."""
    usual = _usual(theirs, own, since_ms)
    both = [t for t in above if t in theirs and own[t][0] in usual]
    whole = sum(above[t] for t in both)
    if 2 * len(both) < len(above) or whole <= 0:
        return 0.0, 0.0, []
    part = sum(theirs[t][1] - usual[own[t][0]] for t in both)
    return part / len(both), part / whole, both


def _usual(theirs: Hours, own: Hours, since_ms: int) -> dict[int, float]:
    """Return a meter's median kW by bin of the week before an instant; the bins are those of the meter that is explained."""
    table: dict[int, list[float]] = {}
    for t, (b, _) in own.items():
        if t < since_ms and t in theirs:
            table.setdefault(b, []).append(theirs[t][1])
    return {b: median(values) for b, values in table.items()}


def _scatter(theirs: Hours, own: Hours, since_ms: int) -> float:
    """Return by how much a meter's daily mean strays from its usual level, kW (median of the absolute, as a standard deviation)."""
    usual = _usual(theirs, own, since_ms)
    days: dict[int, list[float]] = {}
    for t, (_, kw) in theirs.items():
        if t < since_ms and t in own:
            days.setdefault(t // DAY_MS, []).append(kw - usual[own[t][0]])
    return 1.4826 * median(_absolute(days.values())) if days else float("inf")


def _absolute(days: Iterable[list[float]]) -> list[float]:
    return [abs(sum(day) / len(day)) for day in days]
