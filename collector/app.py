"""The edge daemon, put together: buses → committer → outbox → forwarder, and how they stop.

Stopping, in order and each with a deadline: polling ends, what is there is committed, the plant gets five seconds
to take it, the broker hears that we leave. Nothing relies on it: whatever was committed is sent after the next start.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from collector.adapters.findings import Findings
from collector.adapters.kernel import clock_is_synchronised
from collector.adapters.links import open_bus
from collector.adapters.outbox import Outbox
from collector.committer import Committer
from collector.forwarder import Forwarder, mqtt
from collector.poller import BusPoller, Pace, Search
from collector.pure.absent import Found, Survey
from collector.pure.budget import line_of
from collector.pure.sentinel import sentinels
from collector.reporter import Reporter
from collector.stamps import Stamps
from collector.status import edge_folder
from config.broker import broker_address
from config.edge import Bus, EdgeFile, Meter
from config.loader import load_edge, load_profile, profile_folders, profile_hash
from config.profiles import Profile
from driftwatt import __version__
from driftwatt.clock import Clock, StridingClock
from driftwatt.errors import DriftwattError, meant_for_people
from driftwatt.quantities import QUANTITIES
from driftwatt.wire import CounterFacts, Hello, HelloMeter

log = logging.getLogger(__name__)

STOP_POLLING_S = 3.0
DRAIN_S = 5.0
SLOTS = 20
"""Buses start their cycles spread over so many slots of a second, so that they do not all wake at once."""


def run(file: Path, *, clock: Clock, once: bool = False) -> int:
    """Run the edge of `file` until SIGTERM or SIGINT, or for one cycle. Returns the exit code. Raises ConfigError(s)."""
    edge = load_edge(file)
    try:
        return asyncio.run(_Edge(edge, file, clock).main(once=once))
    except KeyboardInterrupt:
        return 130
    except DriftwattError:
        raise
    except Exception as error:
        known = meant_for_people(error)
        if known is not None:
            raise known from error
        log.error("the collector failed: %s: %s", type(error).__name__, error, exc_info=log.isEnabledFor(logging.DEBUG))  # noqa: TRY400
        return 1


class _Edge:
    def __init__(self, edge: EdgeFile, file: Path, clock: Clock) -> None:
        self._edge, self._file, self._clock = edge, file, clock
        self._started_ms = clock.now_ms()
        folders = profile_folders(edge, file)
        self._profiles = {name: load_profile(name, folders) for name in {meter.profile for bus in edge.bus for meter in bus.meter}}
        self._hashes = {name: profile_hash(profile) for name, profile in self._profiles.items()}
        self._findings = Findings(edge_folder(edge, file))
        self._address = broker_address(edge.broker, file.parent, edge.edge.id)
        self._links = {bus.id: open_bus(bus.url, timeout_s=bus.timeout) for bus in edge.bus}

    async def main(self, *, once: bool) -> int:
        folder = edge_folder(self._edge, self._file)
        settings = self._edge.outbox
        outbox = await Outbox.open(folder, max_bytes=settings.max_bytes, tail_s=settings.tail, when_full=settings.when_full)
        try:
            return await self._with(outbox, folder, once=once)
        finally:
            await outbox.close()

    async def _with(self, outbox: Outbox, folder: Path, *, once: bool) -> int:
        stamps = Stamps(self._clock, clock_is_synchronised if self._edge.edge.clock == "ntp" else lambda: True)
        reporter = Reporter(self._edge.edge.id, folder, outbox, stamps, clock_kind=self._edge.edge.clock)
        hello = self._hello()
        forwarder = Forwarder(
            self._edge.edge.id, outbox, mqtt(self._edge.edge.id, self._address), lambda: hello, self._clock, alarms=reporter.alarms
        )
        committer = Committer(outbox, self._clock, self._edge.outbox.commit_every, on_commit=forwarder.wake)
        pollers = [self._poller(at, bus, stamps, committer, forwarder) for at, bus in enumerate(self._edge.bus)]
        reporter.watch(pollers, forwarder)
        async with asyncio.TaskGroup() as group:
            daemons = [group.create_task(each.run()) for each in (committer, forwarder, reporter)]
            if once:
                for poller in pollers:
                    await poller.once()
            else:
                await self._until_told(group, pollers)
            await _end(daemons[:1])
            await committer.drain()
            await outbox.ledger_lines(1)  # a commit that was under way is over when this answers
            fine = await forwarder.drain(DRAIN_S if once or forwarder.connected else 0.0)
            await _end(daemons)
        return _summary(pollers, everything=fine) if once else 0

    async def _until_told(self, group: asyncio.TaskGroup, pollers: list[BusPoller]) -> None:
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        if isinstance(self._clock, StridingClock):
            for _ in pollers:
                self._clock.join()
        gc.collect()
        gc.freeze()  # profiles and plans stay; no collection need look at them again
        tasks = [group.create_task(self._polling(poller)) for poller in pollers]
        log.info("edge %s: %d meters on %d buses", self._edge.edge.id, sum(len(bus.meter) for bus in self._edge.bus), len(self._edge.bus))
        await told.wait()
        log.info("stopping")
        for poller in pollers:
            poller.stop()
        await asyncio.wait(tasks, timeout=STOP_POLLING_S)
        await _end(tasks)

    async def _polling(self, poller: BusPoller) -> None:
        try:
            await poller.run()
        finally:
            if isinstance(self._clock, StridingClock):
                self._clock.leave()

    def _poller(self, at: int, bus: Bus, stamps: Stamps, committer: Committer, forwarder: Forwarder) -> BusPoller:
        link = self._links[bus.id]
        surveys = {meter.id: Survey(meter, self._profiles[meter.profile], line_of(bus.url), shared=link.shared) for meter in bus.meter}
        known = {meter.id: self._findings.of(bus.id, meter.unit, self._hashes[meter.profile]) for meter in bus.meter}
        plans = [surveys[meter.id].plan(known[meter.id]) for meter in bus.meter]
        # A gateway paces its own line, so the profiles' pauses do not count here unless the file asks for one.
        # Buses take turns within a second, but stride together: a clock that strides waits for each of its instants.
        phase_s = 0.0 if isinstance(self._clock, StridingClock) else at % SLOTS / SLOTS
        pace = Pace(gap_s=bus.gap or 0.0, retries=bus.retries, phase_s=phase_s)
        return BusPoller(
            bus.id, link, plans, clock=self._clock, sink=committer, stamps=stamps, pace=pace, live=forwarder.live,
            sentinels=sentinels(bus.meter, self._profiles), search=Search(surveys, self._remember(bus), known),
        )  # fmt: skip

    def _remember(self, bus: Bus) -> Callable[[str, Found], None]:
        by_id = {meter.id: meter for meter in bus.meter}

        def remember(meter: str, found: Found) -> None:
            self._findings.remember(bus.id, by_id[meter].unit, self._hashes[by_id[meter].profile], found)

        return remember

    def _hello(self) -> Hello:
        return Hello(
            edge=self._edge.edge.id,
            version=__version__,
            started_ms=self._started_ms,
            config=hashlib.sha256(self._edge.model_dump_json().encode()).hexdigest()[:16],
            clock=self._edge.edge.clock,
            epochs=(),
            meters=tuple(_hello_meter(bus.id, meter, self._profiles[meter.profile]) for bus in self._edge.bus for meter in bus.meter),
        )


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _summary(pollers: list[BusPoller], *, everything: bool) -> int:
    states = [meter for poller in pollers for meter in poller.meters()]
    answered = sum(meter.state == "ok" for meter in states)
    print(f"{answered} of {len(states)} meters answered; the plant has {'every row' if everything else 'not acknowledged every row yet'}")
    return 0 if everything and answered == len(states) else 1


def _hello_meter(bus: str, meter: Meter, profile: Profile) -> HelloMeter:
    return HelloMeter(
        id=meter.id,
        bus=bus,
        profile=meter.profile,
        profile_hash=profile_hash(profile),
        every_ms=round(meter.every * 1000),
        counters=dict(_counters(profile)),
    )


def _counters(profile: Profile) -> Iterable[tuple[str, CounterFacts]]:
    for register in profile.registers:
        if QUANTITIES[register.quantity].counter:
            raw = register.counter
            if register.scale_register is not None:
                raw = None  # the meter says at every reading what a count is worth: nothing that holds for the whole day
            modulus = raw.modulus * register.scale if raw and raw.modulus is not None else None
            resolution = raw.resolution * register.scale if raw and raw.resolution is not None else None
            yield register.quantity, CounterFacts(modulus, resolution, register.secondary)
