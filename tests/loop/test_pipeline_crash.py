"""A processor that dies between store, commit and acknowledgement: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from driftwatt.alerts import Alert
from driftwatt.errors import PartialWrite, Refused, Unavailable
from driftwatt.readings import Reading
from processors.adapters.sqlite import SqliteStore
from processors.adapters.state import SqliteState
from processors.pipeline import Pipeline
from processors.ports import Message
from processors.pure.commit import Commit
from processors.pure.outputs import ExpectedPower, IntervalEnergy
from tests.support.plant_bench import NOW_MS, LinkLog, Mailbox, bench, data, reading
from tests.support.store_eyes import stored_rows

MINUTE = 60_000
HALVES = 8
START = NOW_MS - 10 * 3600_000


class Died(BaseException):
    """The process ends here: nothing after it runs."""


class FailingStore(SqliteStore):
    """Fails at a chosen call, before or after the work is done."""

    def __init__(self, path: Path, fault: Callable[[str, int], BaseException | None], *, after: bool) -> None:
        super().__init__(path)
        self._fault, self._after, self._calls = fault, after, 0

    def _around(self, name: str, work: Callable[[Any], None], points: Sequence[Any]) -> None:
        self._calls += 1
        error = self._fault(name, self._calls)
        if error is None or self._after:
            work(points)
        if error is not None:
            raise error

    def write_readings(self, readings: Sequence[Reading]) -> None:
        self._around("readings", super().write_readings, readings)

    def write_intervals(self, intervals: Sequence[IntervalEnergy]) -> None:
        self._around("intervals", super().write_intervals, intervals)

    def write_expected(self, points: Sequence[ExpectedPower]) -> None:
        self._around("expected", super().write_expected, points)

    def write_events(self, alerts: Sequence[Alert]) -> None:
        self._around("events", super().write_events, alerts)


class FailingState(SqliteState):
    """Dies at a chosen commit, before or after it is done."""

    def __init__(self, path: Path, *, at: int, after: bool) -> None:
        super().__init__(path)
        self._at, self._after, self._calls = at, after, 0

    def commit(self, change: Commit) -> None:
        self._calls += 1
        if self._calls != self._at:
            super().commit(change)
            return
        if self._after:
            super().commit(change)
        raise Died


class DyingLink(LinkLog):
    """Dies before the first acknowledgement of a life is sent."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        raise Died


def messages() -> list[Message]:
    """Return four hours of a meter in messages of 30 minutes."""
    out = []
    for half in range(HALVES):
        rows = [
            reading("m1", START + (half * 30 + minute) * MINUTE, 1000.0 + half, 1e6 + (half * 30 + minute) * (1000.0 + half) / 60)
            for minute in range(30)
        ]
        out.append(data(1 + half * 30, rows))
    return out


async def live(pipeline: Pipeline, first: int = 0) -> None:
    """Take all messages two at a time, as an edge sends that goes on after the last acknowledgement it saw."""
    await pipeline.begin()
    sent = messages()[first:]
    for at in range(0, len(sent), 2):
        await pipeline.cycle(sent[at : at + 2])


