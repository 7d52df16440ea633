"""The outbox on a real disk against a model in memory, and what it does when there is no room or a bit flips."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from collector.adapters.outbox import FILE, Outbox, read_books
from collector.adapters.outbox_room import WhenFull
from collector.ports import OutboxFull
from driftwatt.errors import ConfigError, Unavailable
from driftwatt.readings import FailedPoll, Reading, Removed, Row
from driftwatt.wire import LedgerLine, read_row

T = 1_790_000_000_000
MB = 1_000_000
_T = TypeVar("_T")


def reading(t_ms: int, meter: str = "m1", width: int = 1) -> Reading:
    names = ["active_power", "voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3", "import_energy"][:width]
    return Reading(meter, t_ms, {name: float(t_ms % 1000) for name in names})


async def opened(folder: Path, *, max_bytes: int = 10 * MB, tail_s: float = 3600, when_full: WhenFull = "thin") -> Outbox:
    return await Outbox.open(folder, max_bytes=max_bytes, tail_s=tail_s, when_full=when_full)


def run(folder: Path, work: Callable[[Outbox], Awaitable[_T]], *, max_bytes: int = 10 * MB, when_full: WhenFull = "thin") -> _T:
    async def whole() -> _T:
        outbox = await opened(folder, max_bytes=max_bytes, when_full=when_full)
        try:
            return await work(outbox)
        finally:
            await outbox.close()

    return asyncio.run(whole())


async def rows_of(outbox: Outbox, epoch: str, first: int = 1) -> list[tuple[int, Row]]:
    return [(parcel.seq, read_row(parcel.body)) for parcel in await outbox.read(epoch, first, 10**9)]


def total(lines: tuple[LedgerLine, ...]) -> dict[str, int]:
    for line in lines:
        assert line.polled == line.committed + sum(line.failed.values())
        assert line.committed == line.stored + line.waiting + sum(line.dropped.values()) + line.thinned
        assert min(line.stored, line.waiting, line.thinned) >= 0
    plain = {name: sum(getattr(line, name) for line in lines) for name in ("polled", "committed", "stored", "waiting", "thinned")}
    return {
        **plain,
        "failed": sum(sum(line.failed.values()) for line in lines),
        "dropped": sum(sum(line.dropped.values()) for line in lines),
    }


class OutboxAgainstModel(RuleBasedStateMachine):
    """Any sequence of commits, claims, marks, prunings and restarts leaves what a list in memory would hold."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="outbox"))
        self.rows: dict[str, list[Row]] = {}
        self.acked: dict[str, int] = {}
        self.pruned: dict[str, int] = {}
        self.failed = 0
        self.t_ms = T
        self.start()

    def start(self) -> None:
        self.outbox = self.loop.run_until_complete(opened(self.folder))
        self.rows[self.outbox.epoch], self.acked[self.outbox.epoch], self.pruned[self.outbox.epoch] = [], 0, 0

    @rule(meters=st.lists(st.sampled_from(("m1", "m2", "-")), min_size=1, max_size=12), step=st.sampled_from((1, 1000, 90_000_000)))
    def commit(self, meters: list[str], step: int) -> None:
        rows: list[Row] = []
        for meter in meters:
            self.t_ms += step
            rows.append(FailedPoll("m2", self.t_ms, "timeout") if meter == "-" else reading(self.t_ms, meter))
        self.loop.run_until_complete(self.outbox.commit(rows))
        self.rows[self.outbox.epoch] += rows

    @rule()
    def commit_fails(self) -> None:
        self.outbox.commit_failed([reading(self.t_ms)])
        self.failed += 1

    @rule(which=st.integers(0, 5), share=st.floats(0, 1))
    def settle(self, which: int, share: float) -> None:
        epoch = list(self.rows)[which % len(self.rows)]
        if any(span.epoch == epoch for span in self.outbox.held()):
            upto = max(self.pruned[epoch], round(share * len(self.rows[epoch])))
            self.loop.run_until_complete(self.outbox.settle(epoch, upto, "p"))
            self.acked[epoch] = upto

    @rule(share=st.floats(0, 1))
    def claim(self, share: float) -> None:
        upto = round(share * len(self.rows[self.outbox.epoch]))
        self.loop.run_until_complete(self.outbox.claim(self.outbox.epoch, upto))
        assert self.outbox.held()[-1].sent >= upto

    @rule(back=st.integers(0, 100_000))
    def prune(self, back: int) -> None:
        now_ms = self.t_ms + 3_600_000 - back
        self.loop.run_until_complete(self.outbox.prune(now_ms))
        for epoch, rows in self.rows.items():
            at = self.pruned[epoch]
            while at < self.acked[epoch] and not isinstance(rows[at], Removed) and rows[at].t_ms < now_ms - 3_600_000:  # type: ignore[union-attr]
                at += 1
            self.pruned[epoch] = at

    @precondition(lambda self: len(self.rows) < 5)
    @rule(clean=st.booleans())
    def restart(self, *, clean: bool) -> None:
        if clean:
            self.loop.run_until_complete(self.outbox.close())
        else:
            assert self.outbox._keeper._file._lock is not None
            self.outbox._thread.submit(self.outbox._keeper._file._lock.close).result()  # as a kill would: nothing is told, the lock is gone
            self.outbox._thread.shutdown()
        self.start()

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        held = {span.epoch: span for span in self.outbox.held()}
        assert self.outbox.held()[-1].epoch == self.outbox.epoch
        for epoch, rows in self.rows.items():
            if epoch not in held:
                assert self.acked[epoch] == self.pruned[epoch] == len(rows) or not rows
                continue
            span = held[epoch]
            assert (span.base, span.top, span.acked) == (self.pruned[epoch] + 1, len(rows), self.acked[epoch])
            first = self.pruned[epoch] + 1
            read = self.loop.run_until_complete(rows_of(self.outbox, epoch, first))
            assert read == list(enumerate(rows[first - 1 :], start=first))

    @invariant()
    def books_balance(self) -> None:
        books = total(self.loop.run_until_complete(self.outbox.ledger_lines(10_000)))
        good = [row for rows in self.rows.values() for row in rows if isinstance(row, Reading)]
        waiting = sum(isinstance(row, Reading) for epoch, rows in self.rows.items() for row in rows[self.acked[epoch] :])
        assert books["committed"] == len(good)
        assert books["waiting"] == waiting
        status = self.outbox.status()
        assert status.rows == sum(len(rows) - self.acked[epoch] for epoch, rows in self.rows.items())
        assert status.tail_rows == sum(self.acked[epoch] - self.pruned[epoch] for epoch in self.rows)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.run_until_complete(self.outbox.close())
            self.loop.close()


