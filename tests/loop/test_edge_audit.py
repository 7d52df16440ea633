"""What happens to an edge stays on record there, in bounds, and its plant hears of it once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from collector.adapters import deeds as audit_file
from collector.adapters.deeds import Deeds, read_deeds
from collector.pure.grouping import QUIET_S
from collector.stamps import Stamps
from driftwatt.topics import topic
from driftwatt.wire import EdgeDeed, EdgeState, live_bytes, row_bytes, to_bytes
from processors.adapters import records
from processors.ports import Message
from processors.pure.edge_deeds import MAX_A_DAY
from tests.support.plant_bench import NOW_MS, BenchClock, Mailbox, bench, reading

STEP = EdgeDeed(NOW_MS, "clock_step", "the clock was set -3600.0 s")


class HandClock(BenchClock):
    """Both times are set by hand."""

    mono_s = 0.0

    def monotonic_s(self) -> float:
        return self.mono_s

    def wait(self, seconds: float) -> None:
        self.mono_s += seconds
        self.at_ms += round(seconds * 1000)


class Gate(asyncio.Event):
    """Tells when somebody waits at it in vain: what came before is done."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = asyncio.Event()

    async def wait(self) -> Literal[True]:
        if not self.is_set():
            self.idle.set()
        return await super().wait()


class Shown(Mailbox):
    """Messages of the lane that is shown."""

    def __init__(self, gate: Gate, *messages: Message) -> None:
        super().__init__()
        self.waiting = list(messages)
        self.shown_waiting = gate
        gate.set()

    def shown(self) -> list[Message]:
        taken, self.waiting = self.waiting, []
        self.shown_waiting.clear()
        return taken


def state(edge: str, *deeds: EdgeDeed, says: str = "") -> Message:
    return Message(topic(edge, "state"), to_bytes(EdgeState(says or edge, online=True, deeds=deeds)))


def shown(folder: Path, *messages: Message, owners: dict[str, str | None] | None = None) -> None:
    """Have a processor that starts in `folder` show these messages."""

    async def main() -> None:
        pipeline, _ = bench(folder, ("m1",), owners=owners)
        await pipeline.begin()
        gate = Gate()
        pipeline.mail = Shown(gate, *messages)
        running = asyncio.create_task(pipeline.run())
        await gate.idle.wait()
        pipeline.stop()
        await running
        assert owners is None or pipeline.board.snapshot().meters["m1"].reading is None
        assert set(pipeline.board.snapshot().edges) <= {"hall-a", "mad"}
        pipeline.state.close()  # type: ignore[attr-defined]

    asyncio.run(main())


def told(folder: Path) -> list[tuple[str, str, str]]:
    return [(deed.who, deed.what, deed.detail) for deed in records.deeds(folder / "state.sqlite3", 0)]


def test_every_step_of_the_clock_is_noticed_in_both_directions_and_small_corrections_are_not() -> None:
    clock, steps = HandClock(), list[float]()
    stamps = Stamps(clock, lambda: True, on_step=steps.append)
    for moved_ms in (0, 200, 3_600_000, 0, -7_200_000, -400, 0):
        clock.wait(10)
        clock.at_ms += moved_ms
        stamps()
    assert steps == [3600.0, -7200.0]
    assert stamps.steps == 2


def test_a_flood_of_one_kind_is_one_line_at_once_and_then_a_number_every_minute(tmp_path: Path) -> None:
    clock = HandClock()
    deeds = Deeds(tmp_path, clock)
    for at in range(1000):
        deeds.note("ack_refused", f"number {at}")
    deeds.note("clock_step", "the clock was set +9.0 s")
    assert [deed.what for deed in deeds.newest()] == ["ack_refused", "clock_step"]
    clock.wait(QUIET_S)
    assert deeds.newest()[-1].detail == "999 more within a minute, the last: number 999"
    assert read_deeds(tmp_path) == list(deeds.newest())


def test_the_record_is_bounded_and_a_torn_line_is_left_out_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_file, "KEPT", 10)
    clock = HandClock()
    deeds = Deeds(tmp_path, clock)
    for at in range(35):
        clock.wait(QUIET_S)
        deeds.note("clock_step", str(at))
    assert [deed.detail for deed in read_deeds(tmp_path)] == [str(at) for at in range(20, 35)]
    with (tmp_path / audit_file.FILE).open("a", encoding="utf-8") as file:
        file.write('{"at_ms": 1, "wha')
    again = Deeds(tmp_path, clock)
    clock.wait(QUIET_S)
    again.note("clock_step", "35")
    assert [deed.detail for deed in read_deeds(tmp_path)][-3:] == ["33", "34", "35"]


def test_the_plant_keeps_what_an_edge_tells_once_also_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        shown(tmp_path, state("hall-a", STEP), state("hall-a", STEP))
    assert told(tmp_path) == [("edge hall-a", "clock_step", "2030-03-17T17:46:40.000Z by its clock: the clock was set -3600.0 s")]


def test_a_mad_edge_does_not_fill_the_record_of_the_plant(tmp_path: Path) -> None:
    shown(tmp_path, *(state("mad", EdgeDeed(NOW_MS + at, "ack_refused", "x")) for at in range(100)))
    assert len(told(tmp_path)) == MAX_A_DAY


def test_what_an_edge_says_of_another_or_of_its_meters_is_not_heard(tmp_path: Path) -> None:
    live = Message(topic("mad", "live"), live_bytes("mad", [row_bytes(reading("m1", NOW_MS))]))
    shown(tmp_path, state("mad", STEP, says="hall-b"), live, owners={"m1": "hall-a"})
    assert told(tmp_path) == []


def test_the_plant_notices_that_its_own_clock_was_set(tmp_path: Path) -> None:
    async def main() -> None:
        clock = HandClock()
        pipeline, _ = bench(tmp_path, ("m1",), clock=clock)
        await pipeline.begin()
        for moved_ms in (0, 0, -3_600_000, 0):
            clock.wait(5)
            clock.at_ms += moved_ms
            await pipeline.cycle([])
        pipeline.state.close()  # type: ignore[attr-defined]

    asyncio.run(main())
    assert told(tmp_path) == [("processor", "clock_step", "the clock was set -3600.0 s")]
