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
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from collector import errands
from collector.adapters.deeds import Deeds
from collector.adapters.findings import Findings
from collector.adapters.kernel import clock_is_synchronised
from collector.adapters.outbox import Outbox
from collector.buses import Buses, Outlets
from collector.committer import Committer
from collector.forwarder import Forwarder, mqtt
from collector.poller import BusPoller
from collector.pure.changes import Setup
from collector.reporter import Reporter
from collector.rereading import read_again, read_setup
from collector.restamping import Restamping
from collector.stamps import Stamps
from collector.status import edge_folder
from config.broker import broker_address
from config.edge import EdgeFile
from config.profiles import Profile
from driftwatt import __version__, daemon
from driftwatt.adapters import control
from driftwatt.clock import Clock
from driftwatt.errors import DriftwattError
from driftwatt.quantities import QUANTITIES
from driftwatt.wire import CounterFacts, Hello, HelloMeter

log = logging.getLogger(__name__)

DRAIN_S = 5.0


def run(file: Path, *, clock: Clock, once: bool = False) -> int:
    """Run the edge of `file` until SIGTERM or SIGINT, or for one cycle. Returns the exit code. Raises ConfigError(s)."""
    edge = _Edge(file, clock)
    return daemon.run("collector", edge.main(once=once))


class _Edge:
    def __init__(self, file: Path, clock: Clock) -> None:
        self._file, self._clock = file, clock
        self._started_ms = clock.now_ms()
        setup = read_setup(file)
        self._bound = setup.edge
        """What does not change while it runs: identity, folder, broker, outbox."""
        self._folder = edge_folder(setup.edge, file)
        self._address = broker_address(setup.edge.broker, file.parent, setup.edge.edge.id)
        self._hello = self._hello_of(setup)
        self._buses: Buses
        self._setup = setup

    async def main(self, *, once: bool) -> int:
        settings = self._bound.outbox
        outbox = await Outbox.open(self._folder, max_bytes=settings.max_bytes, tail_s=settings.tail, when_full=settings.when_full)
        try:
            return await self._with(outbox, once=once)
        finally:
            await outbox.close()

    async def _with(self, outbox: Outbox, *, once: bool) -> int:
        name, kind = self._bound.edge.id, self._bound.edge.clock
        deeds = Deeds(self._folder, self._clock)
        stamps = Stamps(
            self._clock,
            clock_is_synchronised if kind == "ntp" else lambda: True,
            on_step=lambda step_s: deeds.note("clock_step", f"the clock was set {step_s:+.1f} s"),
        )
        reporter = Reporter(name, self._folder, outbox, stamps, clock_kind=kind)
        link = mqtt(name, self._address)
        forwarder = Forwarder(name, outbox, link, lambda: self._hello, self._clock, alarms=reporter.alarms, deeds=deeds)
        committer = Committer(outbox, self._clock, self._bound.outbox.commit_every, on_commit=forwarder.wake)
        outlets = Outlets(self._clock, stamps, committer, forwarder.live)
        self._buses = Buses(self._setup, Findings(self._folder), outlets)
        reporter.watch(self._buses.pollers, forwarder)
        async with asyncio.TaskGroup() as group:
            daemons = [group.create_task(each.run()) for each in (committer, forwarder, reporter)]
            daemons.append(group.create_task(control.serve(self._folder, partial(self._obey, forwarder), "collector")))
            daemons.append(group.create_task(Restamping(outbox, stamps, self._clock).run()))
            if once:
                for poller in self._buses.pollers():
                    await poller.once()
            else:
                await self._until_told(group, reporter)
            await daemon.end(daemons[:1])
            await committer.drain()
            await outbox.ledger_lines(1)  # a commit that was under way is over when this answers
            fine = await forwarder.drain(DRAIN_S if once or forwarder.connected else 0.0)
            await daemon.end(daemons)
        return _summary(self._buses.pollers(), everything=fine) if once else 0

    async def _obey(self, forwarder: Forwarder, request: dict[str, Any]) -> dict[str, Any]:
        return await errands.obey(forwarder, request, now_s=self._clock.monotonic_s())

    async def _until_told(self, group: asyncio.TaskGroup, reporter: Reporter) -> None:
        """Poll until SIGTERM or SIGINT; at SIGHUP follow the file."""
        signals = _Signals()
        gc.collect()
        gc.freeze()  # profiles and plans stay; no collection need look at them again
        self._buses.start(group)
        log.info("edge %s: %s", self._bound.edge.id, _size(self._setup.edge))
        while await signals.next() == "read again":
            await self._follow_file(group, reporter)
        log.info("stopping")
        await self._buses.stop()

    async def _follow_file(self, group: asyncio.TaskGroup, reporter: Reporter) -> None:
        """Apply the changed file bus by bus, or change nothing and say in the status why."""
        try:
            fresh, waiting = await asyncio.to_thread(read_again, self._file, self._buses.setup)
            differing = await self._buses.follow(fresh, group)
        except DriftwattError as error:
            log.warning("the edge file is wrong, nothing was changed: %s", error)
            reporter.file_refused(str(error))
            return
        self._hello = self._hello_of(fresh)
        reporter.file_followed(waiting)
        log.info("edge file read again: %s; ended: %s, begun: %s, waiting for a restart: %s",
                 _size(fresh.edge), _listed(differing.end), _listed(differing.begin), _listed(waiting))  # fmt: skip

    def _hello_of(self, setup: Setup) -> Hello:
        edge = setup.edge
        counters = {name: dict(_counters(profile)) for name, profile in setup.profiles.items()}  # shared by all meters of a model
        return Hello(
            edge=edge.edge.id,
            version=__version__,
            started_ms=self._started_ms,
            config=hashlib.sha256(edge.model_dump_json().encode()).hexdigest()[:16],
            clock=edge.edge.clock,
            epochs=(),
            meters=tuple(
                HelloMeter(
                    id=meter.id,
                    bus=bus.id,
                    profile=meter.profile,
                    profile_hash=setup.hashes[meter.profile],
                    every_ms=round(meter.every * 1000),
                    counters=counters[meter.profile],
                )
                for bus in edge.bus
                for meter in bus.meter
            ),
        )


