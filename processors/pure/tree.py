"""The feeder tree as a witness: which feeders explain what a meter uses beyond its own expectation.

Second stage, over the outputs of one plant's meters. Every kW of an incomer flows through a feeder, and every feeder is
judged by its own calendar, weather and production. So an excess that the incomer's expectation does not know may be
nothing new: a feeder runs as it should on a day that is a holiday for the others. In the hours of the alert in which
the meter is above its usual level (the median of the same hour of the week, earlier):

    e   = Σ (kW − usual)               of the meter that raised the alert
    c_i = Σ (kW_i − usual_i)           of another meter in the same hours, usual_i from the same earlier hours

| who | explains |
|---|---|
| a feeder below | `usual`, c_i / e, when its calendar has another class of day than the meter's then, or it is calm with c_i ≥ e/4 |
| a sibling | `moved`, −c_i / e, when c_i is a drop of 0.6 to 1.6 times e, well above its scatter, and the sum above both did not rise |

What is explained by at least half is hidden under `suppressed` with its causes, not opened (feeders.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from driftwatt.alerts import Cause

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
    """What the tree asks of a plant: hours, calm and calendars of its meters."""

    feeds: Mapping[str, tuple[str, ...]]
    hours: Callable[[str], Hours]
    calm: Callable[[str], bool]
    other_day: Callable[[str, str, int], bool]
    """Tell whether two meters have another class of day at an instant."""


def explain(meter: str, since_ms: int, plant: Witness) -> tuple[Cause, ...]:
    """Return the feeders below, or the sibling, that explain the excess of a meter since an instant; the largest first."""
    own = plant.hours(meter)
    usual = _usual(own, own, since_ms)
    above = {t: kw - usual[b] for t, (b, kw) in own.items() if t >= since_ms and b in usual and kw > usual[b]}
    if len(above) < LEAST_HOURS:
        return ()
    children = plant.feeds.get(meter, ())
    causes = _below(meter, above, own, since_ms, plant) if children else _moved(meter, above, own, since_ms, plant)
    return tuple(sorted(causes, key=lambda cause: (-cause.share, cause.meter)))


def _below(meter: str, above: Mapping[int, float], own: Hours, since_ms: int, plant: Witness) -> list[Cause]:
    found = []
    for child in plant.feeds[meter]:
        kw, share, hours = _part(plant.hours(child), above, own, since_ms)
        if not hours or share <= 0:
            continue
        elsewhere = sum(plant.other_day(meter, child, t) for t in hours) >= len(hours) / 2
        if elsewhere or (plant.calm(child) and share >= LEAST_SHARE):
            found.append(Cause(child, kw, share, "usual"))
    return found


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
