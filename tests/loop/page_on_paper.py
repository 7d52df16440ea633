"""The page served for real, over the plant on paper: a uvicorn on a free port of this machine, in a thread."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette

from config.plant import PlantFile
from driftwatt.alerts import Alert
from processors.view import PlantView
from processors.web.app import build
from processors.web.sessions import Account
from tests.loop.plant_on_paper import PaperBoard, PaperBook, PaperClock, PaperStore, compressor_alert, other_alerts, plant_file, policies


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class PaperPage:
    """A running page. `do` runs something in the server's loop, where the board lives."""

    clock: PaperClock = field(default_factory=PaperClock)
    file: PlantFile = field(default_factory=plant_file)
    alerts: Sequence[Alert] | None = None
    accounts: Sequence[Account] = ()
    change: Callable[[PaperPage], None] | None = None
    scraper: str = ""
    audited: list[tuple[str, str]] = field(default_factory=list)

    async def _note(self, who: str, what: str, detail: str = "") -> None:
        del detail
        self.audited.append((who, what))

    def __enter__(self) -> Self:
        self.board = PaperBoard(self.clock)
        self.store = PaperStore(self.clock)
        alerts = (compressor_alert(), *other_alerts()) if self.alerts is None else self.alerts
        self.book = PaperBook(self.board, *alerts)
        if self.change:
            self.change(self)
        self.view = PlantView(self.file, store=self.store, board=self.board, book=self.book, policies=policies(), clock=self.clock)
        self.app: Starlette = build(self.view, accounts=self.accounts, audit=self._note, scraper=self.scraper)
        config = uvicorn.Config(self.app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1, access_log=False)
        self._server = uvicorn.Server(config)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(20)
        return self

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        await self.view.refresh()
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self._started.set()
        await serving

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def do(self, work: Callable[[], None]) -> None:
        """Run something in the server's event loop and wait for it."""
        done = threading.Event()

        def working() -> None:
            work()
            done.set()

        self._loop.call_soon_threadsafe(working)
        assert done.wait(10)

    def ask(self, path: str, *, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Ask once, follow nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.app.state.site.hub.close)
        self._loop.call_soon_threadsafe(self._server.handle_exit, 15, None)
        self._thread.join(10)
