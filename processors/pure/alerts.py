"""The life of an alert: a pure state machine over a book of alerts.

Every function takes the book as it is and returns a `Change`: the new book, the alerts that differ (publish,
store and show these), and what the detector is to be told. What people answer is in processors/pure/answers.py.

    opened ─▶ unacked ─ack▶ acked ─gone▶ closed         shelved ─time or growth▶ unacked
                 │  ▲undo 10 s                          suppressed while an alert below explains half of it
                 └gone▶ cleared_unacked ─ack▶ closed    dismiss, fixed ▶ closed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast, get_args

from driftwatt.alerts import PATTERN_OF_CHANNEL, Alert, Cause, Frozen, HistoryLine, Kind, Pattern, State, alert_id
from processors.pure import feeders, savings, severity, site_event
from processors.pure.alert_figures import figured, ranked
from processors.pure.answers import (
    AlertBook,
    Change,
    NotPossibleError,
    Told,
    acknowledge,
    comment,
    dismiss,
    fixed,
    shelve,
    standing,
    told_of,
    undo,
    unshelve,
)
from processors.pure.appraise import AlertContext
from processors.pure.outputs import DataFinding, Output, WasteFinding

__all__ = [
    "AlertBook",
    "AlertContext",
    "Change",
    "NotPossibleError",
    "Told",
    "acknowledge",
    "comment",
    "dismiss",
    "fixed",
    "on_edges",
    "on_output",
    "on_silence",
    "on_thresholds",
    "on_time",
    "on_voice",
    "settled",
    "shelve",
    "silent_meters",
    "undo",
    "unshelve",
]

KNOWN_AFTER_MS = 72 * 3_600_000
"""An alert that nobody answers is taken for known waste after this: it goes on counting, its chart is freed."""
GROWN = 1.5
NIGHTS: frozenset[Pattern] = frozenset({"off_hours", "schedule", "base_load"})
OPEN = ("unacked", "acked", "shelved", "suppressed")


def on_output(
    book: AlertBook, output: Output, context: AlertContext, explained: tuple[Cause, ...] = (), reference: Frozen | None = None
) -> Change:
    """Open, update or clear the alert of a WasteFinding or DataFinding; any other output changes nothing.

    `explained` names the meters that explain a WasteFinding by the feeder tree (tree.py), `reference` is kept with one that closes.
    """
    if isinstance(output, WasteFinding):
        return _on_waste(book, output, context, explained, reference)
    if isinstance(output, DataFinding):
        return _on_data(book, output, context)
    return Change(book)


def on_time(book: AlertBook, now_ms: int) -> Change:
    """Let time pass (call about once a second): standing acknowledgements are told, shelves end."""
    changed: list[Alert] = []
    told: list[Told] = []
    for alert in book.values():
        if standing(alert, now_ms):
            told += told_of(alert, "known", (alert.ack_at_ms or 0) + 10_000)
            alert = replace(alert, told="known")  # noqa: PLW2901 – the same alert, one step further
        if alert.state == "shelved" and alert.shelved_until_ms is not None and now_ms >= alert.shelved_until_ms:
            alert = _back(alert, alert.shelved_until_ms, "unshelved")  # noqa: PLW2901 – same
        if alert.saving is not None and savings.overdue(alert, now_ms):
            alert = savings.judged(alert, savings.due_look(alert.saving, now_ms) or 0, now_ms)  # noqa: PLW2901 – same
        if alert is not book[alert.id]:
            changed.append(alert)
    return _change(book, changed, told)


def on_thresholds(book: AlertBook, context: AlertContext) -> Change:
    """Rank open waste alerts by the thresholds of money that were changed."""
    after = [(alert, ranked(alert, context)) for alert in book.values() if alert.kind == "waste" and alert.state in OPEN]
    return _change(book, [now for was, now in after if now != was])


def settled(change: Change, context: AlertContext, at_ms: int) -> Change:
    """Return a change of people or time with what follows from it in the feeder tree: what was hidden by it shows at once."""
    if not any(alert.kind == "waste" for alert in change.changed):
        return change
    moved = feeders.inhibit(change.book, context.feeds, at_ms)
    book = {**change.book, **{each.id: each for each in moved}}
    more = [*moved, *site_event.gather(book, context, at_ms)]
    return _change(change.book, [*change.changed, *more], list(change.told)) if more else change


def on_silence(book: AlertBook, meter: str, *, since_ms: int, at_ms: int, context: AlertContext) -> Change:
    """Open the device alert of a meter that fell silent at `since_ms`, if none is open."""
    identity = alert_id(context.plant, meter, "silent", since_ms)
    if identity in book or any(_silent(alert, meter) for alert in book.values()):
        return Change(book)
    alert = _blank("device", meter, "silent", since_ms=since_ms, at_ms=at_ms, context=context)
    return _change(book, [replace(alert, severity="medium", message_args={"since_ms": float(since_ms)})])


def on_voice(book: AlertBook, meter: str, *, at_ms: int) -> Change:
    """Clear the device alert of a meter that speaks again."""
    return _change(book, [_gone(alert, at_ms, "back") for alert in book.values() if _silent(alert, meter)])


def on_edges(book: AlertBook, lost: Mapping[str, int], *, at_ms: int, context: AlertContext) -> Change:
    """Open one device alert for each edge that is lost, and clear those of edges that are back. `lost` tells since when.

    It stands for all meters of the edge: their silence is no news of its own.
    """
    open_now = {alert.meter: alert for alert in book.values() if alert.pattern == "edge_lost" and alert.state in OPEN}
    changed = [_gone(alert, at_ms, "back") for edge, alert in open_now.items() if edge not in lost]
    for edge, since_ms in lost.items():
        alert = _blank("device", edge, "edge_lost", since_ms=since_ms, at_ms=at_ms, context=context)
        if edge not in open_now and alert.id not in book:
            changed.append(replace(alert, severity="high", message_args={"since_ms": float(since_ms)}))
    return _change(book, changed)


def silent_meters(book: AlertBook) -> frozenset[str]:
    """Return the meters whose silence is an open alert: one look at a book that may be long, for all of them."""
    return frozenset(alert.meter for alert in book.values() if _silent(alert, alert.meter))


def _silent(alert: Alert, meter: str) -> bool:
    return alert.meter == meter and alert.pattern == "silent" and alert.state in OPEN


def _on_data(book: AlertBook, finding: DataFinding, context: AlertContext) -> Change:
    identity = alert_id(context.plant, finding.meter, finding.reason, finding.since_ms)
    alert = book.get(identity)
    if finding.state == "closed":
        why = str(finding.detail.get("reason", "resolved"))
        return _change(book, [_gone(alert, finding.at_ms, why)]) if alert and alert.state in OPEN else Change(book)
    if alert is not None:
        return Change(book)
    alert = _blank("data", finding.meter, finding.reason, since_ms=finding.since_ms, at_ms=finding.at_ms, context=context)
    return _change(book, [replace(alert, severity=severity.of_data(finding.reason), message_args=dict(finding.detail))])


def _on_waste(
    book: AlertBook, finding: WasteFinding, context: AlertContext, explained: tuple[Cause, ...], reference: Frozen | None
) -> Change:
    identity = alert_id(context.plant, finding.meter, finding.channel, finding.since_ms)
    alert = book.get(identity)
    again: list[Alert] = []
    if alert is None:
        alert = _blank("waste", finding.meter, finding.channel, since_ms=finding.since_ms, at_ms=finding.at_ms, context=context)
        again = _back_again(book, alert)
        alert = replace(alert, history=(*alert.history, *(HistoryLine(finding.at_ms, "recurred", note=was.id) for was in again)))
    elif alert.state in ("closed", "cleared_unacked"):
        return Change(book)
    after = figured(replace(alert, explained=explained), finding, context)
    told: list[Told] = []
    if finding.state == "closed":
        after = _gone(replace(after, reference=reference), finding.at_ms, finding.reason)
    elif not after.told and finding.at_ms - after.opened_ms >= KNOWN_AFTER_MS:
        told += told_of(after, "known", finding.at_ms)
        after = replace(after, told="known")
    if after.state == "shelved" and _grown(after):
        after = _back(after, finding.at_ms, "grown")
    change = _change(book, [after, *again], told)
    moved = feeders.inhibit(change.book, context.feeds, finding.at_ms)
    settled = {**change.book, **{each.id: each for each in moved}}
    return _change(book, [*change.changed, *moved, *site_event.gather(settled, context, finding.at_ms)], told)


def _back_again(book: AlertBook, alert: Alert) -> list[Alert]:
    """Return the repaired alerts whose cause a new one of their meter may be, as it makes of them: it came back."""
    late_ms = savings.LOOKS[-1] * savings.DAY_MS
    found = []
    for each in book.values():
        saving = each.saving if each.state == "closed" and each.meter == alert.meter and _kin(each.pattern, alert.pattern) else None
        if saving is not None and saving.came_back_ms is None and alert.opened_ms - saving.fixed_ms < late_ms:
            found.append(savings.came_back(each, alert.opened_ms, by=alert.id))
    return found


def _kin(one: Pattern, other: Pattern) -> bool:
    """Tell whether two patterns can tell of one cause: what is more in the running hours is not what runs on in the others."""
    return not ("running_hours" in {one, other} and {one, other} & NIGHTS)


def _blank(kind: Kind, meter: str, channel: str, *, since_ms: int, at_ms: int, context: AlertContext) -> Alert:
    """Return a new alert of what opened it: a detector channel, a data reason, or `silent`."""
    return Alert(
        id=alert_id(context.plant, meter, channel, since_ms),
        state="unacked",
        kind=kind,
        severity="low",
        meter=meter,
        area=context.areas.get(meter, ""),
        since_ms=since_ms,
        opened_ms=at_ms,
        updated_ms=at_ms,
        pattern=_pattern(channel),
        channel=channel,
        history=(HistoryLine(at_ms, "opened"),),
    )


def _pattern(channel: str) -> Pattern:
    for pattern in get_args(Pattern):
        if pattern == channel:
            return cast("Pattern", pattern)
    return PATTERN_OF_CHANNEL[channel]


def _gone(alert: Alert, at_ms: int, reason: str) -> Alert:
    """Return the alert after its cause went away: whoever saw it is done, otherwise it waits to be seen."""
    state: State = "cleared_unacked" if alert.state == "unacked" and alert.severity != "low" else "closed"
    line = HistoryLine(at_ms, "cleared", reason=reason)
    done = reason if state == "closed" else None
    return replace(alert, state=state, cleared_ms=at_ms, updated_ms=at_ms, closed_reason=done, history=(*alert.history, line))


def _back(alert: Alert, at_ms: int, what: str) -> Alert:
    """Return a shelved alert as one that waits again."""
    history = (*alert.history, HistoryLine(at_ms, what))
    return replace(alert, state="unacked", shelved_until_ms=None, shelved_excess_kw=None, updated_ms=at_ms, history=history)


def _grown(alert: Alert) -> bool:
    return alert.shelved_excess_kw is not None and feeders.excess_kw(alert) > GROWN * alert.shelved_excess_kw


def _change(book: AlertBook, changed: list[Alert], told: list[Told] | None = None) -> Change:
    """Return the change; the last state of an alert that appears twice counts."""
    if not changed and not told:
        return Change(book)
    last = {alert.id: alert for alert in changed}
    return Change({**book, **last}, tuple(last.values()), tuple(told or ()))
