"""The plant daemon, put together: broker → inbox → pipeline → store, beside it the page, and how they stop.

Starting: the folder is locked, state restored, the page is up, history is imported, then the broker is joined.
Stopping, in order and each with a deadline: the inbox is drained and acknowledged, the broker hears that we
leave, the page says goodbye, files are closed. Nothing relies on it: what was not acknowledged comes again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from config.loader import load_plant
from config.plant import PlantFile
from driftwatt import __version__, daemon
from driftwatt.adapters import control
from driftwatt.clock import Clock, SystemClock
from driftwatt.errors import ConfigError, DriftwattError, Unavailable
from processors import errands, rebuilding, rereading
from processors.adapters.folder import Folder, folder_of, read_status, state_of
from processors.adapters.inbox import Inbox
from processors.adapters.page import Page
from processors.adapters.state import SqliteState
from processors.at_broker import AtBroker
from processors.gauges import Gauges
from processors.house import keep_house, open_store
from processors.live import Board
from processors.pipeline import Pipeline
from processors.policies import alert_context, policies
from processors.ports import SeriesStore
from processors.pure import delivery
from processors.pure.intake import Intake
from processors.pure.judge import Judge
from processors.replay import import_history
from processors.status import describe
from processors.view import PlantView
from processors.web.app import build
from processors.web.sessions import Account, Sessions

log = logging.getLogger(__name__)

ONCE_QUIET_S = 3.0
DRAIN_S = 5.0
TURN_S = 0.0005
"""How long a computing thread lets another wait. The network thread stops half a dozen times for each message: with Python's 5 ms it
takes a few hundred a second while the loop computes, and what queues at the broker meanwhile is dropped there, of all edges."""
ERRAND_S = 120.0
"""Longest that a command waits for the daemon; what it asked for is done all the same."""
ALONE_S = 20.0
"""Longest that a command which works in the daemon's place waits for the store or the state file."""


def run(file: Path, *, clock: Clock, history: Path | None = None, once: bool = False, bar: bool = False) -> int:
    """Run the plant of `file` until SIGTERM or SIGINT; with `once` until nothing comes any more. Returns the exit code.

    Raises ConfigError(s) and other errors meant for people.
    """
    sys.setswitchinterval(TURN_S)
    plant = load_plant(file)
    folder = Folder(folder_of(file, plant))
    try:
        return daemon.run("processor", _Plant(plant, file, folder, clock).main(history, once=once, bar=bar))
    finally:
        folder.close()


def errand(file: Path, request: dict[str, Any], *, clock: Clock) -> dict[str, Any]:
    """Have the plant of `file` do what a command asks for: its daemon where it runs, this process where it does not.

    Raises ConfigError(s), Refused, Unavailable.
    """
    plant = load_plant(file)
    path = state_of(file, plant).parent
    if read_status(path)["running"]:
        return control.ask(path, request, within_s=ERRAND_S)
    folder = Folder(path)
    try:
        return asyncio.run(_Plant(plant, file, folder, clock).errand(request))
    finally:
        folder.close()


def replay(file: Path, from_ms: int, to_ms: int, *, edge: str | None = None) -> Iterator[dict[str, Any]]:
    """Have the processor ask an edge to send again. Raises ConfigErrors, Refused, Unavailable when no processor runs."""
    if not is_running(file):
        raise Unavailable("the processor does not run; at the edge, driftwatt replay EDGE.toml sends by itself")
    said = errand(file, {"do": "replay", "edge": edge, "from_ms": from_ms, "to_ms": to_ms}, clock=SystemClock())
    yield {**said, "note": f"{said['asked']} was asked; what arrives is counted as replayed in the ledger"}


def is_running(file: Path) -> bool:
    """Tell whether the processor of a plant runs. Raises ConfigErrors."""
    return bool(read_status(folder_of(file, load_plant(file)))["running"])


