"""Inhibition by the feeder tree: one cause, one alert.

A waste alert of a feeder is suppressed when open waste alerts below it explain at least half of its excess,
in kWh per day or in kW of what opened it; it comes back when they explain less than a quarter. People's words
stand: what somebody acknowledged is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from driftwatt.alerts import Alert, HistoryLine

EXPLAINED, UNEXPLAINED = 0.5, 0.25
RUNNING = ("unacked", "acked", "shelved")


def below(meter: str, feeds: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return all meters that a meter feeds, directly or not.

    >>> sorted(below("incomer", {"incomer": ("a", "b"), "a": ("a1",)}))
    ['a', 'a1', 'b']
    """
    found: set[str] = set()
    waiting = list(feeds.get(meter, ()))
    while waiting:
        child = waiting.pop()
        if child not in found:
            found.add(child)
            waiting += feeds.get(child, ())
    return found


def excess_kw(alert: Alert) -> float:
    """Return an alert's mean excess over a whole day, kW."""
    return alert.per_day.get("kwh", 0.0) / 24


def inhibit(book: Mapping[str, Alert], feeds: Mapping[str, tuple[str, ...]], at_ms: int) -> list[Alert]:
    """Return the alerts whose suppression begins, ends, or now has another cause than the one that went."""
    waste = [alert for alert in book.values() if alert.kind == "waste"]
    running = [alert for alert in waste if alert.state in RUNNING]
    changed: list[Alert] = []
    for alert in waste:
        if alert.state not in ("unacked", "suppressed"):
            continue
        children = below(alert.meter, feeds)
        causes = [other for other in running if other.meter in children and other.id != alert.id]
        share = _share(alert, causes)
        largest = max(causes, key=lambda cause: (excess_kw(cause), cause.id), default=alert)
        if share >= EXPLAINED and alert.state == "unacked":
            line = HistoryLine(at_ms, "suppressed", note=largest.id)
            changed.append(replace(alert, state="suppressed", parent=largest.id, history=(*alert.history, line)))
        elif share < UNEXPLAINED and alert.state == "suppressed":
            line = HistoryLine(at_ms, "released")
            changed.append(replace(alert, state="unacked", parent=None, history=(*alert.history, line)))
        elif alert.state == "suppressed" and alert.parent not in {cause.id for cause in causes}:
            changed.append(replace(alert, parent=largest.id))
    return changed


def _share(alert: Alert, causes: list[Alert]) -> float:
    """Return the larger of two shares of an alert that its causes explain: of its energy, and of its power."""
    shares = [0.0]
    for measure in (excess_kw, _step_kw):
        own = measure(alert)
        if causes and own > 0:
            by_meter: dict[str, float] = {}
            for cause in causes:  # the events of one meter include each other
                by_meter[cause.meter] = max(by_meter.get(cause.meter, 0.0), measure(cause))
            shares.append(sum(by_meter.values()) / own)
    return max(shares)


def _step_kw(alert: Alert) -> float:
    """Return by how much the channel that opened an alert is too high, kW."""
    return (alert.actual_kw or 0.0) - (alert.expected_kw or 0.0)