TestOutboxAgainstModel = OutboxAgainstModel.TestCase
TestOutboxAgainstModel.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def test_rows_and_books_survive_a_restart_under_a_new_epoch(tmp_path: Path) -> None:
    async def first(outbox: Outbox) -> str:
        await outbox.commit([reading(T), FailedPoll("m1", T + 1000, "timeout"), reading(T + 2000, "m2")])
        return outbox.epoch

    async def second(outbox: Outbox) -> None:
        assert [span.epoch for span in outbox.held()] == [old, outbox.epoch]
        assert await rows_of(outbox, old) == [(1, reading(T)), (2, FailedPoll("m1", T + 1000, "timeout")), (3, reading(T + 2000, "m2"))]
        assert outbox.status().rows == 3
        assert outbox.status().oldest_ms == T

    old = run(tmp_path, first)
    run(tmp_path, second)
    assert total(read_books(tmp_path)) == {
        "polled": 3, "committed": 2, "stored": 0, "waiting": 2, "thinned": 0, "failed": 1, "dropped": 0,
    }  # fmt: skip


def test_a_second_daemon_is_refused_and_the_lock_is_free_afterwards(tmp_path: Path) -> None:
    async def work(_outbox: Outbox) -> None:
        with pytest.raises(ConfigError, match="another collector"):
            await opened(tmp_path)

    run(tmp_path, work)
    run(tmp_path, work)


def test_a_failed_commit_is_booked_with_the_next_one_that_works(tmp_path: Path) -> None:
    async def work(outbox: Outbox) -> None:
        outbox.commit_failed([reading(T), reading(T, "m2"), Removed("corrupt")])
        await outbox.commit([reading(T + 1)])
        lines = await outbox.ledger_lines()
        assert [(line.meter, line.polled, line.committed, line.failed) for line in lines] == [
            ("m1", 2, 1, {"commit_failed": 1}),
            ("m2", 1, 0, {"commit_failed": 1}),
        ]
        assert outbox.status().alarms == ()

    run(tmp_path, work)


def test_what_cannot_travel_is_a_failed_poll_not_a_row_that_blocks(tmp_path: Path) -> None:
    async def work(outbox: Outbox) -> None:
        await outbox.commit([Reading("m1", T, {"active_power": float("nan")}), FailedPoll("m1", T, "x" * 70_000)])
        assert await rows_of(outbox, outbox.epoch) == [(1, FailedPoll("m1", T, "not_finite")), (2, FailedPoll("m1", T, "oversize"))]

    run(tmp_path, work)


