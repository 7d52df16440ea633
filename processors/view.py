"""What the pages ask of the plant: numbers only, in UTC milliseconds, W, Wh and the tariff's currency.

The top half is what the view needs from the pipeline, in the view's own words; the pipeline provides it.
No HTML, no language, no formatting lives here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from driftwatt.alerts import Alert
from processors.pure.board import Answer, AnswerWord, EdgeNow, MeterNow, Progress, Snapshot

__all__ = ["AlertBook", "Answer", "AnswerWord", "EdgeNow", "LiveBoard", "MeterNow", "Progress", "Snapshot"]


class LiveBoard(Protocol):
    """The newest state of the plant, kept by the pipeline. Every method is called from the event loop."""

    def snapshot(self) -> Snapshot:
        """Return what is known now. Cheap; the result never changes afterwards."""

    def subscribe(self) -> asyncio.Queue[str]:
        """Return a bounded queue that receives a word whenever something changed, at most 4 times a second.

        Words: `meters`, `edges`, `alerts`, `progress`. A full queue drops words (the reader reads a whole snapshot).
        """

    def unsubscribe(self, queue: asyncio.Queue[str]) -> None:
        """Take a queue back; unknown queues are ignored."""


class AlertBook(Protocol):
    """All alerts, and the way in for people's answers."""

    def alerts(self) -> Sequence[Alert]:
        """Return every alert that is kept, open or closed, in any order."""

    async def answer(self, answer: Answer) -> Alert:
        """Journal the answer durably, apply it and return the alert as it is now.

        Raises KeyError for an unknown alert, Refused with a sentence when the rules do not allow it
        (somebody else was first, the ten seconds of `undo` are over, shelved for longer than 7 days).
        """