def contents(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that must not depend on how often a processor died."""
    out: dict[str, list[tuple[Any, ...]]] = {}
    out |= {table: stored_rows(folder / "store.sqlite3", table) for table in ("readings", "energy_15m", "energy_1h", "expected_15m")}
    with sqlite3.connect(folder / "state.sqlite3") as db:
        out |= {table: sorted(db.execute(f"SELECT * FROM {table}")) for table in ("part", "gap")}
        out["book"] = sorted(db.execute("SELECT meter, day, what, n FROM book WHERE what != 'duplicates'"))
        out["checkpoint"] = db.execute("SELECT edge, epoch, age, upto FROM checkpoint").fetchall()
    return out


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    asyncio.run(live(bench(folder, ("m1",))[0]))
    truth = contents(folder)
    assert len(truth["readings"]) == HALVES * 30
    assert len(truth["energy_15m"]) > HALVES
    return truth


def survives(folder: Path, dying: Pipeline, truth: dict[str, list[tuple[Any, ...]]]) -> None:
    with pytest.raises(Died):
        asyncio.run(live(dying))
    asyncio.run(live(bench(folder, ("m1",))[0]))
    assert contents(folder) == truth


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 3, 5])
def test_death_around_a_store_write_loses_and_doubles_nothing(
    tmp_path: Path, undisturbed: dict[str, list[tuple[Any, ...]]], call: int, *, after: bool
) -> None:
    store = FailingStore(tmp_path / "store.sqlite3", lambda _, calls: Died() if calls == call else None, after=after)
    survives(tmp_path, bench(tmp_path, ("m1",), store=store)[0], undisturbed)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 4])
def test_death_around_a_commit_loses_and_doubles_nothing(
    tmp_path: Path, undisturbed: dict[str, list[tuple[Any, ...]]], call: int, *, after: bool
) -> None:
    state = FailingState(tmp_path / "state.sqlite3", at=call, after=after)
    survives(tmp_path, bench(tmp_path, ("m1",), state=state)[0], undisturbed)


def test_death_before_an_acknowledgement_costs_only_a_resend(tmp_path: Path, undisturbed: dict[str, list[tuple[Any, ...]]]) -> None:
    pipeline, _ = bench(tmp_path, ("m1",))
    pipeline.link = DyingLink()
    survives(tmp_path, pipeline, undisturbed)


def test_nothing_is_acknowledged_while_the_store_is_away_and_everything_after(tmp_path: Path) -> None:
    away = 2

    def fault(_name: str, calls: int) -> BaseException | None:
        return Unavailable("no route", 0.0) if calls <= away else None

    async def scenario() -> None:
        store = FailingStore(tmp_path / "store.sqlite3", fault, after=False)
        pipeline, link = bench(tmp_path, ("m1",), store=store)
        await pipeline.begin()
        seen: list[tuple[bool, int]] = []
        pipeline.storing.on_change = lambda: seen.append((bool(pipeline.storing.trouble), len(link.acks())))
        await pipeline.cycle(messages()[:1])
        assert seen[0] == (True, 0)
        assert seen[-1] == (False, 0)
        assert link.acks()[-1].upto == 30

    asyncio.run(scenario())


def test_a_store_that_refuses_holds_everything_and_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FailingStore(tmp_path / "store.sqlite3", lambda *_: Refused("no such bucket"), after=False)
        pipeline, link = bench(tmp_path, ("m1",), store=store)
        await pipeline.begin()
        told = asyncio.Event()
        pipeline.storing.on_change = told.set
        work = asyncio.create_task(pipeline.cycle(messages()[:1]))
        await asyncio.wait_for(told.wait(), 10)
        assert pipeline.storing.refused
        assert link.acks() == []
        work.cancel()

    asyncio.run(scenario())


def test_a_reading_that_the_store_never_takes_is_set_aside_and_the_rest_acknowledged(tmp_path: Path) -> None:
    def fault(name: str, _calls: int) -> BaseException | None:
        return PartialWrite({2: "field type conflict"}) if name == "readings" else None

    async def scenario() -> None:
        store = FailingStore(tmp_path / "store.sqlite3", fault, after=True)
        pipeline, link = bench(tmp_path, ("m1",), store=store)
        await pipeline.begin()
        await pipeline.cycle(messages()[:1])
        assert link.acks()[-1].upto == 30

    asyncio.run(scenario())
    with sqlite3.connect(tmp_path / "state.sqlite3") as db:
        assert dict(db.execute("SELECT what, n FROM book")) == {"stored": 29, "quarantined": 1}
        assert db.execute("SELECT reason, detail FROM quarantine").fetchall() == [("store", "field type conflict")]


def test_a_cycle_that_is_cut_by_the_end_of_the_daemon_is_never_acknowledged_later(tmp_path: Path) -> None:
    """The store comes back just when the daemon leaves: readings of the cut cycle are in no store, so no mark may pass them."""
    away = True

    async def scenario() -> None:
        store = FailingStore(tmp_path / "store.sqlite3", lambda *_: Unavailable("no route") if away else None, after=False)
        pipeline, link = bench(tmp_path, ("m1",), store=store)
        await pipeline.begin()
        told = asyncio.Event()
        pipeline.storing.on_change = told.set
        mail = pipeline.mail
        assert isinstance(mail, Mailbox)
        mail.messages += messages()[:1]
        mail.counted_waiting.set()
        running = asyncio.create_task(pipeline.run())
        await asyncio.wait_for(told.wait(), 10)
        running.cancel()
        await asyncio.wait({running})
        nonlocal away
        away = False
        mail.messages += messages()[1:2]
        await pipeline.drain(5)
        assert link.acks() == []

    asyncio.run(scenario())
    asyncio.run(live(bench(tmp_path, ("m1",))[0]))
    assert len(stored_rows(tmp_path / "store.sqlite3", "readings")) == HALVES * 30


def test_a_stop_finishes_the_cycle_and_a_drain_takes_what_still_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, link = bench(tmp_path, ("m1",))
        await pipeline.begin()
        mail = pipeline.mail
        assert isinstance(mail, Mailbox)
        mail.messages += messages()[:1]
        mail.counted_waiting.set()
        running = asyncio.create_task(pipeline.run())
        pipeline.stop()
        await asyncio.wait_for(running, 10)
        mail.messages += messages()[1:2]
        await pipeline.drain(10)
        assert link.acks()[-1].upto == 60

    asyncio.run(scenario())
