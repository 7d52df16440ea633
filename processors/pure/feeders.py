"""Inhibition by the feeder tree: one cause, one alert.

What explains an alert stands in its `explained`: waste alerts below it, and feeders that run as they should (tree.py).

A waste alert of a feeder is suppressed when open waste alerts below it explain at least half of its excess,
in kWh per day or in kW of what opened it; it comes back when they explain less than a quarter. What rose in running
hours alone explains no night. `parent` is the alert that explains most, none where a feeder that runs as it should
explains more. People's words stand: what somebody acknowledged is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from driftwatt.alerts import Alert, Cause, HistoryLine

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
    site = {alert.id for alert in book.values() if alert.pattern == "site" and alert.state != "closed"}
    waste = [alert for alert in book.values() if alert.kind == "waste" and alert.id not in site and alert.parent not in site]
    running = [alert for alert in waste if alert.state in RUNNING]
    changed: list[Alert] = []
    for alert in waste:
        if alert.state not in ("unacked", "suppressed", "acked"):
            continue
        children = below(alert.meter, feeds)
        causes = [other for other in running if other.meter in children and other.id != alert.id and not _apart(other, alert)]
        told = (*_told(alert, causes), *(cause for cause in alert.explained if cause.why != "waste"))
        usual = sum(cause.share for cause in told if cause.why != "waste")
        if told != alert.explained:
            alert = replace(alert, explained=told)  # noqa: PLW2901 – the same alert, its causes followed
            changed.append(alert)
        if alert.state == "acked":
            continue
        share = _share(alert, causes) + usual
        lead = most(told)
        parent = max(causes, key=lambda cause: (excess_kw(cause), cause.id)).id if lead is not None and lead.why == "waste" else None
        if share >= EXPLAINED and alert.state == "unacked" and lead is not None:
            line = HistoryLine(at_ms, "suppressed" if parent else f"explained_{lead.why}", note=parent or lead.meter)
            changed.append(replace(alert, state="suppressed", parent=parent, history=(*alert.history, line)))
        elif share < UNEXPLAINED and alert.state == "suppressed":
            line = HistoryLine(at_ms, "released")
            changed.append(replace(alert, state="unacked", parent=None, history=(*alert.history, line)))
        elif alert.state == "suppressed" and parent != alert.parent and (parent is None or all(each.id != alert.parent for each in causes)):
            changed.append(replace(alert, parent=parent))
    return changed


def most(causes: Sequence[Cause]) -> Cause | None:
    """Return the cause that explains the largest share."""
    return max(causes, key=lambda cause: (cause.share, cause.meter), default=None)


def _apart(cause: Alert, alert: Alert) -> bool:
    """Whether two alerts are about different hours: what rose while machines run, and what rose at night."""
    return cause.channel == "on" and alert.channel in ("base", "off")


def _told(alert: Alert, causes: list[Alert]) -> tuple[Cause, ...]:
    """Return waste alerts below as causes, the largest of each meter, the largest first."""
    own = _step_kw(alert)
    best: dict[str, Alert] = {}
    for cause in causes:
        was = best.get(cause.meter)
        if was is None or _step_kw(cause) > _step_kw(was):
            best[cause.meter] = cause
    rows = [Cause(meter, _step_kw(cause), _step_kw(cause) / own if own > 0 else 0.0, "waste", cause.id) for meter, cause in best.items()]
    return tuple(sorted(rows, key=lambda row: (-row.kw, row.meter)))


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
