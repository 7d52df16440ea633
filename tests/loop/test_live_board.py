"""The live board and people's answers, in a running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from driftwatt.errors import Refused
from driftwatt.readings import FailedPoll, Reading
from driftwatt.wire import EdgeAlarm, EdgeState, Hello, HelloMeter
from processors.live import Board
from processors.pipeline import Pipeline
from processors.pure.board import Answer, Progress
from processors.pure.outputs import Advice, Readiness
from tests.support.plant_bench import NOW_MS, BenchClock, bench


def in_loop(scenario: Callable[[Board, BenchClock], Coroutine[None, None, None]]) -> None:
    async def main() -> None:
        clock = BenchClock()
        await scenario(Board(clock, frozenset({"m1", "m2"})), clock)

    asyncio.run(main())


def reading(meter: str, t_ms: int, power: float = 1.0) -> Reading:
    return Reading(meter, t_ms, {"active_power": power})


def test_the_newer_reading_wins_whatever_road_it_came() -> None:
    async def scenario(board: Board, _clock: BenchClock) -> None:
        board.on_rows("hall-a", [reading("m1", NOW_MS, 1.0)])
        board.on_rows("hall-a", [reading("m1", NOW_MS - 1000, 2.0)])
        before = board.snapshot()
        board.on_rows("hall-a", [reading("m1", NOW_MS + 1000, 3.0)])
        for snapshot, power in ((before, 1.0), (board.snapshot(), 3.0)):
            now = snapshot.meters["m1"].reading
            assert now is not None
            assert now.values["active_power"] == power
        assert board.snapshot().meters["m2"].reading is None

    in_loop(scenario)


def test_a_meter_fails_from_the_first_failed_poll_until_the_next_good_one() -> None:
    async def scenario(board: Board, _clock: BenchClock) -> None:
        board.on_rows("hall-a", [reading("m1", NOW_MS)])
        board.on_rows("hall-a", [FailedPoll("m1", NOW_MS + 1000, "timeout"), FailedPoll("m1", NOW_MS + 2000, "frame")])
        failing = board.snapshot().meters["m1"]
        assert (failing.failing_since_ms, failing.fail_reason) == (NOW_MS + 1000, "timeout")
        board.on_rows("hall-a", [FailedPoll("m2", NOW_MS, "timeout"), reading("m1", NOW_MS + 3000)])
        assert board.snapshot().meters["m1"].failing_since_ms is None

    in_loop(scenario)


def test_readers_hear_at_most_four_words_of_a_kind_a_second() -> None:
    async def scenario(board: Board, _clock: BenchClock) -> None:
        queue, gone = board.subscribe(), board.subscribe()
        board.unsubscribe(gone)
        board.unsubscribe(asyncio.Queue())
        loop = asyncio.get_running_loop()
        began, heard = loop.time(), 0
        for at in range(100):
            board.on_rows("hall-a", [reading("m1", NOW_MS + at)])
            await asyncio.sleep(0.005)
            while not queue.empty():
                heard += queue.get_nowait() == "meters"
        assert 1 <= heard <= 2 + (loop.time() - began) / 0.25
        assert gone.empty()

    in_loop(scenario)


def test_a_reader_that_never_reads_costs_nothing_more() -> None:
    async def scenario(board: Board, _clock: BenchClock) -> None:
        queue = board.subscribe()
        for _ in range(100):
            board.changed("alerts")
            board._tell()
        assert queue.full()

    in_loop(scenario)


def test_edges_say_when_they_came_and_went() -> None:
    async def scenario(board: Board, clock: BenchClock) -> None:
        board.on_hello(
            Hello("hall-a", "1", 0, "", "ok", (), (HelloMeter("m1", "line-1", "eastron", "h", 5000), HelloMeter("m9", "", "", "", 1)))
        )
        board.on_state(EdgeState("hall-a", online=True, hours_left=70.0))
        clock.at_ms += 5000
        board.on_state(EdgeState("hall-a", online=True, alarms=(EdgeAlarm("clock_unsynced", 0, "no"),)))
        board.on_rows("hall-a", [])
        edge = board.snapshot().edges["hall-a"]
        assert (edge.since_ms, edge.last_ms, edge.clock, edge.alarms) == (NOW_MS, NOW_MS + 5000, "unsynced", ("clock_unsynced",))
        board.on_state(EdgeState("hall-a", online=False))
        assert board.snapshot().edges["hall-a"].since_ms == NOW_MS + 5000
        assert board.snapshot().meters["m1"].bus == "line-1"

    in_loop(scenario)


def test_a_row_of_the_future_is_not_shown_for_ever() -> None:
    async def scenario(board: Board, _clock: BenchClock) -> None:
        board.on_rows("hall-a", [reading("m1", NOW_MS + 6 * 60_000), reading("m1", NOW_MS)])
        shown = board.snapshot().meters["m1"].reading
        assert shown is not None
        assert shown.t_ms == NOW_MS
        board.on_rows("hall-a", [reading("m2", NOW_MS + 6 * 60_000)])
        assert "m2" not in board.heard_ms

    in_loop(scenario)


def test_the_past_being_filled_in_is_progress_until_it_reaches_the_present() -> None:
    async def scenario(board: Board, _clock: BenchClock) -> None:
        board.on_stored("hall-a", NOW_MS - 10_000_000)
        board.on_stored("hall-a", NOW_MS - 4_000_000)
        progress = board.snapshot().progress
        assert progress == Progress("catch_up", 6_000_000, 10_000_000, NOW_MS - 10_000_000, NOW_MS - 4_000_000)
        board.on_history(Progress("history", 1, 2))
        assert board.snapshot().progress == Progress("history", 1, 2)
        board.on_history(None)
        board.on_stored("hall-a", NOW_MS)
        assert board.snapshot().progress is None
        assert board.snapshot().store_lag_s == 0
        board.on_stored("hall-a", NOW_MS - 4_000_000)
        board.on_state(EdgeState("hall-a", online=False))
        assert board.snapshot().progress is None, "an edge that is gone fills nothing in"

    in_loop(scenario)


def test_strangers_are_listed_in_bounds_and_news_of_baselines_kept() -> None:
    async def scenario(board: Board, _clock: BenchClock) -> None:
        board.on_rows("hall-a", [reading(f"x{at}", NOW_MS) for at in range(80)])
        assert len(board.snapshot().unlisted) == 50
        board.on_readiness(Readiness("m1", NOW_MS, "learning", 3))
        for at in range(80):
            board.on_advice(Advice("m1", NOW_MS + at, NOW_MS, 2.0, 1.0))
        board.on_broker(connected=True)
        snapshot = board.snapshot()
        assert snapshot.readiness["m1"].valid_days == 3
        assert [snapshot.advice[0].at_ms, len(snapshot.advice)] == [NOW_MS + 30, 50]
        assert snapshot.broker_connected

    in_loop(scenario)


async def silent(pipeline: Pipeline) -> str:
    """Let a meter fall silent and return the id of its alert."""
    clock = pipeline.clock
    assert isinstance(clock, BenchClock)
    clock.at_ms += 3_600_000
    pipeline._ticked_s = -1e9
    await pipeline.cycle([])
    return pipeline.people.alerts()[0].id


def test_an_answer_is_kept_although_the_processor_dies_right_after_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        first, _ = bench(tmp_path, ("m1",))
        await first.begin()
        alert = await silent(first)
        told = await first.people.answer(Answer(alert, "ack", "minh", NOW_MS + 3_600_001, "checking"))
        assert (told.state, told.ack_by) == ("acked", "minh")
        second, _ = bench(tmp_path, ("m1",))
        await second.begin()
        assert second.judge.book[alert].state == "acked"
        await second.cycle([])
        third, _ = bench(tmp_path, ("m1",))
        await third.begin()
        assert third.judge.book[alert].state == "acked"
        assert third.people.journal == 1

    asyncio.run(scenario())


def test_an_answer_that_is_not_possible_is_refused_with_a_sentence_and_not_journaled(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        alert = await silent(pipeline)
        with pytest.raises(Refused):
            await pipeline.people.answer(Answer(alert, "undo", "minh", NOW_MS))
        with pytest.raises(KeyError):
            await pipeline.people.answer(Answer("nobody", "ack", "minh", NOW_MS, "checking"))
        assert pipeline.state.journaled(0) == []

    asyncio.run(scenario())


def test_an_alert_is_stored_as_an_event_and_announced_after_the_commit(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipeline, _ = bench(tmp_path, ("m1",))
        announced: list[str] = []
        pipeline.announce = lambda alerts: announced.extend(alert.id for alert in alerts)
        await pipeline.begin()
        alert = await silent(pipeline)
        assert announced == [alert]
        again, _ = bench(tmp_path, ("m1",))
        await again.begin()
        assert [kept.id for kept in again.people.alerts()] == [alert]

    asyncio.run(scenario())
