"""What people do to a plant: answers to alerts, maintenance windows, and who did what. Durable before it has an effect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from driftwatt.alerts import Alert
from driftwatt.clock import Clock
from driftwatt.errors import Refused, Unavailable
from processors.live import Board
from processors.patience import Patience
from processors.ports import StateFile
from processors.pure.alerts import NotPossibleError
from processors.pure.answering import tried
from processors.pure.board import Answer
from processors.pure.commit import Commit, Deed
from processors.pure.judge import Judge
from processors.pure.maintenance import Maintenance, NotPlannedError, ended, planned
from processors.pure.products import Products

log = logging.getLogger(__name__)

JOURNAL_NOTE = "journal_applied"


@dataclass(slots=True)
class People:
    """The desk of one plant. `wanted` is set when the pipeline has something to commit; `journal` is the newest answer applied."""

    clock: Clock
    state: StateFile
    keeping: Patience
    judge: Judge
    board: Board
    wanted: asyncio.Event
    journal: int = 0
    _answered: Products = field(default_factory=Products)
    _kept: int = 0

    async def recall(self, notes: Mapping[str, str]) -> None:
        """Apply the answers that were journaled after those that were committed. Raises Unavailable."""
        self.journal = self._kept = int(notes.get(JOURNAL_NOTE, 0))
        for entry in await self.keeping.once(self.state.journaled, self.journal):
            self._take_answer(entry.answer)
            self.journal = entry.number

    def said(self) -> tuple[Products, int]:
        """Hand over what answers produced since the last time, and the newest answer in it."""
        products, self._answered = self._answered, Products()
        return products, self.journal

    def note(self, commit: Commit, journal: int) -> None:
        """Have a commit say up to which answer it goes."""
        if journal != self._kept:
            commit.notes[JOURNAL_NOTE] = str(journal)
            self._kept = journal

    def alerts(self) -> Sequence[Alert]:
        """Return every alert that is kept, open or closed, in any order."""
        return tuple(self.judge.book.values())

    async def answer(self, answer: Answer) -> Alert:
        """Journal the answer durably, apply it and return the alert as it is now.

        Raises KeyError for an unknown alert, Refused with a sentence when the rules do not allow it.
        """
        try:
            tried(self.judge.book, answer)
            self.journal = max(self.journal, await self.keeping.once(self.state.journal, answer))
            alert = self.judge.on_answer(answer, self._answered)
        except NotPossibleError as error:
            raise Refused(str(error)) from error
        self.wanted.set()
        self.board.changed("alerts")
        return alert

    def maintenance(self) -> Sequence[Maintenance]:
        """Return every maintenance window that was set on the page, in any order."""
        return tuple(self.judge.maintenance.values())

    async def plan(self, window: Maintenance) -> Maintenance:
        """Keep a new maintenance window durably and follow it. Raises Refused with a word that names why not."""
        try:
            window = planned(window, self.maintenance())
        except NotPlannedError as no:
            raise Refused(no.word) from no
        return await self._plan(window)

    async def end_plan(self, window: str, *, by: str, at_ms: int) -> Maintenance:
        """End a maintenance window now, or take it back. Raises KeyError for an unknown one, Refused for one that is over."""
        try:
            return await self._plan(ended(self.judge.maintenance[window], by=by, at_ms=at_ms))
        except NotPlannedError as no:
            raise Refused(no.word) from no

    async def _plan(self, window: Maintenance) -> Maintenance:
        await self.keeping.once(self.state.plan, window)
        self.judge.maintain([window])
        self.wanted.set()
        self.board.changed("alerts")
        return window

    async def audit(self, who: str, what: str, detail: str = "") -> None:
        """Keep what somebody did. A state file that is away is no reason to refuse it: then only the log tells."""
        await self.audited(Deed(self.clock.now_ms(), who, what, detail))

    async def audited(self, deed: Deed) -> None:
        """Keep a deed; see `audit`."""
        log.info("%s: %s %s", deed.who, deed.what, deed.detail)
        try:
            await self.keeping.once(self.state.audit, deed)
        except Unavailable as error:
            log.warning("not in the audit log: %s: %s", deed, error)

    def _take_answer(self, answer: Answer) -> None:
        try:
            self.judge.on_answer(answer, self._answered)
        except (KeyError, NotPossibleError) as error:
            log.info("answer %s to alert %s does not apply any more: %s", answer.what, answer.alert, error)
