"""The state of a meter made again from what is stored is the running one, byte for byte; late readings are judged in their place."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from driftwatt.clock import SystemClock
from driftwatt.errors import Refused, Unavailable
from driftwatt.readings import Quality, Reading
from driftwatt.topics import topic
from driftwatt.wire import CounterFacts, EpochSpan, Hello, HelloMeter, message_bytes, row_bytes, to_bytes
from processors import app
from processors.errands import obey
from processors.pipeline import Pipeline
from processors.ports import Message
from processors.pure import engine
from processors.pure.answers import Change, Told
from processors.pure.outputs import IntervalEnergy
from processors.pure.past import Snapshot, plan_of, stale
from processors.rebuilding import at_once, catch_up, rebuild
from tests.support.plant_bench import EPOCH, NOW_MS, bench, data, policy, reading
from tests.support.store_eyes import stored_rows

_T = TypeVar("_T")
MINUTE, DAY = 60_000, 86_400_000
START = (NOW_MS // DAY - 5) * DAY + 7 * 3_600_000


def course(days: float = 3.0, *, step_ms: int = 5 * MINUTE) -> list[Reading]:
    """Return readings of m1 over some days: a load with shifts, noise, and doubtful values here and there."""
    dice = random.Random(7)
    rows, energy = [], 1e6
    for at in range(int(days * DAY / step_ms)):
        power = (12_000.0 if at % 288 < 150 else 3_000.0) + dice.gauss(0, 400)
        energy += power * step_ms / 3_600_000
        row = Reading("m1", START + at * step_ms, {"active_power": power, "import_energy": round(energy, 1), "voltage_l1": 230.1})
        if at % 97 == 5:
            row = replace(row, values={"active_power": power}, doubt={"import_energy": int(Quality.MISSING)}, clock="unsynced")
        rows.append(row)
    return rows


def messages(rows: Sequence[Reading], first: int = 1, size: int = 60) -> list[Message]:
    return [data(first + at, rows[at : at + size]) for at in range(0, len(rows), size)]


def hello(serial: str, every_ms: int = 5 * MINUTE) -> Message:
    said = HelloMeter("m1", "bus", "profile", "hash", every_ms, serial, {"import_energy": CounterFacts(1e9, 0.1)})
    return Message(topic("hall-a", "hello"), to_bytes(Hello("hall-a", "1", 1, "c", "ntp", (EpochSpan(EPOCH, 1, 9),), (said,))))


async def take(pipeline: Pipeline, sent: Sequence[Message]) -> None:
    for message in sent:
        await pipeline.cycle([message])


def state_bytes(pipeline: Pipeline) -> dict[str, bytes]:
    return engine.parts(pipeline.judge.states["m1"])


def energy(pipeline: Pipeline, kind: str = "15m") -> list[IntervalEnergy]:
    return pipeline.store.intervals(kind, "m1", 0, NOW_MS)


def test_the_state_made_again_from_any_snapshot_is_the_running_one_through_restarts_answers_and_new_words_of_the_edge(
    tmp_path: Path,
) -> None:
    async def live() -> list[tuple[int, bool, int]]:
        sent = messages(course())
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await take(pipeline, [hello("A"), *sent[:5]])
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        told = Told("m1", "base", START, "known", START + 1)
        pipeline.judge._change(Change(pipeline.judge.book, (), (told,)), pipeline.people._answered)
        await take(pipeline, sent[5:8])
        pipeline.clock.at_ms = NOW_MS + 60 * MINUTE  # type: ignore[attr-defined]
        pipeline._ticked_s = -1e9  # silence becomes news
        await pipeline.cycle([])
        await take(pipeline, [hello("B", 10_000), *sent[8:]])
        out = []
        for from_ms in (0, START + DAY + 1, START + 2 * DAY + 1, None):
            done = await rebuild(pipeline, "m1", from_ms=from_ms, between=at_once, compare=True)
            out.append((done.readings, done.equal, done.revised))
        assert {move.what for move in pipeline.state.moves("m1", 0)} == {"answer", "hello", "wake"}
        return out

    found = asyncio.run(live())
    assert [equal for _, equal, _ in found] == [True] * 4
    assert [revised for *_, revised in found] == [0] * 4
    assert found[0][0] == 864
    assert found[0][0] > found[1][0] > found[2][0] > 0


def test_a_state_that_differs_is_told_and_mended(tmp_path: Path) -> None:
    async def live() -> None:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await take(pipeline, messages(course(1.2)))
        right = state_bytes(pipeline)
        wrong = pipeline.judge.states["m1"]
        pipeline.judge.states["m1"] = replace(wrong, energy=wrong.energy._replace(serial="X"))
        assert not (await rebuild(pipeline, "m1", from_ms=None, between=at_once, compare=True)).equal
        assert state_bytes(pipeline) != right
        assert not (await rebuild(pipeline, "m1", from_ms=0, between=at_once)).equal
        assert state_bytes(pipeline) == right
        again, _ = bench(tmp_path, ("m1",))
        await again.begin()
        assert state_bytes(again) == right

    asyncio.run(live())


def in_order(folder: Path, rows: Sequence[Reading]) -> tuple[dict[str, bytes], list[IntervalEnergy], list[IntervalEnergy]]:
    """Return state, quarter-hours and days of a plant that took everything in order."""
    folder.mkdir()
    pipeline, _ = bench(folder, ("m1",))

    async def live() -> None:
        await pipeline.begin()
        await take(pipeline, messages(rows))

    asyncio.run(live())
    return state_bytes(pipeline), energy(pipeline), energy(pipeline, "1d")


def without_rev(intervals: Sequence[IntervalEnergy]) -> list[IntervalEnergy]:
    return [replace(interval, rev=0) for interval in intervals]


def test_late_readings_write_the_next_revision_and_leave_the_state_as_if_they_had_come_in_time(tmp_path: Path) -> None:
    rows = course(2.5)
    late = rows[100:160]
    state, quarters, days = in_order(tmp_path / "in-order", rows)

    async def live() -> Pipeline:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        kept = [row for row in rows if row not in late]
        await take(pipeline, messages(kept))
        assert state_bytes(pipeline) != state
        total = sum(interval.import_wh for interval in energy(pipeline))
        message = message_bytes("hall-a", EPOCH, 1, 500, [row_bytes(row) for row in late], replay=True)
        await pipeline.cycle([Message(topic("hall-a", "d"), message)])
        assert pipeline.judge.redo.late == {"m1": late[0].t_ms}
        again, _ = bench(tmp_path, ("m1",))  # a processor that died in between has not forgotten
        await again.begin()
        assert again.judge.redo.late == {"m1": late[0].t_ms}
        await catch_up(again, "m1", between=at_once)
        assert again.judge.redo.late == {}
        assert sum(interval.import_wh for interval in energy(again)) == pytest.approx(total, abs=1e-6)
        return again

    pipeline = asyncio.run(live())
    assert state_bytes(pipeline) == state
    assert without_rev(energy(pipeline)) == quarters
    assert without_rev(energy(pipeline, "1d")) == days
    revised = [interval for interval in energy(pipeline) if interval.rev]
    assert {interval.rev for interval in revised} == {1}
    assert all(late[0].t_ms - 1_800_000 <= interval.start_ms <= late[-1].t_ms + 300_000 for interval in revised)
    first = [row for row in stored_rows(tmp_path / "store.sqlite3", "energy_15m") if ("rev", 0) in row]
    assert len(first) == len(quarters), "what was written first stays beside its correction"


def test_readings_older_than_the_first_one_are_judged_from_their_own_beginning(tmp_path: Path) -> None:
    rows = course(1.5)
    state, quarters, _ = in_order(tmp_path / "in-order", rows)

    async def live() -> Pipeline:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await take(pipeline, messages(rows[120:]))
        await take(pipeline, messages(rows[:120], first=1 + len(rows) - 120))
        return pipeline

    pipeline = asyncio.run(live())
    asyncio.run(catch_up(pipeline, "m1", between=at_once))
    assert state_bytes(pipeline) == state
    assert without_rev(energy(pipeline)) == quarters
    done = asyncio.run(rebuild(pipeline, "m1", from_ms=0, between=at_once, compare=True))
    assert (done.equal, done.revised, done.readings) == (True, 0, len(rows))


def test_rows_that_were_stored_but_not_judged_are_judged_after_a_gap(tmp_path: Path) -> None:
    """A processor dies between store and commit while the edge gives up those very rows."""
    rows = course(0.5)
    state, *_ = in_order(tmp_path / "in-order", rows)

    async def live() -> Pipeline:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await take(pipeline, messages(rows[:60]))
        pipeline.store.write_readings(rows[60:90])
        again, _ = bench(tmp_path, ("m1",))
        await again.begin()
        await again.cycle([data(91, rows[90:], base=91)])
        assert state_bytes(again) != state
        await catch_up(again, "m1", between=at_once)
        return again

    assert state_bytes(asyncio.run(live())) == state


def test_what_arrives_while_a_state_is_made_again_is_not_passed_over(tmp_path: Path) -> None:
    rows = course(1.0)
    state, *_ = in_order(tmp_path / "in-order", rows)

    async def live() -> Pipeline:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await take(pipeline, messages(rows[:60] + rows[120:280]))

        async def busy(work: Callable[[], Awaitable[_T]]) -> _T:
            # Late rows and newer ones come in after most of the way is gone.
            await take(pipeline, [data(221, rows[60:120]), data(281, rows[280:])])
            return await work()

        pipeline.judge.overdue("m1", rows[70].t_ms)
        await rebuild(pipeline, "m1", from_ms=rows[70].t_ms, between=busy)
        if pipeline.judge.redo.late:
            await catch_up(pipeline, "m1", between=at_once)
        return pipeline

    assert state_bytes(asyncio.run(live())) == state


def lose(folder: Path) -> None:
    for name in folder.glob("state.sqlite3*"):
        name.unlink()


def test_a_plant_that_lost_its_state_file_judges_anew_what_is_stored(tmp_path: Path) -> None:
    rows = course(1.0)
    state, quarters, _ = in_order(tmp_path / "in-order", rows)

    async def live() -> Pipeline:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await take(pipeline, messages(rows[:200]))
        pipeline.state.close()  # type: ignore[attr-defined]
        lose(tmp_path)
        again, _ = bench(tmp_path, ("m1",))
        await again.begin()
        await again.cycle([data(201, rows[200:], base=201)])
        await catch_up(again, "m1", between=at_once)
        return again

    pipeline = asyncio.run(live())
    assert state_bytes(pipeline) == state
    assert without_rev(energy(pipeline)) == quarters


def test_snapshots_thin_out_with_age_and_the_blank_one_stays() -> None:
    days = [Snapshot("m", day * DAY + hour * 3_600_000, 0, "", parts={"energy": b""}) for day in range(70) for hour in (1, 9)]
    blank = Snapshot("m", -1, 0, "")
    gone = set(stale([blank, *days]))
    kept = [each.t_ms for each in [blank, *days] if each.t_ms not in gone]
    assert kept[0] == -1
    assert [t_ms // DAY for t_ms in kept[-3:]] == [67, 68, 69]
    assert len(kept) == 1 + 3 + 5
    assert all(later - earlier <= 13 * DAY for earlier, later in pairwise(kept[1:]))


def test_a_plan_has_the_same_name_in_every_process_and_another_when_anything_in_it_changes() -> None:
    one = policy("m1")
    assert plan_of(one) == plan_of(policy("m1"))
    assert plan_of(replace(one, every_ms=1, serial="x")) == plan_of(one), "an edge's word is no plan"
    assert plan_of(replace(one, ct_ratio=40.0)) != plan_of(one)
    assert reading("m1", 1).values


PLANT = """
[plant]
id = "p"
name = "P"
timezone = "Asia/Ho_Chi_Minh"
data_dir = "data"

