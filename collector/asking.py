"""The requests of one poll, one after the other: each reply must prove itself before anything is taken from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from collector.ports import BusFault, MeterBus, Reply, Request
from collector.pure.answers import Answers
from collector.pure.blocks import Block
from collector.pure.patience import is_silence
from collector.pure.validate import check


@dataclass(frozen=True, slots=True)
class Pace:
    """How a bus is driven: pause after each request, repetitions after a timeout, when its first poll is due."""

    gap_s: float = 0.0
    retries: int = 0
    phase_s: float = 0.0


class Asker:
    """Asks over one bus. `fruitless` counts requests in a row that nobody answered; `proven`: somebody did since it was set false."""

    def __init__(self, link: MeterBus, pace: Pace) -> None:
        self._link, self._pace = link, pace
        self.fruitless = 0
        self.proven = False

    async def blocks(self, blocks: Sequence[Block], *, gap_s: float, probing: bool) -> Answers:
        """Return what all blocks brought. After a silence the rest is not asked: a dead unit costs one timeout a poll."""
        answers = Answers()
        for block in blocks:
            if answers.fault is not None and (answers.fault.link_lost or is_silence(answers.fault.reason)):
                answers.miss(block)
                continue
            try:
                reply = await self.ask(block.request, gap_s=gap_s, probing=probing)
            except BusFault as fault:
                answers.fail(block, fault)
            else:
                answers.take(block, reply.registers)
        return answers

    async def ask(self, request: Request, *, gap_s: float = 0.0, probing: bool = False) -> Reply:
        """Return a reply that is believed. Raises BusFault. A probe, and a line without transaction ids, see no repetition."""
        tries = 1 if probing or self._link.shared else self._pace.retries + 1
        # A gateway paces its own line, so the model's pause counts only on a line of ours.
        gap_s = max(self._pace.gap_s, gap_s) if self._link.shared else self._pace.gap_s
        while True:
            tries -= 1
            try:
                reply = await self._link.read(request)
                check(request, reply)
            except BusFault as fault:
                self.fruitless = self.fruitless + 1 if fault.reason == "timeout" else 0
                if fault.reason != "timeout" or fault.link_lost or not tries:
                    raise
            else:
                self.fruitless, self.proven = 0, True
                return reply
            finally:
                if gap_s:
                    await asyncio.sleep(gap_s)
