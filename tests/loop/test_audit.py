"""What people did stays on record, bounded, beside the answers that stay for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from driftwatt.errors import Refused
from processors import errands
from processors.adapters import records, state
from processors.adapters.state import SqliteState
from processors.pure.board import Answer
from processors.pure.commit import Deed
from processors.rebuilding import at_once
from tests.support.plant_bench import NOW_MS, bench, data, reading


def test_what_commands_did_is_told_and_what_only_looked_is_not(tmp_path: Path) -> None:
    async def main() -> None:
        pipeline, _ = bench(tmp_path, ("m1",))
        await pipeline.begin()
        await pipeline.cycle([data(1, [reading("m1", NOW_MS - 1000), reading("m9", NOW_MS)])])
        for request in (
            {"do": "drop", "reasons": ["unknown_meter"]},
            {"do": "rebuild", "meters": ["m1"], "compare": True},
            {"do": "rebuild", "meters": ["m1"]},
        ):
            await errands.obey(pipeline, request, at_once)
        with pytest.raises(Refused):
            await errands.obey(pipeline, {"do": "format"}, at_once)

    asyncio.run(main())
    deeds = records.deeds(tmp_path / "state.sqlite3", 0)
    assert [(deed.who, deed.what) for deed in deeds] == [("command", "drop"), ("command", "rebuild")]
    assert '"dropped":1' in deeds[0].detail


def test_answers_are_on_record_and_the_oldest_deeds_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "AUDIT_ROWS", 10)
    file = SqliteState(tmp_path / "state.sqlite3")
    for number in range(25):
        file.audit(Deed(number, "minh", "signed_in"))
    file.journal(Answer("a1", "ack", "minh", 99, reason="known"))
    file.close()
    deeds = records.deeds(tmp_path / "state.sqlite3", 0)
    assert len(deeds) == 10
    assert deeds[-1] == Deed(99, "minh", "alert_ack", "a1 known")