[broker]
url = "mqtt://127.0.0.1:1"

[store]
kind = "sqlite"

[tariff]
use = "vn-2025-manufacturing-22-110kv"
schedule = "vn-963-2026"
vat = 0.08
currency = "VND"

[factors]
use = "vn-grid"

[calendar]
use = "two-shift"

[[meter]]
id = "m1"
edge = "hall-a"
name = "One"
kind = "incomer"
ct_ratio = 1.0
"""


def driftwatt(*words: object) -> tuple[int, list[dict[str, object]]]:
    done = subprocess.run(
        [sys.executable, "-m", "driftwatt", *map(str, words), "--json"], capture_output=True, text=True, check=False, timeout=60
    )
    assert not done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_a_corrected_ratio_and_rebuild_write_the_next_revision_and_leave_readings_alone(tmp_path: Path) -> None:
    file = tmp_path / "plant.toml"
    file.write_text(PLANT)
    folder = tmp_path / "data" / "plant-p"
    folder.mkdir(parents=True)

    async def live() -> list[IntervalEnergy]:
        pipeline, _ = bench(folder, ("m1",), owners={"m1": "hall-a"})
        await pipeline.begin()
        await take(pipeline, messages(course(0.6)))
        return energy(pipeline)

    before = asyncio.run(live())
    code, told = driftwatt("rebuild", file, "--from", "2020-01-01")
    assert (code, told[0]["revised"]) == (0, len(before) + len(before) // 4 + 1), "now they have the prices of the file"
    code, told = driftwatt("rebuild", file, "--compare", "--from", "2020-01-01")
    assert (code, told[0]["equal"], told[0]["readings"]) == (0, True, 172)
    file.write_text(PLANT.replace("ct_ratio = 1.0", "ct_ratio = 40.0"))
    code, told = driftwatt("rebuild", file, "--compare", "--from", "2020-01-01")
    assert (code, told[0]["revised"], told[-1]["equal"]) == (1, len(before) + len(before) // 4 + 1, False)
    assert driftwatt("rebuild", file, "--from", "2020-01-01")[0] == 0
    assert driftwatt("rebuild", file, "--compare", "--from", "2020-01-01")[0] == 0
    pipeline, _ = bench(folder, ("m1",))
    after = energy(pipeline)
    assert [interval.rev for interval in after] == [2] * len(before)
    assert [interval.import_wh for interval in after] == pytest.approx([interval.import_wh * 40 for interval in before])
    assert pipeline.store.whole_readings("m1", 0, NOW_MS, 1)[0].values["active_power"] == course(0.01)[0].values["active_power"]


AWAY = """kind = "influxdb"
url = "http://127.0.0.1:1"
org = "o"
bucket = "b"
"""


@pytest.mark.parametrize("late", [False, True])
def test_a_store_that_is_away_ends_a_rebuild_without_a_daemon_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    file = tmp_path / "plant.toml"
    file.write_text(PLANT.replace('kind = "sqlite"\n', AWAY))
    folder = tmp_path / "data" / "plant-p"
    folder.mkdir(parents=True)

    async def live() -> None:
        pipeline, _ = bench(folder, ("m1",), owners={"m1": "hall-a"})
        await pipeline.begin()
        await take(pipeline, messages(course(0.2)))
        if late:
            pipeline.judge.overdue("m1", START)
            await pipeline.cycle([])

    asyncio.run(live())
    monkeypatch.setattr(app, "ALONE_S", 1.5)
    request = {"do": "rebuild", "meters": ["m1"], "from_ms": None, "compare": True}
    with pytest.raises(Unavailable, match=r"the store cannot be used, given up after [12] s: http://127\.0\.0\.1:"):
        app.errand(file, request, clock=SystemClock())


def test_a_daemon_whose_store_is_away_says_so_at_once(tmp_path: Path) -> None:
    pipeline, _ = bench(tmp_path, ("m1",))
    pipeline.storing.trouble = "no route"
    with pytest.raises(Refused, match="no route"):
        asyncio.run(obey(pipeline, {"do": "rebuild", "meters": ["m1"], "compare": True}, at_once))
