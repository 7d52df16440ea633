"""Blocking work in a thread, tried until it is done: what the store and the state file do to the loop."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from driftwatt.clock import Clock
from driftwatt.errors import PartialWrite, Refused, Unavailable
from processors.pure.backoff import wait_s

log = logging.getLogger(__name__)

REFUSED_WAIT_S = 30.0
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(slots=True)
class Patience:
    """One worker thread of its own, and the trouble it has: `trouble` is the last failure's text, empty while all is well.

    `name` names it in logs; `refused` is true when the other side said no; `since_ms` is when the trouble began.
    `give_up_s` is how long trouble may last before it is somebody else's, None for a daemon, which waits for ever.
    """

    name: str
    clock: Clock
    on_change: Callable[[], None] = lambda: None
    trouble: str = ""
    since_ms: int = 0
    refused: bool = False
    give_up_s: float | None = None
    _since_s: float = 0.0
    _thread: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.name)

    async def once(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do it once in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **kwargs))

    async def until_done(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do it until it neither raises Unavailable nor Refused; anything else it raises comes through.

        Raises Unavailable once the trouble has lasted `give_up_s`.
        """
        failures = 0
        while True:
            try:
                done = await self.once(work, *args, **kwargs)
            except (Unavailable, Refused) as error:
                failures += 1
                refused = isinstance(error, Refused)
                asked_s = error.wait_s if isinstance(error, Unavailable) else REFUSED_WAIT_S
                self._failed(str(error), refused=refused, failures=failures)
                left_s = self._left_s(error)
                pause_s = wait_s(failures, asked_s=asked_s, chance=random.random())  # noqa: S311 - spreads retries
                await asyncio.sleep(pause_s if left_s is None else min(pause_s, left_s))
                continue
            except PartialWrite:
                self._recovered()
                raise
            self._recovered()
            return done

    def stop(self) -> None:
        """End the thread; work under way is finished first."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _failed(self, text: str, *, refused: bool, failures: int) -> None:
        log.log(logging.WARNING if failures == 1 else logging.DEBUG, "%s: %s; trying again", self.name, text)
        if not self.trouble:
            self.since_ms, self._since_s = self.clock.now_ms(), self.clock.monotonic_s()
        self.trouble, self.refused = text, refused
        self.on_change()

    def _left_s(self, error: Exception) -> float | None:
        """Return how long the trouble may still last, None for ever. Raises Unavailable when that is over."""
        if self.give_up_s is None:
            return None
        lasted_s = self.clock.monotonic_s() - self._since_s
        if lasted_s >= self.give_up_s:
            raise Unavailable(f"the {self.name} cannot be used, given up after {lasted_s:.0f} s: {error}") from error
        return self.give_up_s - lasted_s

    def _recovered(self) -> None:
        if self.trouble:
            log.info("%s works again", self.name)
            self.trouble, self.refused = "", False
            self.on_change()
