"""What a person's answer does to the book of alerts."""

from __future__ import annotations

from processors.pure import alerts
from processors.pure.alerts import AlertBook, Change
from processors.pure.board import Answer


def tried(book: AlertBook, answer: Answer) -> Change:  # noqa: PLR0911 – one for each word
    """Return what an answer would change. Raises KeyError for an unknown alert, NotPossibleError with the reason."""
    book[answer.alert]
    alert, who, at_ms = answer.alert, answer.by, answer.at_ms
    match answer.what:
        case "ack":
            return alerts.acknowledge(book, alert, by=who, at_ms=at_ms, reason=answer.reason, note=answer.note)
        case "undo":
            return alerts.undo(book, alert, by=who, at_ms=at_ms)
        case "comment":
            return alerts.comment(book, alert, by=who, at_ms=at_ms, note=answer.note)
        case "shelve":
            until_ms = answer.until_ms or at_ms
            return alerts.shelve(book, alert, by=who, at_ms=at_ms, until_ms=until_ms, reason=answer.reason, note=answer.note)
        case "unshelve":
            return alerts.unshelve(book, alert, by=who, at_ms=at_ms)
        case "dismiss":
            return alerts.dismiss(book, alert, by=who, at_ms=at_ms, reason=answer.reason, note=answer.note)
        case "fixed":
            return alerts.fixed(book, alert, by=who, at_ms=at_ms, note=answer.note, repaired_ms=answer.repaired_ms)
        case unknown:
            raise alerts.NotPossibleError(f"{unknown} is not known")
