"""Rows taken before the clock was synchronised get their true time, whoever asks; what was sent, and what nobody can know, stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.adapters.outbox import Outbox
from collector.pure.restamp import Segment, grown, shift_ms
from collector.restamping import PASSES, Restamping
from collector.stamps import Stamps
from driftwatt.clock import SystemClock
from driftwatt.readings import FailedPoll, Reading, Row
from driftwatt.wire import read_row

TRUE = 1_800_000_000_000
DAY = 86_400_000


class Machine(SystemClock):
    """A machine whose wall clock is wrong by `error_ms` until somebody tells it."""

    def __init__(self, error_ms: float, up_s: float = 100.0) -> None:
        self.error_ms, self.up_s, self.synced = error_ms, up_s, False

    def now_ms(self) -> int:
        return round(TRUE + self.up_s * 1000 + self.error_ms)

    def monotonic_s(self) -> float:
        return self.up_s

    @property
    def true_ms(self) -> int:
        return round(TRUE + self.up_s * 1000)

    def synchronise(self) -> None:
        self.error_ms, self.synced = 0.0, True


async def opened(folder: Path) -> Outbox:
    return await Outbox.open(folder, max_bytes=4 << 20, tail_s=1e9, when_full="thin")


async def rows(outbox: Outbox, epoch: str, first: int = 1) -> list[Row]:
    return [read_row(parcel.body) for parcel in await outbox.read(epoch, first, 10**8)]


def polled(stamps: Stamps, at: int) -> Row:
    t_ms, clock = stamps()
    if at % 5 == 4:
        return FailedPoll("m1", t_ms, "timeout", clock=clock)
    return Reading("m1", t_ms, {"active_power": float(at)}, clock=clock)


async def poll(machine: Machine, stamps: Stamps, outbox: Outbox, count: int, true: list[int]) -> None:
    for at in range(count):
        machine.up_s += 10
        true.append(machine.true_ms)
        await outbox.commit([polled(stamps, at)])


@pytest.mark.parametrize("error_ms", [-10 * 365 * DAY, -3_600_000, 3_600_000.0, 86_400_000.0 * 40])
def test_rows_that_wait_get_their_true_time_at_the_first_synchronisation(tmp_path: Path, error_ms: float) -> None:
    async def main() -> None:
        machine, true = Machine(error_ms), list[int]()
        stamps = Stamps(machine, lambda: machine.synced)
        outbox = await opened(tmp_path)
        restamping = Restamping(outbox, stamps, machine, boot="b")
        await poll(machine, stamps, outbox, 20, true)
        await restamping.look()
        machine.synchronise()
        after = 20 if error_ms > 0 else 5  # a step back is believed only after two minutes
        await poll(machine, stamps, outbox, after, true)
        for _ in range(PASSES + 1):
            machine.up_s += 1
            await restamping.look()
        found = await rows(outbox, outbox.epoch)
        told = [(row.t_ms, row.clock) for row in found if isinstance(row, Reading | FailedPoll)]
        assert told[:20] == [(t_ms, "ok") for t_ms in true[:20]]
        lines = await outbox.ledger_lines(100_000)
        assert sum(line.waiting for line in lines) == sum(line.committed for line in lines)
        assert sum(line.polled for line in lines) == 20 + after
        assert all(line.polled == line.committed + sum(line.failed.values()) and min(line.polled, line.waiting) >= 0 for line in lines)
        await outbox.close()

    asyncio.run(main())


def test_a_row_that_was_sent_keeps_the_time_it_was_sent_with(tmp_path: Path) -> None:
    async def main() -> None:
        machine, true = Machine(-3_600_000), list[int]()
        stamps = Stamps(machine, lambda: machine.synced)
        outbox = await opened(tmp_path)
        restamping = Restamping(outbox, stamps, machine, boot="b")
        await poll(machine, stamps, outbox, 5, true)
        sent = await rows(outbox, outbox.epoch)  # read to be sent; the claim comes after
        await poll(machine, stamps, outbox, 5, true)
        await restamping.look()
        machine.synchronise()
        machine.up_s += 10
        await restamping.look()
        found = await rows(outbox, outbox.epoch)
        assert found[:5] == sent
        assert [row.t_ms for row in found[5:]] == true[5:]  # type: ignore[union-attr]
        await outbox.close()

    asyncio.run(main())


def test_a_process_started_again_in_the_same_boot_puts_the_rows_of_the_one_before_right(tmp_path: Path) -> None:
    async def main() -> None:
        machine, true = Machine(-DAY * 365), list[int]()
        for life in range(2):
            stamps = Stamps(machine, lambda: machine.synced)
            outbox = await opened(tmp_path)
            restamping = Restamping(outbox, stamps, machine, boot="b")
            assert await outbox.give_up_clock("b") == 0
            await poll(machine, stamps, outbox, 5, true)
            await restamping.look()
            if life == 0:
                await outbox.close()
        machine.synchronise()
        machine.up_s += 10
        assert await restamping.look() == 10
        found = [row for span in outbox.held() for row in await rows(outbox, span.epoch)]
        assert [row.t_ms for row in found] == true  # type: ignore[union-attr]
        await outbox.close()

    asyncio.run(main())


def test_rows_of_a_boot_that_never_synchronised_are_uncertain(tmp_path: Path) -> None:
    async def main() -> None:
        machine, true = Machine(-DAY * 365), list[int]()
        stamps = Stamps(machine, lambda: False)
        outbox = await opened(tmp_path)
        await poll(machine, stamps, outbox, 5, true)
        await Restamping(outbox, stamps, machine, boot="b").look()
        before = await rows(outbox, outbox.epoch)
        await outbox.close()
        outbox = await opened(tmp_path)
        assert await outbox.give_up_clock("another") == 5
        assert await outbox.give_up_clock("another") == 0
        found = await rows(outbox, outbox.held()[0].epoch)
        assert [(row.t_ms, row.clock) for row in found] == [(row.t_ms, "uncertain") for row in before]  # type: ignore[union-attr]
        await outbox.close()

    asyncio.run(main())


@given(st.lists(st.tuples(st.integers(1, 3600), st.integers(-(10**9), 10**9)), min_size=1, max_size=8))
def test_steps_before_the_synchronisation_are_followed_stretch_by_stretch(steps: list[tuple[int, int]]) -> None:
    segments: tuple[Segment, ...] = ()
    mono_ms, offset, stamped = 0, 10**12, list[tuple[int, int]]()
    for seconds, step in steps:
        offset += abs(step)  # a step back is not followed while it may be a mistake
        for _ in range(3):
            mono_ms += seconds * 1000
            segments = grown(segments, mono_ms + offset, offset)
            stamped.append((mono_ms + offset, mono_ms))
    for t_ms, when_ms in stamped:
        shift = shift_ms(segments, t_ms, 5.0)
        assert shift is not None
        assert abs(t_ms + shift - (when_ms + 5)) <= 500
