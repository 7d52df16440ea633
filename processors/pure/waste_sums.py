"""What waste amounts to in all: no energy twice, neither of one meter nor along the feeder tree.

Every kWh that a feeder wastes flows through its incomer. So of several alerts of one meter only the largest counts, and of a
meter that feeds others what the alerts below it leave: each takes off the part of its energy that lies in the same time.
What somebody called no waste counts nothing, and takes off what it is all the same.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from driftwatt.alerts import DISMISS_REASONS, Alert

Feeds = Mapping[str, tuple[str, ...]]


def shares(alerts: Iterable[Alert], feeds: Feeds, among: Iterable[Alert] | None = None) -> dict[str, float]:
    """Return which share 0…1 of each alert counts in a sum over all of them, by id; those `among` take off, else the same."""
    known = list(alerts)
    by_meter: dict[str, list[Alert]] = {}
    for each in known if among is None else among:
        by_meter.setdefault(each.meter, []).append(each)
    found = dict.fromkeys((each.id for each in known), 0.0)
    for alert in _largest(each for each in known if each.closed_reason not in DISMISS_REASONS):
        below = sum(max(_inside(each, alert) for each in by_meter[meter]) for meter in _next_below(alert.meter, feeds, by_meter))
        found[alert.id] = max(0.0, 1.0 - below / _kwh(alert)) if _kwh(alert) > 0 else 1.0
    return found


def _largest(alerts: Iterable[Alert]) -> Iterable[Alert]:
    best: dict[str, Alert] = {}
    for each in alerts:
        if each.excess_kwh is not None and (each.meter not in best or _kwh(each) > _kwh(best[each.meter])):
            best[each.meter] = each
    return best.values()


def _next_below(meter: str, feeds: Feeds, told: Container[str]) -> Iterator[str]:
    """Yield the first meters with an alert on each way down the tree; what is below them they include."""
    for child in feeds.get(meter, ()):
        if child in told:
            yield child
        else:
            yield from _next_below(child, feeds, told)


def _inside(below: Alert, alert: Alert) -> float:
    """Return the kWh of an alert that lie in the time of another."""
    (from_ms, to_ms), (begin_ms, end_ms) = _time(below), _time(alert)
    return _kwh(below) * max(0, min(to_ms, end_ms) - max(from_ms, begin_ms)) / max(1, to_ms - from_ms)


def _time(alert: Alert) -> tuple[int, int]:
    return alert.since_ms, max(alert.since_ms + 1, alert.cleared_ms or alert.updated_ms)


def _kwh(alert: Alert) -> float:
    return alert.excess_kwh.value if alert.excess_kwh else 0.0
