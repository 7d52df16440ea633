"""What people say about an alert, and what the detector hears of it.

| said | the alert | the detector |
|---|---|---|
| acknowledge | acked | `known`, 10 s later: it goes on counting the money, its chart is ready for the next change |
| dismiss as new normal | closed | `new_normal`: the load is right, learn it |
| dismiss otherwise | closed | `dismissed`: a false alarm |
| fixed | closed | `fixed`: the reference stays, or comes back where the waste was `known` |
| fixed, when the waste had gone away by itself | closed | `fixed`: nothing for it to do, but the saving begins |
| shelve, unshelve, comment | shelved, as before, as it was | nothing |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from driftwatt.alerts import ACK_REASONS, DISMISS_REASONS, Alert, HistoryLine, State
from processors.pure import feeders
from processors.pure.detector import Answer
from processors.pure.outputs import Channel
from processors.pure.site_event import members

UNDO_MS = 10_000
LONGEST_SHELF_MS = 7 * 86_400_000
HISTORY_KEPT = 200
NEARLY_WHOLE = 0.75

AlertBook = Mapping[str, Alert]
"""Alerts by id: all that are not closed, and as many closed ones as the caller cares to keep."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something for `detector.answer` of one meter. `repaired_ms` is the repair of `fixed` where it was told later."""

    meter: str
    channel: Channel
    since_ms: int
    what: Answer
    at_ms: int
    repaired_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a step did to the book."""

    book: AlertBook
    changed: tuple[Alert, ...] = ()
    told: tuple[Told, ...] = ()


class NotPossibleError(Exception):
    """A person asked for something that the alert's state does not allow; the text says why."""


def acknowledge(book: AlertBook, alert: str, *, by: str, at_ms: int, reason: str, note: str = "") -> Change:
    """Acknowledge. `reason` is one of ACK_REASONS. Raises NotPossibleError, KeyError for an unknown alert."""
    was = book[alert]
    if reason not in ACK_REASONS:
        raise NotPossibleError(f"{reason or 'no reason'} is not one of {', '.join(ACK_REASONS)}")
    if was.state == "acked":
        raise NotPossibleError(f"{was.ack_by} acknowledged it already")
    if was.state not in ("unacked", "cleared_unacked", "shelved"):
        raise NotPossibleError(f"an alert that is {was.state} cannot be acknowledged")
    state: State = "closed" if was.state == "cleared_unacked" else "acked"
    after = _said(was, HistoryLine(at_ms, "acked", by, reason, note))
    after = replace(
        after, state=state, ack_by=by, ack_at_ms=at_ms, ack_reason=reason, ack_note=note, shelved_until_ms=None, shelved_excess_kw=None
    )
    return _one(book, replace(after, closed_reason="resolved") if state == "closed" else after)


def undo(book: AlertBook, alert: str, *, by: str, at_ms: int) -> Change:
    """Take an acknowledgement back, within 10 s and by the same person. Raises NotPossibleError, KeyError."""
    was = book[alert]
    acked = was.state == "acked" or (was.state == "closed" and was.closed_reason == "resolved")
    if not acked or was.ack_at_ms is None:
        raise NotPossibleError("there is no acknowledgement to take back")
    if was.ack_by != by:
        raise NotPossibleError(f"{was.ack_by} acknowledged it, only {was.ack_by} can take it back")
    if at_ms - was.ack_at_ms > UNDO_MS:
        raise NotPossibleError("more than 10 s have passed")
    state: State = "unacked" if was.state == "acked" else "cleared_unacked"
    after = _said(was, HistoryLine(at_ms, "undo", by))
    return _one(book, replace(after, state=state, ack_by=None, ack_at_ms=None, ack_reason=None, ack_note="", closed_reason=None))


def comment(book: AlertBook, alert: str, *, by: str, at_ms: int, note: str) -> Change:
    """Add a remark, in any state. Raises NotPossibleError for an empty one, KeyError."""
    if not note.strip():
        raise NotPossibleError("the remark is empty")
    return _one(book, _said(book[alert], HistoryLine(at_ms, "commented", by, note=note)))


def shelve(book: AlertBook, alert: str, *, by: str, at_ms: int, until_ms: int, reason: str, note: str = "") -> Change:
    """Put aside until `until_ms`, at most 7 days, with a reason, chosen or written. Raises NotPossibleError, KeyError."""
    was = book[alert]
    if was.state not in ("unacked", "acked"):
        raise NotPossibleError(f"an alert that is {was.state} cannot be shelved")
    if not at_ms < until_ms <= at_ms + LONGEST_SHELF_MS:
        raise NotPossibleError("shelve until a time within the next 7 days")
    if not (reason or note):
        raise NotPossibleError("say why")
    after = _said(was, HistoryLine(at_ms, "shelved", by, reason, note))
    return _one(book, replace(after, state="shelved", shelved_until_ms=until_ms, shelved_excess_kw=feeders.excess_kw(was)))


