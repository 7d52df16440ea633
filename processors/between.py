"""Work that others want done between two cycles, where nothing else changes the plant."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

_T = TypeVar("_T")


class Errands:
    """Work that waits for the end of the cycle under way, in order. `wanted` is set when there is some."""

    def __init__(self, wanted: asyncio.Event) -> None:
        self._wanted = wanted
        self._waiting: deque[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = deque()

    async def ask(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Have the work done; returns or raises what it does."""
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        self._wanted.set()
        return await done

    async def run(self) -> None:
        """Do all that waits. Cancelling it cancels the work under way."""
        while self._waiting:
            work, done = self._waiting.popleft()
            task = asyncio.ensure_future(work())
            try:
                await asyncio.wait({task})
            finally:
                task.cancel()
            if done.cancelled() or task.cancelled():
                done.cancel()
            elif error := task.exception():
                done.set_exception(error)
            else:
                done.set_result(task.result())

    def give_up(self) -> None:
        """Cancel what still waits."""
        for _, done in self._waiting:
            done.cancel()
