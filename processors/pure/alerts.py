"""The life of an alert: a pure state machine over a book of alerts.

Every function takes the book as it is and returns a `Change`: the new book, the alerts that differ (publish,
store and show these), and what the detector is to be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from driftwatt.alerts import Alert
from processors.pure.detector import Answer
from processors.pure.outputs import Channel, Output

AlertBook = Mapping[str, Alert]
"""Alerts by id: all that are not closed, and as many closed ones as the caller cares to keep."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something for `detector.answer` of one meter."""

    meter: str
    channel: Channel
    since_ms: int
    what: Answer
    at_ms: int


@dataclass(frozen=True, slots=True)
class Change:
    """What a step did to the book."""

    book: AlertBook
    changed: tuple[Alert, ...] = ()
    told: tuple[Told, ...] = ()


class NotPossibleError(Exception):
    """A person asked for something that the alert's state does not allow; the text says why."""


@dataclass(frozen=True, slots=True)
class AlertContext:
    """What alerts have to know of the plant.

    `areas` and `feeds` are by meter id (`feeds[parent]` are its children); money thresholds are per month.
    """

    plant: str
    areas: Mapping[str, str] = field(default_factory=dict)
    feeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def on_output(book: AlertBook, output: Output, context: AlertContext) -> Change:
    """Open, update or clear the alert of a WasteFinding or DataFinding; any other output changes nothing."""


def on_time(book: AlertBook, now_ms: int) -> Change:
    """Let time pass (call about once a second): standing acknowledgements and 72 h are told, shelves end."""


def acknowledge(book: AlertBook, alert: str, *, by: str, at_ms: int, reason: str, note: str = "") -> Change:
    """Acknowledge. `reason` is one of ACK_REASONS. Raises NotPossibleError."""


def undo(book: AlertBook, alert: str, *, by: str, at_ms: int) -> Change:
    """Take an acknowledgement back, within 10 s and by the same person. Raises NotPossibleError."""


def comment(book: AlertBook, alert: str, *, by: str, at_ms: int, note: str) -> Change:
    """Add a remark. Raises NotPossibleError."""


def shelve(book: AlertBook, alert: str, *, by: str, at_ms: int, until_ms: int, reason: str, note: str = "") -> Change:
    """Put aside until `until_ms`, at most 7 days. Raises NotPossibleError."""


def dismiss(book: AlertBook, alert: str, *, by: str, at_ms: int, reason: str, note: str = "") -> Change:
    """Close as no waste. `reason` is one of DISMISS_REASONS. Raises NotPossibleError."""


def fixed(book: AlertBook, alert: str, *, by: str, at_ms: int, note: str = "") -> Change:
    """Close as mended. Raises NotPossibleError."""


def on_silence(book: AlertBook, meter: str, *, since_ms: int, at_ms: int, context: AlertContext) -> Change:
    """Open the device alert of a meter that fell silent at `since_ms`, if it is not open yet."""


def on_voice(book: AlertBook, meter: str, *, at_ms: int) -> Change:
    """Clear the device alert of a meter that speaks again."""