def unshelve(book: AlertBook, alert: str, *, by: str, at_ms: int) -> Change:
    """Take up again before the time: acknowledged if somebody had done so, else waiting. Raises NotPossibleError, KeyError."""
    was = book[alert]
    if was.state != "shelved":
        raise NotPossibleError(f"an alert that is {was.state} is not shelved")
    after = _said(was, HistoryLine(at_ms, "unshelve", by))
    return _one(book, replace(after, state="acked" if was.ack_by else "unacked", shelved_until_ms=None, shelved_excess_kw=None))


def dismiss(book: AlertBook, alert: str, *, by: str, at_ms: int, reason: str, note: str = "") -> Change:
    """Close as no waste. `reason` is one of DISMISS_REASONS. Raises NotPossibleError, KeyError."""
    if reason not in DISMISS_REASONS:
        raise NotPossibleError(f"{reason or 'no reason'} is not one of {', '.join(DISMISS_REASONS)}")
    return _close(book, alert, HistoryLine(at_ms, "dismissed", by, reason, note), "new_normal" if reason == "new_normal" else "dismissed")


def fixed(book: AlertBook, alert: str, *, by: str, at_ms: int, note: str = "", repaired_ms: int | None = None) -> Change:
    """Close as mended, at `repaired_ms` where that was earlier; also what went away by itself. Raises NotPossibleError, KeyError."""
    if repaired_ms is not None and not book[alert].since_ms <= repaired_ms <= at_ms:
        raise NotPossibleError("a repair lies between the beginning of the waste and now")
    return _close(book, alert, HistoryLine(at_ms, "fixed", by, "fixed", note, repaired_ms), "fixed")


def _close(book: AlertBook, alert: str, line: HistoryLine, what: Answer) -> Change:
    was = book[alert]
    if was.state == "closed" and not (what == "fixed" and went_away(was)):
        raise NotPossibleError("it is closed already")
    closed: dict[str, Alert] = {}
    told: list[Told] = []
    for each in (was, *_same_cause(book, was)):
        if each.cleared_ms is None or what == "fixed":
            told += (replace(said, repaired_ms=line.of_ms) for said in told_of(each, what, line.at_ms))
        over_ms = each.cleared_ms or line.of_ms or line.at_ms
        after = replace(_said(each, line), state="closed", closed_reason=line.reason, cleared_ms=over_ms, told=what)
        closed[each.id] = after
    return Change({**book, **closed}, tuple(closed.values()), tuple(told))


def went_away(alert: Alert) -> bool:
    """Tell whether waste is over by itself, so that a repair may still be told."""
    return alert.kind == "waste" and (alert.state == "cleared_unacked" or (alert.state == "closed" and alert.closed_reason == "resolved"))


def _same_cause(book: AlertBook, alert: Alert) -> list[Alert]:
    """Return the alerts for which an answer holds as well: members of a site event, and what this one explains nearly whole."""
    hidden = members(book, alert.id)
    if alert.pattern == "site":
        return hidden
    return [each for each in hidden if feeders.excess_kw(alert) >= NEARLY_WHOLE * feeders.excess_kw(each)]


def standing(alert: Alert, now_ms: int) -> bool:
    """Tell whether an acknowledgement can no longer be undone and the detector has not heard of it."""
    acked = alert.state == "acked" and alert.ack_at_ms is not None and not alert.told and alert.kind == "waste"
    return acked and now_ms - (alert.ack_at_ms or 0) > UNDO_MS


def told_of(alert: Alert, what: Answer, at_ms: int) -> tuple[Told, ...]:
    """Return what the detector is told about an alert; nothing for one that no detector channel opened."""
    channel = next((each for each in get_args(Channel) if each == alert.channel), None)
    return (Told(alert.meter, channel, alert.since_ms, what, at_ms),) if channel else ()


def _said(alert: Alert, line: HistoryLine) -> Alert:
    """Return the alert with one line more; a very long history loses its middle."""
    history = (*alert.history, line)
    if len(history) > HISTORY_KEPT:
        history = (*history[:1], *history[2:])
    return replace(alert, history=history, updated_ms=max(alert.updated_ms, line.at_ms))


def _one(book: AlertBook, alert: Alert) -> Change:
    return Change({**book, alert.id: alert}, (alert,))