@pytest.mark.parametrize("column", ["body", "t", "meter", "kind"])
def test_a_flipped_bit_is_found_before_the_row_is_sent_and_counted_as_corrupt(tmp_path: Path, column: str) -> None:
    async def first(outbox: Outbox) -> str:
        await outbox.commit([reading(T + at) for at in range(5)])
        return outbox.epoch

    async def second(outbox: Outbox) -> None:
        read = await rows_of(outbox, epoch)
        assert [row for _, row in read] == [reading(T), reading(T + 1), Removed("corrupt"), reading(T + 3), reading(T + 4)]
        assert await rows_of(outbox, epoch) == read

    epoch = run(tmp_path, first)
    with sqlite3.connect(tmp_path / FILE) as disk:
        flipped = "CAST(replace(body, '2', '3') AS BLOB)" if column == "body" else f"{column} + 4"
        disk.execute(f"UPDATE rows SET {column} = {flipped} WHERE key & 0xffff = 3")
    disk.close()
    run(tmp_path, second)
    if column != "kind":  # a header that lies about its kind may not be booked
        assert sum(line.dropped.get("corrupt", 0) for line in read_books(tmp_path)) == 1


def test_a_file_that_is_no_outbox_is_set_aside_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_bytes(b"this was a database once" * 1000)

    async def work(outbox: Outbox) -> None:
        await outbox.commit([reading(T)])
        assert [alarm.code for alarm in outbox.status().alarms] == ["outbox_damaged"]

    run(tmp_path, work)
    assert "set aside" in caplog.text
    assert [path.name for path in tmp_path.glob("*.damaged-*")]


def test_a_disk_that_dies_does_not_fill_up_with_damaged_files(tmp_path: Path) -> None:
    async def nothing(outbox: Outbox) -> None:
        assert outbox.held()

    for _ in range(9):
        (tmp_path / FILE).write_bytes(b"this was a database once" * 1000)
        run(tmp_path, nothing)
    assert len(list(tmp_path.glob("*.damaged-*"))) <= 6


