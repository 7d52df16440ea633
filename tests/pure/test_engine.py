"""The engine's four functions, and its state as bytes."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from driftwatt.errors import WireError
from driftwatt.readings import Reading
from processors.pure import engine
from processors.pure.calendar import DayCalendar, day_start_ms
from processors.pure.outputs import DataFinding, ExpectedPower, IntervalEnergy, Output, Readiness
from processors.pure.policy import MeterPolicy
from processors.pure.settings import Settings

HCM = ZoneInfo("Asia/Ho_Chi_Minh")
MINUTE, QUARTER, DAY = 60_000, 900_000, 86_400_000
DAY0 = day_start_ms(HCM, date(2026, 3, 2))
CALENDAR = DayCalendar(HCM)
POLICY = MeterPolicy("m", "s", HCM, CALENDAR, Settings("m", HCM, CALENDAR), max_power_w=100_000.0)


def fed(days: float, state: engine.State | None = None, *, from_ms: int = DAY0) -> tuple[engine.State, list[Output]]:
    """Feed a plain two-shift load, one reading per quarter-hour."""
    state, outputs = state or engine.begin("m", POLICY), list[Output]()
    for i in range(int(days * 96)):
        t_ms = from_ms + i * QUARTER
        hour = (t_ms - DAY0) // 3_600_000 % 24
        counted: float = (t_ms - DAY0) // DAY * 496_000 + sum(30_000 if 6 <= h < 22 else 2000 for h in range(hour))
        counted += ((t_ms - DAY0) % 3_600_000) / 3_600_000 * (30_000 if 6 <= hour < 22 else 2000)
        state, told = engine.on_reading(state, Reading("m", t_ms, {"import_energy": 1e6 + counted}), POLICY)
        outputs += told
    return state, outputs


def test_quarter_hours_reach_the_detector_and_its_words_come_out() -> None:
    state, outputs = fed(20)
    assert sum(isinstance(output, IntervalEnergy) and output.kind == "1d" for output in outputs) == 19
    assert any(isinstance(output, ExpectedPower) for output in outputs), "after 14 days a schedule is learned"
    assert any(isinstance(output, Readiness) for output in outputs)
    assert state.detector != engine.begin("m", POLICY).detector


def test_the_detector_is_the_same_object_while_no_interval_closes() -> None:
    state, _ = fed(1)
    again, outputs = engine.on_reading(state, Reading("m", DAY0 + DAY - QUARTER + MINUTE, {"import_energy": 1_495_600.0}), POLICY)
    assert outputs == ()
    assert again.detector is state.detector


def test_a_state_comes_back_from_its_parts_bit_for_bit() -> None:
    state, _ = fed(3)
    stored = engine.parts(state)
    assert set(stored) == {"energy", "detector"}
    assert stored["energy"] == engine.energy_part(state)
    back = engine.restore(stored)
    assert engine.parts(back) == stored
    assert fed(2, back, from_ms=DAY0 + 3 * DAY)[1] == fed(2, state, from_ms=DAY0 + 3 * DAY)[1]
    with pytest.raises(WireError):
        engine.restore({"energy": stored["energy"][:-1], "detector": stored["detector"]})


def test_nothing_is_awaited_before_the_first_reading() -> None:
    assert engine.wake_at(engine.begin("m", POLICY)) is None


def test_silence_becomes_news_at_the_instant_that_was_asked_for() -> None:
    state, _ = fed(0.1)
    wake_ms = engine.wake_at(state)
    assert wake_ms == DAY0 + 8 * QUARTER + 20 * MINUTE
    assert engine.on_wake(state, wake_ms - 1, POLICY)[1] == ()
    silent, outputs = engine.on_wake(state, wake_ms, POLICY)
    assert [(type(output), output.state) for output in outputs if isinstance(output, DataFinding)] == [(DataFinding, "opened")]
    assert engine.wake_at(silent) is None
    assert silent.detector is state.detector


def test_an_answer_to_nothing_changes_no_energy() -> None:
    state, _ = fed(1)
    after, outputs = engine.answer(state, POLICY, channel="base", since_ms=0, what="known", at_ms=DAY0)
    assert after.energy == state.energy
    assert outputs == ()
