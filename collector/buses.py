"""The buses of an edge while it runs: each has its poller and its task; a changed file ends and begins only what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collector.adapters.findings import Findings
from collector.adapters.links import open_bus
from collector.poller import BusPoller, Pace, Search
from collector.ports import RowSink
from collector.pure.absent import Found, Survey
from collector.pure.budget import line_of
from collector.pure.changes import Changes, Setup, changes
from collector.pure.sentinel import sentinels
from collector.stamps import Stamps
from config.edge import Bus
from driftwatt.clock import Clock, StridingClock
from driftwatt.readings import Row

STOP_POLLING_S = 3.0
SLOTS = 20
"""Buses start their cycles spread over so many slots of a second, so that they do not all wake at once."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where the rows of every bus go, and where their time comes from."""

    clock: Clock
    stamps: Stamps
    sink: RowSink
    live: Callable[[Sequence[Row]], None]


class Buses:
    """One poller per bus of a setup, in the order of the file."""

    def __init__(self, setup: Setup, findings: Findings, outlets: Outlets) -> None:
        """Make every poller, opening nothing yet. Raises ConfigError, MissingExtra."""
        self.setup = setup
        self._findings, self._out = findings, outlets
        self._pollers = self._made(setup, tuple(bus.id for bus in setup.edge.bus))
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def pollers(self) -> tuple[BusPoller, ...]:
        """Return the pollers in the order of the file."""
        return tuple(self._pollers[bus.id] for bus in self.setup.edge.bus)

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to poll."""
        self._begin(group, tuple(self._pollers))

    async def follow(self, fresh: Setup, group: asyncio.TaskGroup) -> Changes:
        """Poll what `fresh` says from now on. Buses that did not change are not touched, not even their next instant.

        A bus that ends does so between two requests, and before another begins: both may mean the same port.
        Raises ConfigError, MissingExtra before anything was changed.
        """
        differing = changes(self.setup, fresh)
        made = self._made(fresh, differing.begin)
        await self._end(differing.end)
        self.setup = fresh
        self._pollers = {bus.id: made.get(bus.id) or self._pollers[bus.id] for bus in fresh.edge.bus}
        self._begin(group, differing.begin)
        return differing

    async def stop(self) -> None:
        """End all polling: between two requests where that is soon enough, else by force after STOP_POLLING_S."""
        await self._end(tuple(self._tasks))

    def _begin(self, group: asyncio.TaskGroup, names: tuple[str, ...]) -> None:
        if isinstance(self._out.clock, StridingClock):
            for _ in names:
                self._out.clock.join()
        for name in names:
            self._tasks[name] = group.create_task(self._polling(self._pollers[name]))

    async def _polling(self, poller: BusPoller) -> None:
        try:
            await poller.run()
        finally:
            if isinstance(self._out.clock, StridingClock):
                self._out.clock.leave()

    async def _end(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._pollers[name].stop()
        tasks = [self._tasks.pop(name) for name in names]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_POLLING_S)
        for task in late:
            task.cancel()
        await asyncio.wait(tasks)

    def _made(self, setup: Setup, names: tuple[str, ...]) -> dict[str, BusPoller]:
        return {bus.id: self._poller(setup, at, bus) for at, bus in enumerate(setup.edge.bus) if bus.id in names}

    def _poller(self, setup: Setup, at: int, bus: Bus) -> BusPoller:
        link = open_bus(bus.url, timeout_s=bus.timeout)
        profiles, hashes, out = setup.profiles, setup.hashes, self._out
        surveys = {meter.id: Survey(meter, profiles[meter.profile], line_of(bus.url), shared=link.shared) for meter in bus.meter}
        known = {meter.id: self._findings.of(bus.id, meter.unit, hashes[meter.profile]) for meter in bus.meter}
        plans = [surveys[meter.id].plan(known[meter.id]) for meter in bus.meter]
        # A gateway paces its own line, so the profiles' pauses do not count here unless the file asks for one.
        # Buses take turns within a second, but stride together: a clock that strides waits for each of its instants.
        phase_s = 0.0 if isinstance(out.clock, StridingClock) else at % SLOTS / SLOTS
        pace = Pace(gap_s=bus.gap or 0.0, retries=bus.retries, phase_s=phase_s)
        return BusPoller(
            bus.id, link, plans, clock=out.clock, sink=out.sink, stamps=out.stamps, pace=pace, live=out.live,
            sentinels=sentinels(bus.meter, profiles), search=Search(surveys, self._remember(setup, bus), known),
        )  # fmt: skip

    def _remember(self, setup: Setup, bus: Bus) -> Callable[[str, Found], None]:
        def remember(name: str, found: Found) -> None:
            meter = next(meter for meter in bus.meter if meter.id == name)
            self._findings.remember(bus.id, meter.unit, setup.hashes[meter.profile], found)

        return remember
