"""The live stream: one table of fields per language, worked out once a second at most four times, told to every tab.

A new tab gets the whole table, later only what changed. A tab that reads too slowly is given the whole table again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from driftwatt.errors import Unavailable
from processors.view import PlantView
from processors.web.fields import fields
from processors.web.figures import Fields
from processors.web.text import Text
from processors.web.words import words

log = logging.getLogger(__name__)
MAX_STREAMS, MAX_PER_ADDRESS = 200, 24
TICK_S, COALESCE_S, PING_S = 1.0, 0.25, 15.0
REFRESH_MS, REFRESH_FILLING_MS, CLOSES_AFTER_MS = 60_000, 3_000, 1_020_000


@dataclass(eq=False)
class Stream:
    """One tab. `queue` holds finished events; `address` counts against the cap."""

    lang: str
    address: str
    queue: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(8))


class TooManyStreamsError(Exception):
    """No more streams for this address, or at all."""


class Hub:
    """Owner of all streams and of the refresh of today's figures."""

    def __init__(self, view: PlantView) -> None:
        self._view = view
        self._streams: set[Stream] = set()
        self._last: dict[str, Fields] = {}
        self._id = 0
        self._closing = False

    @property
    def streams(self) -> int:
        """How many tabs are connected."""
        return len(self._streams)

    def text(self, lang: str) -> Text:
        """Return the formatter of a language for this plant."""
        view = self._view
        currency = view.plant.tariff.currency or (view.tariff.currency if view.tariff else "VND")
        return Text(words(lang), view.zone, currency)

    async def run(self) -> None:
        """Watch the board until cancelled."""
        queue = self._view.board.subscribe()
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._refresh()
                began = loop.time()
                self._tell()
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await queue.get()
                while not queue.empty():
                    queue.get_nowait()
                await asyncio.sleep(max(0.0, COALESCE_S - (loop.time() - began)))
        finally:
            self._view.board.unsubscribe(queue)
            self.close()

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closing = True
        for stream in self._streams:
            _put(stream, "")

    async def _refresh(self) -> None:
        """Load today's figures of the meters whose figures may have changed."""
        view = self._view
        now_ms, (start_ms, _) = view.now_ms(), view.day_bounds(view.now_ms())
        progress = view.board.snapshot().progress
        due = [meter for meter in view.meters if self._due(meter, now_ms, start_ms, filling=view.staged and progress is not None)]
        try:
            await view.refresh(meters=due)
        except Unavailable as problem:
            log.debug("today's figures wait for the store: %s", problem)

    def _due(self, meter: str, now_ms: int, start_ms: int, *, filling: bool) -> bool:
        span = self._view.today.get(meter)
        if span is None or span.start_ms != start_ms:
            return True
        age_ms = self._view.clock.now_ms() - span.loaded_ms
        if filling:
            return age_ms > REFRESH_FILLING_MS and now_ms - span.closed_to_ms > CLOSES_AFTER_MS
        closes = now_ms - span.closed_to_ms > CLOSES_AFTER_MS and age_ms > REFRESH_FILLING_MS
        tail = any(root.id == meter for root in self._view.incomers) and age_ms > 2 * REFRESH_FILLING_MS
        return age_ms > REFRESH_MS or closes or tail

    def _tell(self) -> None:
        self._id += 1
        for lang in {stream.lang for stream in self._streams}:
            new = fields(self._view, self.text(lang))
            old = self._last.get(lang, {})
            changed = {key: value for key, value in new.items() if old.get(key) != value}
            self._last[lang] = new
            event = _event(self._id, "some", changed)
            for stream in self._streams:
                if stream.lang == lang and not _put(stream, event):
                    _put(stream, _event(self._id, "all", new))

    def listen(self, lang: str, address: str) -> AsyncIterator[str]:
        """Return the finished server-sent events of one tab, until it leaves or the server stops. Raises TooManyStreamsError."""
        mine = sum(stream.address == address for stream in self._streams)
        if self._closing or len(self._streams) >= MAX_STREAMS or mine >= MAX_PER_ADDRESS:
            raise TooManyStreamsError
        stream = Stream(lang, address)
        self._streams.add(stream)
        return self._events(stream)

    async def _events(self, stream: Stream) -> AsyncIterator[str]:
        try:
            yield "retry: 2000\n\n" + _event(self._id, "all", fields(self._view, self.text(stream.lang)))
            while not self._closing:
                event = ": ping\n\n"
                with suppress(TimeoutError):
                    async with asyncio.timeout(PING_S):
                        event = await stream.queue.get()
                yield event
        finally:
            self._streams.discard(stream)


def _event(number: int, name: str, table: Fields) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(table, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _put(stream: Stream, event: str) -> bool:
    """Queue an event; False when the queue was full and has been emptied."""
    if stream.queue.full():
        while not stream.queue.empty():
            stream.queue.get_nowait()
        return False
    stream.queue.put_nowait(event)
    return True
