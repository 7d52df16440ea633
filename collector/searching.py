"""After an illegal address: which of the registers asked for does this device not have? Found by halving, once, and kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from collector.asking import Asker
from collector.ports import BusFault, Request
from collector.pure.absent import TIMES_TO_SEARCH, Found, Survey, halve
from collector.pure.answers import Answers
from collector.pure.roster import PolledMeter

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Search:
    """How to find the registers that a device lacks, by meter, and where to keep what was found."""

    surveys: Mapping[str, Survey]
    remember: Callable[[str, Found], None]
    known: Mapping[str, Found]


class Searcher:
    """Searches over one bus."""

    def __init__(self, bus_id: str, asker: Asker, search: Search | None) -> None:
        self._id, self._asker, self._search = bus_id, asker, search

    def recall(self, meter: PolledMeter) -> None:
        """Tell a meter what was found of it in an earlier life."""
        if self._search is not None:
            survey = self._search.surveys[meter.plan.meter]
            meter.absent = tuple(survey.where(each) for each in self._search.known[meter.plan.meter].absent)

    async def after(self, meter: PolledMeter, answers: Answers) -> None:
        """After an illegal address told twice, find the registers behind it and leave them out from then on."""
        fault, block, search = answers.fault, answers.block, self._search
        if fault is None:
            meter.illegal = 0
            return
        if fault.reason != "exception_2" or block is None or search is None:
            return
        meter.illegal += 1
        survey = search.surveys.get(meter.plan.meter)
        if meter.illegal != TIMES_TO_SEARCH or survey is None:
            return
        try:
            absent = await self._halve(survey, block.decoder.quantities)
        except BusFault as ended:
            log.info("bus %s: the search for registers of %s ended early: %s", self._id, meter.plan.meter, ended)
            meter.illegal = 0
            return
        was = search.known.get(meter.plan.meter, Found())
        found = Found(tuple(dict.fromkeys((*was.absent, *absent))), was.narrow or not absent)
        for quantity in absent:
            log.warning("bus %s: %s (unit %d): register %s is not there; it is left out from now on",
                        self._id, meter.plan.meter, meter.plan.unit, survey.where(quantity))  # fmt: skip
        meter.absent = tuple(survey.where(quantity) for quantity in found.absent)
        meter.plan = survey.plan(found)
        search.remember(meter.plan.meter, found)

    async def _halve(self, survey: Survey, quantities: Sequence[str]) -> tuple[str, ...]:
        halving = halve(quantities)
        group = next(halving)
        while True:
            try:
                group = halving.send(await self._legal(survey.requests(group)))
            except StopIteration as done:
                absent: tuple[str, ...] = done.value
                return absent

    async def _legal(self, requests: Sequence[Request]) -> bool:
        for request in requests:
            try:
                await self._asker.ask(request)
            except BusFault as fault:
                if fault.reason != "exception_2":
                    raise
                return False
        return True