class _Plant:
    """One life of the daemon."""

    def __init__(self, plant: PlantFile, file: Path, folder: Folder, clock: Clock) -> None:
        self._plant, self._file, self._folder, self._clock = plant, file, folder, clock
        self._started_ms = clock.now_ms()
        self._policies = policies(plant, file.parent, now_ms=self._started_ms)
        self._board = Board(clock, frozenset(self._policies), broker=plant.broker.url)
        self._broker = AtBroker(plant, file, folder, self._board)

    async def main(self, history: Path | None, *, once: bool, bar: bool) -> int:
        with self._opened():
            try:
                await self._pipeline.begin()
                daemon.settle()
                await self._with_page(history, once=once, bar=bar)
            finally:
                await self._broker.leave()
        return 0

    async def errand(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do in the daemon's place what a command asks for; nothing is received, shown or published."""
        with self._opened():
            self._pipeline.storing.give_up_s = self._pipeline.keeping.give_up_s = ALONE_S
            await self._pipeline.begin()
            return await errands.obey(self._pipeline, request, rebuilding.at_once)

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Have inbox, store, state and pipeline while the block runs. Raises ConfigError, Unavailable."""
        self._inbox = Inbox(asyncio.get_running_loop(), frozenset(meter.edge for meter in self._plant.meter if meter.edge))
        with ExitStack() as opened:
            store = open_store(self._plant, self._file.parent, self._folder)
            opened.callback(store.close)
            state = SqliteState(self._folder.state)
            opened.callback(state.close)
            self._pipeline = self._compose(store, state)
            self._broker.alerts = self._pipeline.people.alerts
            opened.callback(self._pipeline.keeping.stop)
            opened.callback(self._pipeline.storing.stop)
            yield

    def _compose(self, store: SeriesStore, state: SqliteState) -> Pipeline:
        owners = {meter.id: meter.edge for meter in self._plant.meter}
        return Pipeline(
            by=secrets.token_hex(8),
            clock=self._clock,
            store=store,
            state=state,
            link=self._broker,
            mail=self._inbox,
            board=self._board,
            judge=Judge(dict(self._policies), alert_context(self._plant, self._policies)),
            intake=Intake(owners, delivery.begin()),
            announce=self._broker.announce,
        )

    async def _with_page(self, history: Path | None, *, once: bool, bar: bool) -> None:
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        gauges = Gauges(self._pipeline, self._folder.state, lambda: (self._inbox.bytes, self._inbox.let_go))
        view = PlantView(
            self._plant,
            store=self._pipeline.store,
            board=self._board,
            book=self._pipeline.people,
            policies=self._policies,
            clock=self._clock,
            memory=self._pipeline.judge.memory,
        )
        web = self._web(view, gauges)
        page = Page(web, *_listen(self._plant.web.listen))
        print(f"page: {page.address}", flush=True)
        await self._pipeline.people.audit("processor", "started", __version__)
        beside = (
            self._write_status(),
            keep_house(self._pipeline, self._plant.plant.timezone, self._plant.store.raw_retention),
            control.serve(self._folder.path, self._obey, "processor"),
            rebuilding.follow(self._pipeline),
            gauges.audit_books(),
            self._follow_file(view, web.state.site.sessions),
        )
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(page.serve())
            daemons = [group.create_task(each) for each in beside]
            work = group.create_task(self._work(group, history, once=once, bar=bar))
            leaving = group.create_task(told.wait())
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            log.info("stopping")
            self._pipeline.stop()
            await asyncio.wait({work}, timeout=DRAIN_S)
            await daemon.end([work, leaving, *daemons])
            await self._pipeline.drain(DRAIN_S)
            await self._broker.leave()
            web.state.site.hub.close()
            page.stop()
            await serving

    def _web(self, view: PlantView, gauges: Gauges) -> Starlette:
        settings, folder = self._plant.web, self._file.parent
        accounts = _accounts(self._plant, {user.name: user.password.reveal(folder) for user in settings.user})
        scraper = settings.metrics_token.reveal(folder) if settings.metrics_token else ""
        return build(view, accounts=accounts, gauges=gauges.read, audit=self._pipeline.people.audit, scraper=scraper)

    async def _work(self, group: asyncio.TaskGroup, history: Path | None, *, once: bool, bar: bool) -> None:
        await self._broker.choose(group)
        if history is not None:
            count = await import_history(self._pipeline, history, bar=bar)
            log.info("history: %d readings imported from %s", count, history)
        self._broker.join(self._inbox.put)
        if once:
            group.create_task(self._stop_when_quiet())
        await self._pipeline.run()

    async def _stop_when_quiet(self) -> None:
        quiet_since = self._clock.monotonic_s()
        while self._clock.monotonic_s() - quiet_since < ONCE_QUIET_S and not self._pipeline.stopping:
            if self._inbox.counted_waiting.is_set():
                quiet_since = self._clock.monotonic_s()
            await asyncio.sleep(0.1)
        self._pipeline.stop()

    async def _follow_file(self, view: PlantView, sessions: Sessions) -> None:
        """Read the plant file again at each SIGHUP; a file that is wrong changes nothing and is told in the status."""
        asked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
        while True:
            await asked.wait()
            asked.clear()
            try:
                fresh = await asyncio.to_thread(rereading.read_again, self._file, self._plant, now_ms=self._clock.now_ms())
                await self._pipeline.between(partial(rereading.apply, self._pipeline, view, fresh))
            except DriftwattError as error:
                rereading.refused(self._pipeline, error)
                await self._pipeline.people.audit("processor", "config_refused", str(error))
            else:
                await self._pipeline.people.audit("processor", "config_followed", ", ".join(fresh.waiting))
                self._plant = fresh.plant
                self._inbox.named = frozenset(edge for edge in fresh.owners().values() if edge)
                sessions.follow(_accounts(fresh.plant, fresh.passwords))

    async def _obey(self, request: dict[str, Any]) -> dict[str, Any]:
        log.info("asked: %s", request)
        return await errands.obey(self._pipeline, request, self._pipeline.between)

    async def _write_status(self) -> None:
        while True:
            status = describe(self._plant, self._pipeline, started_ms=self._started_ms, inbox=(self._inbox.bytes, self._inbox.let_go))
            try:
                await asyncio.to_thread(self._folder.write_status, status)
            except Unavailable as error:
                log.debug("%s", error)
            await asyncio.sleep(1.0)


def _accounts(plant: PlantFile, passwords: Mapping[str, str]) -> list[Account]:
    return [Account(user.name, user.role, passwords[user.name]) for user in plant.web.user]


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not host:
        raise ConfigError("listen is not understood", key="web.listen", found=repr(text), allowed='"127.0.0.1:8080"')
    return host.strip("[]"), int(port)