@pytest.mark.parametrize("when", ["start", "running"])
def test_pages_that_cannot_be_read_are_set_aside_and_polling_goes_on(tmp_path: Path, when: str) -> None:
    def ruin() -> None:
        first, skipped, size = (1, 0, 4096) if when == "start" else (12, 8, 100)  # a page that keeps its head is counted, not read
        with (tmp_path / FILE).open("r+b") as file:
            for page in range(first, file.seek(0, 2) // 4096):
                file.seek(page * 4096 + skipped)
                file.write(b"\x07" * size)

    async def fill(outbox: Outbox) -> str:
        for at in range(20):
            await outbox.commit([reading(T + 100 * at + each, width=8) for each in range(50)])
        return outbox.epoch

    async def goes_on(outbox: Outbox) -> None:
        if when == "running":
            with pytest.raises(Unavailable):
                await outbox.read(outbox.held()[0].epoch, 1, 10**9)
        own = outbox.held()[-1]
        assert (own.epoch, own.top) == (outbox.epoch, 0)
        assert outbox.epoch != epoch
        assert [span.epoch for span in outbox.held()] == ([outbox.epoch] if when == "start" else [epoch, outbox.epoch])
        await outbox.commit([reading(T)])
        assert await rows_of(outbox, outbox.epoch) == [(1, reading(T))]
        assert [alarm.code for alarm in outbox.status().alarms] == ["outbox_damaged"]

    epoch = run(tmp_path, fill)
    ruin()
    run(tmp_path, goes_on)
    assert [path.name for path in tmp_path.glob("*.damaged-*")]


def test_an_outbox_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as disk:
        disk.execute("PRAGMA user_version = 99")
        disk.execute(f"PRAGMA application_id = {0x4457 << 16 | 99}")
    disk.close()
    with pytest.raises(ConfigError, match="another version"):
        asyncio.run(opened(tmp_path))


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        asyncio.run(opened(tmp_path / "file" / "edge"))


async def fill(outbox: Outbox, rows: int, *, step_ms: int, per_commit: int = 50) -> None:
    for at in range(0, rows, per_commit):
        await outbox.commit([reading(T + n * step_ms, f"m{n % 2}", 8) for n in range(at, at + per_commit)])


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_when_full_the_oldest_rows_go_and_the_file_stays_within_its_bound(tmp_path: Path) -> None:
    async def work(outbox: Outbox) -> None:
        await fill(outbox, 12_000, step_ms=1000)
        span = outbox.held()[-1]
        assert span.base > 1
        assert span.top == 12_000
        read = await rows_of(outbox, span.epoch, 1)
        assert [seq for seq, _ in read] == list(range(span.base, 12_001)), "dropped rows never look like thinned ones"
        books = total(await outbox.ledger_lines())
        assert books["dropped"] == span.base - 1
        assert books["waiting"] == outbox.status().rows == 12_000 - books["dropped"]
        assert "outbox_full" in {alarm.code for alarm in outbox.status().alarms}
        assert disk_bytes(tmp_path) <= MB

    run(tmp_path, work, max_bytes=MB, when_full="drop_oldest")


def test_when_full_rows_are_thinned_to_one_a_minute_and_keep_their_seqs(tmp_path: Path) -> None:
    async def work(outbox: Outbox) -> None:
        await fill(outbox, 12_000, step_ms=1000)
        span = outbox.held()[-1]
        assert span.base == 1
        read = await rows_of(outbox, span.epoch)
        assert sum(row.count if isinstance(row, Removed) else 1 for _, row in read) == 12_000
        at, minutes = 1, set()
        for seq, row in read:
            assert seq == at
            at += row.count if isinstance(row, Removed) else 1
            if isinstance(row, Reading):
                minutes.add((row.meter, row.t_ms // 60_000))
        assert minutes == {(f"m{n % 2}", (T + n * 1000) // 60_000) for n in range(12_000)}
        books = total(await outbox.ledger_lines())
        assert books["thinned"] > 6000
        assert books["dropped"] == 0
        assert disk_bytes(tmp_path) <= MB

    run(tmp_path, work, max_bytes=MB, when_full="thin")


def test_rows_that_were_sent_are_never_thinned(tmp_path: Path) -> None:
    async def work(outbox: Outbox) -> None:
        await fill(outbox, 600, step_ms=1000)
        await outbox.claim(outbox.epoch, 600)
        await fill(outbox, 6_000, step_ms=1000)
        read = await rows_of(outbox, outbox.epoch)
        assert [seq for seq, _ in read[:600]] == list(range(1, 601))
        assert any(isinstance(row, Removed) for _, row in read)

    run(tmp_path, work, max_bytes=MB, when_full="thin")


def test_what_cannot_be_thinned_any_further_is_dropped(tmp_path: Path) -> None:
    async def work(outbox: Outbox) -> None:
        await fill(outbox, 8_000, step_ms=60_000)
        books = total(await outbox.ledger_lines(1000))
        assert books["thinned"] == 0
        assert books["dropped"] > 0

    run(tmp_path, work, max_bytes=MB, when_full="thin")


def test_acknowledged_rows_and_failed_polls_go_before_anything_else(tmp_path: Path) -> None:
    async def work(outbox: Outbox) -> None:
        await fill(outbox, 1500, step_ms=1000)
        await outbox.claim(outbox.epoch, 1500)
        await outbox.settle(outbox.epoch, 1500, "p")
        for at in range(1500, 2500, 50):
            await outbox.commit([FailedPoll("m1", T + n * 1000, "timeout") for n in range(at, at + 50)])
        await fill(outbox, 2000, step_ms=1000)
        books = total(await outbox.ledger_lines())
        assert (books["dropped"], books["thinned"]) == (0, 0)
        assert books["stored"] == 1500
        assert outbox.held()[-1].base > 1

    run(tmp_path, work, max_bytes=MB, when_full="drop_oldest")


def test_when_told_to_stop_nothing_is_dropped_and_acknowledging_makes_room_again(tmp_path: Path) -> None:
    async def work(outbox: Outbox) -> None:
        with pytest.raises(OutboxFull):
            await fill(outbox, 12_000, step_ms=1000)
        top = outbox.held()[-1].top
        assert total(await outbox.ledger_lines())["waiting"] == top
        assert "outbox_full" in {alarm.code for alarm in outbox.status().alarms}
        await outbox.settle(outbox.epoch, top, "p")
        await outbox.commit([reading(T)])
        assert outbox.status().alarms == ()
        assert total(await outbox.ledger_lines())["dropped"] == 0

    run(tmp_path, work, max_bytes=MB, when_full="stop_polling")


def test_hours_left_follow_from_the_rate_of_the_last_rows(tmp_path: Path) -> None:
    async def work(outbox: Outbox) -> None:
        assert outbox.status().hours_left is None
        await fill(outbox, 3600, step_ms=1000)
        hours = outbox.status().hours_left
        assert hours is not None
        size = 8 * MB / 3600 / hours  # bytes a row when 8 MB hold that many hours of one row a second
        assert 150 < size < 500

    run(tmp_path, work)


def test_a_day_that_a_wrong_clock_made_up_pushes_no_books_out(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        outbox = await opened(tmp_path)
        for t_ms in (T, T + 4000 * 86_400_000, T - 4000 * 86_400_000):
            await outbox.commit([reading(t_ms)])
            await outbox.claim(outbox.epoch, 3)
            await outbox.settle(outbox.epoch, outbox.held()[-1].top, "plant")
            await outbox.prune(T)
        lines = await outbox.ledger_lines()
        await outbox.close()
        return [line.day for line in lines if line.stored]

    assert len(asyncio.run(scenario())) == 3
