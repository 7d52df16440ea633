"""What the two daemons share at their ends: how a run becomes an exit code, memory that goes back, and how tasks are ended."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from driftwatt.adapters import allocator
from driftwatt.errors import DriftwattError, meant_for_people

log = logging.getLogger(__name__)

GIVE_BACK_S = 60.0


def run(name: str, main: Coroutine[Any, Any, int]) -> int:
    """Run a daemon's main to its end and return the exit code: its own, 130 after an interrupt, 1 for what nobody foresaw.

    Raises errors that are meant for people. Only here everything is caught: the last word of a daemon is a line of the log.
    """
    try:
        allocator.bound()
        return asyncio.run(_tended(main))
    except KeyboardInterrupt:
        return 130
    except DriftwattError:
        raise
    except Exception as error:
        known = meant_for_people(error)
        if known is not None:
            raise known from error
        log.error("the %s failed: %s: %s", name, type(error).__name__, error, exc_info=log.isEnabledFor(logging.DEBUG))  # noqa: TRY400
        return 1


def settle() -> None:
    """Tell the collector of garbage that what was made until now stays, and that what comes is nearly all freed without it.

    A row makes some objects that live for one cycle: looking at them again and again cost a tenth of the work. Rings that
    outlive the first look are found once a minute, by `_tended`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _tended(main: Coroutine[Any, Any, int]) -> int:
    """Run `main`, and every minute give back what it does not need any more."""

    async def tend() -> None:
        while True:
            await asyncio.sleep(GIVE_BACK_S)
            gc.collect()
            allocator.give_back()

    tending = asyncio.create_task(tend())
    try:
        return await main
    finally:
        tending.cancel()


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they are over."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
