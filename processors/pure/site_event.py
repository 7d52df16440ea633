"""One event for the whole site: many meters cross within days, so one cause is likelier than many.

When more than 30 % of a site's feeders (and at least three) open waste alerts within three days, one alert of the
site lists them; theirs are hidden under it. Its figures are the sums of its members, which measure different loads.
What people answer to it holds for its members. It ends when all of them have ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from driftwatt.alerts import Alert, Cause, HistoryLine, Range, alert_id
from processors.pure import severity
from processors.pure.appraise import AlertContext

SHARE, LEAST, WITHIN_MS = 0.30, 3, 3 * 86_400_000
RUNNING = ("unacked", "acked", "shelved")


def gather(book: Mapping[str, Alert], context: AlertContext, at_ms: int) -> list[Alert]:
    """Return the alerts that change: a site event that opens, takes in members, follows their figures or ends."""
    current = next((each for each in book.values() if each.pattern == "site" and each.state != "closed"), None)
    mine = members(book, current.id) if current else []
    fresh = _fresh(book, context, at_ms)
    if current is None:
        return _opened(fresh, context, at_ms)
    if not mine and not fresh:
        return [_ended(current, at_ms)]
    if not fresh and not any(each.updated_ms > current.updated_ms for each in mine):
        return []
    joined = [_hidden(each, current.id, at_ms) for each in fresh]
    return [_summed(current, [*mine, *joined], context, at_ms), *joined]


def members(book: Mapping[str, Alert], above: str) -> list[Alert]:
    """Return the alerts that are hidden under another: members of a site event, or a feeder's that one below it explains."""
    return [each for each in book.values() if each.state == "suppressed" and each.parent == above]


def _fresh(book: Mapping[str, Alert], context: AlertContext, at_ms: int) -> list[Alert]:
    """Return the first alerts of feeders that opened within the last days and that nothing else explains, one per meter.

    A meter that has wasted for longer does not cross now, whatever else is found on it.
    """
    found: dict[str, Alert] = {}
    for each in book.values():
        if each.kind != "waste" or each.pattern == "site" or each.state not in (*RUNNING, "suppressed") or each.meter in context.feeds:
            continue
        was = found.get(each.meter)
        if was is None or (each.opened_ms, each.id) < (was.opened_ms, was.id):
            found[each.meter] = each
    return [each for each in found.values() if at_ms - each.opened_ms <= WITHIN_MS and each.state in RUNNING and not each.ack_by]


def _opened(fresh: list[Alert], context: AlertContext, at_ms: int) -> list[Alert]:
    feeders = [meter for meter in context.meters if meter not in context.feeds]
    if len(fresh) < LEAST or len(fresh) <= SHARE * len(feeders):
        return []
    largest = max(fresh, key=lambda each: (each.per_day.get("kwh", 0.0), each.id))
    since_ms = min(each.since_ms for each in fresh)
    fed = {child for children in context.feeds.values() for child in children}
    roots = [meter for meter in context.feeds if meter not in fed]
    meter = roots[0] if len(roots) == 1 else largest.meter
    site = replace(
        largest,
        id=alert_id(context.plant, "*", "site", since_ms),
        state="unacked",
        severity="low",
        meter=meter,
        area=context.areas.get(meter, ""),
        since_ms=since_ms,
        opened_ms=at_ms,
        pattern="site",
        channel="site",
        evidence=(),
        history=(HistoryLine(at_ms, "opened"),),
        explained=(),
        shelved_until_ms=None,
        told="",
    )
    return [_summed(site, fresh, context, at_ms), *(_hidden(each, site.id, at_ms) for each in fresh)]


def _hidden(alert: Alert, site: str, at_ms: int) -> Alert:
    return replace(alert, state="suppressed", parent=site, history=(*alert.history, HistoryLine(at_ms, "in_site", note=site)))


def _ended(site: Alert, at_ms: int) -> Alert:
    line = HistoryLine(at_ms, "cleared", reason="resolved")
    seen = site.state != "unacked"
    return replace(
        site,
        state="closed" if seen else "cleared_unacked",
        cleared_ms=site.cleared_ms or at_ms,
        updated_ms=at_ms,
        closed_reason="resolved" if seen else None,
        history=site.history if site.cleared_ms else (*site.history, line),
    )


def _summed(site: Alert, parts: list[Alert], context: AlertContext, at_ms: int) -> Alert:
    """Return the site's alert with the sums of its members."""
    told = [key for key in ("kwh", "cost") if any(key in each.per_day for each in parts)]
    per_day = {key: sum(each.per_day.get(key, 0.0) for each in parts) for key in told}
    month = _sum(each.per_month_cost for each in parts)
    found = severity.of_money(month.value if month else None, medium=context.medium_per_month, high=context.high_per_month)
    kw = [(each, (each.actual_kw or 0.0) - (each.expected_kw or 0.0)) for each in parts]
    whole = sum(excess for _, excess in kw) or 1.0
    priced: dict[tuple[str, float], float] = {}
    for period, price, kwh in (row for each in parts for row in each.priced):
        priced[period, price] = priced.get((period, price), 0.0) + kwh
    doubts = dict.fromkeys(doubt for each in parts for doubt in each.unconfirmed)
    return replace(
        site,
        severity=severity.worse(site.severity, found),
        updated_ms=at_ms,
        expected_kw=sum(each.expected_kw or 0.0 for each in parts),
        actual_kw=sum(each.actual_kw or 0.0 for each in parts),
        excess_kwh=_sum(each.excess_kwh for each in parts),
        cost=_sum(each.cost for each in parts),
        co2e_kg=sum(each.co2e_kg or 0.0 for each in parts),
        per_day={**per_day, "hours": max(each.per_day.get("hours", 0.0) for each in parts)},
        priced=tuple((*at, kwh) for at, kwh in sorted(priced.items())),
        unpriced_kwh=sum(each.unpriced_kwh for each in parts),
        per_month_cost=month,
        provisional=any(each.provisional for each in parts),
        unconfirmed=tuple(doubts),
        below_floor=False,
        explained=tuple(
            Cause(each.meter, excess, excess / whole, "member", each.id) for each, excess in sorted(kw, key=lambda row: -row[1])
        ),
        message_args={"n": float(len(parts)), "since_ms": float(site.since_ms)},
    )


def _sum(values: Iterable[Range | None]) -> Range | None:
    known = [each for each in values if each is not None]
    if not known:
        return None
    return Range(sum(each.value for each in known), sum(each.low for each in known), sum(each.high for each in known))
