"""A bus task on lines that lose their step, with meters that lack registers, are busy or dead."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from collector.adapters.findings import FILE, Findings
from collector.adapters.links import open_bus
from collector.poller import BusPoller, Search
from collector.pure.absent import Found, Survey
from collector.pure.sentinel import sentinels
from config.edge import Meter
from config.profiles import Profile
from driftwatt.clock import SystemClock
from driftwatt.readings import ClockState, FailedPoll, Reading, Row
from tests.support.sick_slave import Answer, Asked, SickSlave, body, on_pty, on_tcp, well

PROFILE = Profile.model_validate(
    {
        "maker": "Test", "model": "T", "sources": ["none"], "verification": "unconfirmed",
        "limits": {"bridge": [[12, 19]]},
        "identify": {"kind": "holding", "address": 500, "expect": 9},
        "register": [
            {"quantity": "voltage_l1", "kind": "input", "address": 10, "type": "uint16", "unit": "V"},
            {"quantity": "voltage_l2", "kind": "input", "address": 11, "type": "uint16", "unit": "V"},
            {"quantity": "active_power", "kind": "input", "address": 20, "type": "uint16", "unit": "W"},
            {"quantity": "frequency", "kind": "input", "address": 21, "type": "uint16", "unit": "Hz"},
        ],
    }
)  # fmt: skip
PROFILES = {"t": PROFILE}
ALL = {"voltage_l1", "voltage_l2", "active_power", "frequency"}


class Kept:
    def __init__(self) -> None:
        self.rows: list[Row] = []

    async def accept(self, rows: Sequence[Row]) -> None:
        self.rows += rows

    def good(self, unit: int = 1) -> list[Reading]:
        return [row for row in self.rows if isinstance(row, Reading) and row.meter == f"m{unit}"]

    def failed(self, unit: int = 1) -> list[str]:
        return [row.reason for row in self.rows if isinstance(row, FailedPoll) and row.meter == f"m{unit}"]


def stamps() -> tuple[int, ClockState]:
    return SystemClock().now_ms(), "ok"


def meter(unit: int, every: str = "200ms") -> Meter:
    return Meter.model_validate({"id": f"m{unit}", "unit": unit, "profile": "t", "every": every})


Until = Callable[[BusPoller, Kept, SickSlave], bool]


def poll(
    answer: Answer, units: Sequence[int], until: Until, *, kind: str = "pty", folder: Path | None = None
) -> tuple[Any, Kept, SickSlave]:
    """Run a bus task against a slave until something has happened."""

    async def scene() -> tuple[Any, Kept, SickSlave]:
        async with place(kind, answer) as (slave, url):
            link, kept = open_bus(url, timeout_s=0.15), Kept()
            meters = [meter(unit) for unit in units]
            findings = Findings(folder) if folder else None
            known = {each.id: findings.of("line-1", each.unit, "hash") if findings else Found() for each in meters}
            surveys = {each.id: Survey(each, PROFILE, None, shared=link.shared) for each in meters}

            def remember(name: str, found: Found) -> None:
                if findings:
                    findings.remember("line-1", int(name[1:]), "hash", found)

            poller = BusPoller(
                "line-1", link, [surveys[each.id].plan(known[each.id]) for each in meters], clock=SystemClock(), sink=kept, stamps=stamps,
                sentinels=sentinels(meters, PROFILES), search=Search(surveys, remember, known),
            )  # fmt: skip
            task = asyncio.create_task(poller.run())
            async with asyncio.timeout(25):
                while not until(poller, kept, slave):  # noqa: ASYNC110 – what is waited for may be any state
                    await asyncio.sleep(0.01)
                poller.stop()
                await task
            return poller, kept, slave

    return asyncio.run(scene())


@asynccontextmanager
async def place(kind: str, answer: Answer) -> Any:
    if kind == "pty":
        async with on_pty(answer) as (slave, port):
            yield slave, f"rtu://{port}?baud=115200&format=8N1"
    else:
        async with on_tcp(answer) as (slave, address):
            yield slave, f"rtu-tcp://{address}"


def constant(asked: Asked, value: int = 9) -> bytes:
    """Answer like a meter whose identity stays, whatever the turn."""
    return body(asked.unit, asked.function, [value] * asked.count) if asked.address == 500 else asked.reply()


def lacks(*absent: int) -> Answer:
    def answer(asked: Asked) -> Iterable[tuple[float, bytes]]:
        asked_for = range(asked.address, asked.address + asked.count)
        return [(0.0, asked.refusal(2) if any(at in asked_for for at in absent) else constant(asked))]

    return answer


def steady(asked: Asked) -> Iterable[tuple[float, bytes]]:
    return [(0.0, constant(asked))]


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_each_cycle_ends_with_one_sentinel_that_takes_turns_over_the_units(kind: str) -> None:
    seen: list[Asked] = []

    def answer(asked: Asked) -> Iterable[tuple[float, bytes]]:
        seen.append(asked)
        return [(0.0, constant(asked))]

    poll(answer, [1, 2, 3], lambda _, kept, __: len(kept.good(1)) >= 9, kind=kind)  # the first cycles catch up, and share one
    asked = [each.unit for each in seen if each.address == 500]
    assert len(asked) >= 6
    assert set(asked[:3]) == {1, 2, 3}
    assert abs(len(asked) - len(seen) / 4) <= 2


def test_a_sentinel_that_says_something_else_costs_the_whole_cycle_and_the_connection() -> None:
    turned: list[int] = []

    def answer(asked: Asked) -> Iterable[tuple[float, bytes]]:
        if asked.address == 500 and len(turned) < 5:
            turned.append(asked.turn)
        return [(0.0, constant(asked, 9 if len(turned) != 5 else 77))]

    def until(_: BusPoller, kept: Kept, __: SickSlave) -> bool:
        return bool(kept.failed(1)) and len(kept.good(1)) >= 6

    poller, kept, _ = poll(answer, [1, 2], until)
    assert set(kept.failed(1)) == set(kept.failed(2)) == {"mismatch"}
    assert poller.meters()[0].state == "ok"


def test_a_register_that_is_not_there_is_found_named_and_left_out_once_for_all(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    poller, kept, _ = poll(
        lacks(11), [1], lambda _, kept, __: any(set(row.values) == ALL - {"voltage_l2"} for row in kept.good()), folder=tmp_path
    )
    assert "m1 (unit 1): register 0x000B (voltage_l2) is not there" in caplog.text
    assert poller.meters()[0].absent == ("0x000B (voltage_l2)",)
    assert json.loads((tmp_path / FILE).read_text()) == {"line-1/1/hash": {"absent": ["voltage_l2"], "narrow": False}}

    caplog.clear()
    poller, kept, _ = poll(lacks(11), [1], lambda _, kept, __: len(kept.good()) >= 3, folder=tmp_path)
    assert all(set(row.values) == ALL - {"voltage_l2"} for row in kept.good())
    assert kept.failed() == []
    assert poller.meters()[0].absent == ("0x000B (voltage_l2)",)
    assert "not there" not in caplog.text


def test_a_hole_that_must_not_be_read_across_is_found_too(tmp_path: Path) -> None:
    poll(lacks(15), [1], lambda _, kept, __: any(set(row.values) == ALL for row in kept.good()), folder=tmp_path)
    assert json.loads((tmp_path / FILE).read_text()) == {"line-1/1/hash": {"absent": [], "narrow": True}}


def test_a_findings_file_that_is_damaged_costs_another_search_and_nothing_else(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"a": 1}', '{"a": {"absent": 3, "narrow": 0}}', "[" * 100_000):
        (tmp_path / FILE).write_text(text)
        assert Findings(tmp_path).of("line-1", 1, "hash") == Found()


def test_a_busy_meter_is_left_alone_and_the_others_are_not() -> None:
    def answer(asked: Asked) -> Iterable[tuple[float, bytes]]:
        return [(0.0, asked.refusal(6) if asked.unit == 1 else constant(asked))]

    poller, kept, _ = poll(answer, [1, 2], lambda _, kept, __: len(kept.good(2)) >= 12)
    busy, fine = poller.meters()
    assert set(kept.failed(1)) == {"exception_6"}
    assert len(kept.failed(1)) <= 3
    assert busy.beside["busy"] >= 5
    assert fine.state == "ok"


def test_a_dead_unit_on_a_serial_line_is_never_taken_for_a_lost_line_and_is_probed_with_one_request() -> None:
    asked_dead: list[Asked] = []

    def answer(asked: Asked) -> Iterable[tuple[float, bytes]]:
        if asked.unit == 1:
            asked_dead.append(asked)
            return []
        return [(0.0, constant(asked))]

    poller, kept, _ = poll(answer, [1, 2], lambda poller, kept, _: len(asked_dead) >= 4 and len(kept.good(2)) >= 20)
    assert poller.connected is False  # closed by stop
    assert poller.meters()[0].state == "silent"
    assert kept.failed(2) == []
    assert set(kept.failed(1)) == {"timeout"}


def test_a_meter_that_is_alone_and_dead_does_not_close_the_port(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    poll(lambda asked: [], [1], lambda _, kept, slave: slave.turn >= 4)
    assert "connecting again" not in caplog.text


def test_rows_that_wait_for_their_proof_are_handed_over_when_the_task_is_told_to_stop() -> None:
    _, kept, _ = poll(well, [1], lambda _, __, slave: slave.turn >= 2)
    assert kept.rows
