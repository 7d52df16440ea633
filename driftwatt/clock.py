"""Time, as an argument. The only file that may ask the operating system what time it is.

`SystemClock` is what a plant runs on. `StridingClock` catches up on the past in strides as fast as its
owners can work, and is the system clock from then on; it never gets ahead of real time. Its owner shares
the instant through a small file, so that a simulated meter in another process answers for the same moment.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import mmap
import struct
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

GRAIN_S = 0.005
STEP_S = 0.5
_INSTANT = struct.Struct("<q")


class Clock(Protocol):
    """What time it is, and waiting for it."""

    def now_ms(self) -> int:
        """Return UTC milliseconds since 1970."""

    def monotonic_s(self) -> float:
        """Return seconds that never jump, from an arbitrary zero."""

    def period_s(self, wished_s: float) -> float:
        """Return the period at which a loop that wants `wished_s` should run just now."""

    async def sleep_until(self, monotonic_s: float) -> None:
        """Return when `monotonic_s()` has reached the given instant."""


class SystemClock:
    """The machine's own clocks. Sleepers of one loop wake in steps of GRAIN_S, together: one timer serves them all."""

    def __init__(self) -> None:
        self._sleepers: dict[int, list[asyncio.Future[None]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def now_ms(self) -> int:
        """See Clock."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """See Clock."""
        return time.monotonic()

    def period_s(self, wished_s: float) -> float:
        """See Clock."""
        return wished_s

    async def sleep_until(self, monotonic_s: float) -> None:
        """See Clock."""
        pause_s = monotonic_s - time.monotonic()
        if pause_s <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._sleepers = loop, {}
        step = math.ceil(monotonic_s / GRAIN_S)
        sleepers = self._sleepers.get(step)
        if sleepers is None:
            sleepers = self._sleepers[step] = []
            loop.call_later(pause_s + step * GRAIN_S - monotonic_s, self._wake, step)
        woken = loop.create_future()
        sleepers.append(woken)
        await woken

    def _wake(self, step: int) -> None:
        for woken in self._sleepers.pop(step, ()):
            if not woken.done():
                woken.set_result(None)


class StepWatch:
    """Notices when the wall clock is set: between two looks it moved by more than STEP_S more or less than the monotonic one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_s: float | None = None

    def look(self) -> float:
        """Return by how many seconds the wall clock stepped since the last look, 0.0 when it did not. Small corrections are followed."""
        before_s = self._clock.monotonic_s()
        offset_s = self._clock.now_ms() / 1000 - before_s
        if self._clock.monotonic_s() - before_s > STEP_S / 4:  # held up between the two: says nothing
            return 0.0
        step_s = 0.0 if self._offset_s is None else offset_s - self._offset_s
        self._offset_s = offset_s
        return step_s if abs(step_s) > STEP_S else 0.0


class StridingClock:
    """A clock that starts in the past and strides to the present.

    While it strides, time stands still until every loop that called `join` is asleep, then jumps to the
    earliest wake-up. No loop runs more often than once per stride. From the moment it reaches the present
    it behaves as SystemClock. `shared` is the file through which `SharedInstant` readers follow.
    """

    def __init__(self, start_ms: int, *, stride_s: float, shared: Path) -> None:
        self._system = SystemClock()
        self._virtual_ms = start_ms
        self._stride_s = stride_s
        self._striding = True
        self._offset_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._loops = 0
        self._turn = 0
        shared.write_bytes(_INSTANT.pack(start_ms))
        with shared.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _INSTANT.size)

    def join(self) -> None:
        """Announce one more loop that time has to wait for. All loops join before the first of them starts."""
        self._loops += 1

    def leave(self) -> None:
        """Take a loop back that ended."""
        self._loops -= 1
        self._stride_if_all_asleep()

    @property
    def striding(self) -> bool:
        """True until the present is reached."""
        return self._striding

    def now_ms(self) -> int:
        """See Clock."""
        return self._virtual_ms if self._striding else self._system.now_ms()

    def monotonic_s(self) -> float:
        """See Clock. Continues without a jump when the present is reached."""
        return self._virtual_ms / 1000 if self._striding else time.monotonic() + self._offset_s

    def period_s(self, wished_s: float) -> float:
        """See Clock. The last stride is shortened so that it ends in the present."""
        if not self._striding:
            return wished_s
        remaining_s = (self._system.now_ms() - self._virtual_ms) / 1000
        return max(wished_s, min(self._stride_s, remaining_s))

    async def sleep_until(self, monotonic_s: float) -> None:
        """See Clock."""
        while self._striding and monotonic_s > self.monotonic_s():
            woken = asyncio.Event()
            self._turn += 1
            heapq.heappush(self._sleepers, (monotonic_s, self._turn, woken))
            self._stride_if_all_asleep()
            await woken.wait()
        if not self._striding:
            await asyncio.sleep(max(0.0, monotonic_s - self.monotonic_s()))

    def _stride_if_all_asleep(self) -> None:
        if not self._striding or not self._sleepers or len(self._sleepers) < self._loops:
            return
        target_ms = int(self._sleepers[0][0] * 1000)
        if target_ms >= self._system.now_ms():
            self._arrive()
            return
        self._virtual_ms = max(self._virtual_ms, target_ms)
        self._map[:] = _INSTANT.pack(self._virtual_ms)
        while self._sleepers and self._sleepers[0][0] * 1000 < self._virtual_ms + 1:
            heapq.heappop(self._sleepers)[2].set()

    def _arrive(self) -> None:
        self._striding = False
        self._offset_s = self._system.now_ms() / 1000 - time.monotonic()
        self._map[:] = _INSTANT.pack(0)
        for _, _, woken in self._sleepers:
            woken.set()
        self._sleepers.clear()


class SharedInstant:
    """The instant of a StridingClock in another process; real time when it has arrived or is not there."""

    def __init__(self, shared: Path | None) -> None:
        self._map: mmap.mmap | None = None
        if shared is not None:
            with shared.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), _INSTANT.size, access=mmap.ACCESS_READ)

    def now_ms(self) -> int:
        """Return UTC milliseconds."""
        shared_ms = _INSTANT.unpack(self._map[:])[0] if self._map else 0
        return shared_ms or time.time_ns() // 1_000_000


def utc_day(t_ms: int) -> str:
    """Return the UTC date of an instant as `YYYY-MM-DD`."""
    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%Y-%m-%d")


def rfc3339(t_ms: int) -> str:
    """Return an instant as RFC 3339 UTC with milliseconds."""
    return datetime.fromtimestamp(t_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