class _Signals:
    """What the operating system asks of the daemon: to end goes before reading the file again."""

    def __init__(self) -> None:
        self._end = False
        self._came = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_end)
        loop.add_signal_handler(signal.SIGHUP, self._came.set)

    def _told_to_end(self) -> None:
        self._end = True
        self._came.set()

    async def next(self) -> Literal["end", "read again"]:
        await self._came.wait()
        self._came.clear()
        return "end" if self._end else "read again"


def _size(edge: EdgeFile) -> str:
    return f"{sum(len(bus.meter) for bus in edge.bus)} meters on {len(edge.bus)} buses"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _summary(pollers: Sequence[BusPoller], *, everything: bool) -> int:
    states = [meter for poller in pollers for meter in poller.meters()]
    answered = sum(meter.state == "ok" for meter in states)
    print(f"{answered} of {len(states)} meters answered; the plant has {'every row' if everything else 'not acknowledged every row yet'}")
    return 0 if everything and answered == len(states) else 1


def _counters(profile: Profile) -> Iterable[tuple[str, CounterFacts]]:
    for register in profile.registers:
        if QUANTITIES[register.quantity].counter:
            raw = register.counter
            if register.scale_register is not None:
                raw = None  # the meter says at every reading what a count is worth: nothing that holds for the whole day
            modulus = raw.modulus * register.scale if raw and raw.modulus is not None else None
            resolution = raw.resolution * register.scale if raw and raw.resolution is not None else None
            yield register.quantity, CounterFacts(modulus, resolution, register.secondary)
