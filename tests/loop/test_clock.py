"""The striding clock: it catches up, never overtakes real time, and lets nobody miss a stride."""

from __future__ import annotations

import asyncio
from pathlib import Path

from driftwatt.clock import SharedInstant, StridingClock, SystemClock, rfc3339, utc_day

HOUR_MS = 3_600_000


async def _loop(clock: StridingClock, period_s: float, seen: list[int], *, until: int) -> None:
    deadline = clock.monotonic_s()
    for _ in range(until):
        seen.append(clock.now_ms())
        deadline += clock.period_s(period_s)
        await clock.sleep_until(deadline)
    clock.leave()


def test_time_strides_to_the_present_and_never_ahead_of_it(tmp_path: Path) -> None:
    system = SystemClock()
    start = system.now_ms() - 2 * HOUR_MS

    async def story() -> tuple[StridingClock, list[int], list[int]]:
        clock = StridingClock(start, stride_s=300, shared=tmp_path / "instant")
        seen: tuple[list[int], list[int]] = ([], [])
        for _ in seen:
            clock.join()
        async with asyncio.TaskGroup() as group:
            for stamps in seen:
                group.create_task(_loop(clock, 0.01, stamps, until=30))
        return clock, *seen

    clock, first, second = asyncio.run(story())
    assert not clock.striding
    assert first[:24] == [start + 300_000 * k for k in range(24)]
    assert second[:24] == first[:24]
    assert first == sorted(first)
    assert first[-1] <= system.now_ms()
    assert abs(clock.now_ms() - system.now_ms()) <= 50


def test_another_process_follows_the_same_instant_until_the_present(tmp_path: Path) -> None:
    system = SystemClock()
    start = system.now_ms() - HOUR_MS
    shared = tmp_path / "instant"

    async def story() -> None:
        clock = StridingClock(start, stride_s=600, shared=shared)
        follower = SharedInstant(shared)
        clock.join()
        while clock.striding:
            assert follower.now_ms() == clock.now_ms()
            await clock.sleep_until(clock.monotonic_s() + clock.period_s(0.01))
        assert abs(follower.now_ms() - system.now_ms()) <= 50

    asyncio.run(story())


def test_a_loop_that_ends_does_not_hold_time_back(tmp_path: Path) -> None:
    start = SystemClock().now_ms() - HOUR_MS

    async def story() -> int:
        clock = StridingClock(start, stride_s=600, shared=tmp_path / "instant")
        short: list[int] = []
        long: list[int] = []
        clock.join()
        clock.join()
        async with asyncio.TaskGroup() as group:
            group.create_task(_loop(clock, 1.0, short, until=1))
            group.create_task(_loop(clock, 1.0, long, until=5))
        return long[-1] - long[0]

    assert asyncio.run(story()) == 4 * 600_000


def test_instants_are_written_in_utc() -> None:
    assert rfc3339(1_764_000_000_123) == "2025-11-24T16:00:00.123Z"
    assert utc_day(1_764_000_000_123) == "2025-11-24"
