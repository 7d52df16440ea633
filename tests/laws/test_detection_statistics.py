"""What detection reaches on seeded synthetic loads: short forms of the campaign in docs/detection.md.

Base 10–40 kW, running part 40–120 kW, 5 or 6 working days, daily AR(1) drift with ρ 0.5 and σ 4 %, noise of the
quarter-hours 12 % (6 % of the hours). Faults begin on day 45. These loads have no unexplained drift of their
own: real ones are harder.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import pytest

from processors.pure import detector
from processors.pure.detector import Settings
from processors.pure.hours import HOUR_MS
from processors.pure.outputs import Advice, DataFinding, ExpectedPower, IntervalEnergy, Output, Readiness, WasteFinding
from tests.support.loads import DAY_MS, MONDAY_MS, SETTINGS, ZONE, Fault, Load, PlainCalendar, nights_on, step, waste, watch

ONSET = 45
METERS = 8


def meter(seed: int, quarters: int = 4) -> Load:
    """Return a meter with hourly intervals: hours are what detection works on."""
    rng = random.Random(1000 + seed)
    base, run = rng.uniform(10, 40), rng.uniform(40, 120)
    return Load(seed, base, 0.12 * base, base + run, 0.12 * (base + run), drift=0.04, workdays=rng.choice((5, 6)), quarters=quarters)


def mean_kw(load: Load) -> float:
    share = load.workdays * 16 / 168
    return load.night * (1 - share) + load.run * share


@cache
def clean(seed: int) -> list[Output]:
    return watch(meter(seed).intervals(ONSET + 30))[1]


def answered(load: Load, days: int, fault: Fault | None = None) -> list[Output]:
    """Return what is said of a load whose alarms before the onset were answered: a waiting one would hide the fault."""
    rows = list(load.intervals(ONSET + days, fault) if fault else load.intervals(ONSET + days))
    before = [row for row in rows if row.start_ms < MONDAY_MS + ONSET * DAY_MS]
    state, said = watch(before)
    for finding in waste(said):
        state, _ = detector.answer(state, SETTINGS, finding.channel, finding.since_ms, "known", finding.at_ms)
    return [*said, *watch(rows[len(before) :], state=state)[1]]


def first_alarm(seed: int, fault: Fault, days: int) -> float | None:
    """Return days from the onset to the first alarm that the clean twin does not raise too."""
    twins = {finding.at_ms for finding in waste(answered(meter(seed), 30))}
    for finding in waste(answered(meter(seed), days, fault)):
        delay = (finding.at_ms - MONDAY_MS) / DAY_MS - ONSET
        if delay > 0 and not any(abs(finding.at_ms - other) < DAY_MS for other in twins):
            return delay
    return None


def found_within(limit: float, faults: list[Fault]) -> float:
    delays = [first_alarm(seed, fault, round(limit) + 1) for seed, fault in enumerate(faults)]
    return sum(delay is not None and delay <= limit for delay in delays) / len(faults)


def test_clean_meters_are_quiet() -> None:
    months = METERS * (ONSET + 30 - 28) / 30.4
    alarms = sum(len(waste(clean(seed))) for seed in range(METERS))
    assert alarms / months <= 0.2
    assert not any(isinstance(each, DataFinding) for seed in range(METERS) for each in clean(seed))


def test_a_step_of_a_fifth_of_the_base_is_found_in_two_weeks() -> None:
    assert found_within(14, [step(0.2 * meter(seed).night, ONSET) for seed in range(METERS)]) >= 0.9


def test_a_tenth_of_the_mean_left_on_at_night_is_found_in_two_weeks() -> None:
    assert found_within(14, [nights_on(0.1 * mean_kw(meter(seed)), ONSET) for seed in range(METERS)]) >= 0.9


def _weekend(kw: float) -> Fault:
    first = ONSET + (5 - ONSET % 7) % 7 + 22 / 24
    return lambda day, _usual, running: kw if first <= day < first + 1.3 and not running else 0.0


def test_one_weekend_left_on_is_found_by_monday() -> None:
    days = 7.0
    assert found_within(days, [_weekend(0.5 * (meter(seed).run - meter(seed).night)) for seed in range(METERS)]) >= 0.9


def test_the_compressor_of_the_demo_is_found_within_a_week_and_one_weekend() -> None:
    """Nights of 4.1 kW ± 0.3 get 7 kW more from the evening of day 46 on."""
    _, said = watch(Load(7).intervals(56, nights_on(7.0, 46 + 22 / 24)))
    finding = waste(said)[0]
    assert finding.channel == "off"
    assert (finding.at_ms - MONDAY_MS) / DAY_MS - 46.9 < 7
    assert finding.since_ms == MONDAY_MS + 46 * DAY_MS + 22 * HOUR_MS
    assert finding.expected_kw == pytest.approx(4.1, abs=0.3)
    assert finding.actual_kw == pytest.approx(11.1, abs=0.4)
    last = waste(said, "updated")[-1]
    truth = 7.0 * sum(1 for day in range(46, 55) for hour in range(24) if _idle(day, hour))
    assert last.kwh.value == pytest.approx(truth, rel=0.05)
    assert last.kwh.low <= truth <= last.kwh.high


def test_waste_is_said_to_have_begun_in_the_first_hour_that_exceeded() -> None:
    def told(seed: int, fault: Fault) -> float:
        return (waste(watch(Load(seed).intervals(56, fault))[1])[0].since_ms - MONDAY_MS) / HOUR_MS

    assert [told(seed, nights_on(5.0, 43 + 22 / 24)) for seed in range(6)] == [43 * 24 + 22] * 6
    assert [told(seed, step(6.0, 43 + 10 / 24)) for seed in range(3)] == [43 * 24 + 22] * 3, "the first that its channel looks at"


def test_energy_of_a_day_is_that_of_a_whole_week_however_young_an_event_is() -> None:
    """A shop of five days, whose running hours draw more from a Monday on: Thursday's event has seen no free day yet."""

    def more(day: float, _usual: float, running: bool) -> float:  # noqa: FBT001 – a Fault
        return 10.0 if running and day >= 133 else 0.0

    told = [each for each in watch(Load(7, workdays=5).intervals(154, more))[1] if isinstance(each, WasteFinding)]
    assert told[0].at_ms - MONDAY_MS < 138 * DAY_MS
    assert [each.daily_kwh for each in told] == pytest.approx([10.0 * 16 * 5 / 7] * len(told), rel=0.15)
    assert all(each.days <= (each.at_ms - MONDAY_MS) // DAY_MS - 133 + 1 for each in told), "no day before the first hour counts"


def _idle(day: int, hour: int) -> bool:
    return (day % 7 == 6 or not 6 <= hour < 22) and day + hour / 24 >= 46 + 22 / 24


def test_one_odd_night_and_the_weekend_after_it_are_advice_only_for_the_night() -> None:
    def one_night(day: float, _usual: float, running: bool) -> float:  # noqa: FBT001 – a Fault
        return 7.0 if 47.9 <= day < 48.6 and not running else 0.0

    said = [watch(Load(seed).intervals(56, one_night))[1] for seed in range(5, 13)]
    assert sum(bool(waste(each)) for each in said) <= 2
    assert [round(each.actual_kw) for each in said[0] if isinstance(each, Advice)] == [11]


def _stop(load: Load) -> Fault:
    return lambda day, usual, running: load.night - usual if running and ONSET <= day < ONSET + 9 else 0.0


def test_a_nine_day_stop_is_no_waste_announced_or_not() -> None:
    for announced in (False, True):
        days = [date(2026, 7, 6) + timedelta(days=ONSET + n) for n in range(9)]
        settings = Settings("m", ZONE, PlainCalendar(frozenset(days if announced else [])))
        for seed in range(3):
            load = meter(seed)
            _, said = watch(load.intervals(ONSET + 23, _stop(load)), settings)
            assert len(waste(said)) <= len(waste(clean(seed)))


def test_a_gap_of_three_days_is_no_waste_and_its_catch_up_energy_no_jump() -> None:
    load = meter(2)
    rows = [each for each in load.intervals(ONSET + 20) if not ONSET <= (each.start_ms - MONDAY_MS) / DAY_MS < ONSET + 3]
    back = next(n for n, each in enumerate(rows) if each.start_ms >= MONDAY_MS + (ONSET + 3) * DAY_MS)
    rows[back] = IntervalEnergy("m", "15m", rows[back].start_ms, rows[back].end_ms, 5e6, quality=32)
    _, said = watch(rows)
    assert len(waste(said)) <= len(waste(clean(2)))
    assert not any(isinstance(each, DataFinding) for each in said)


def test_a_reading_fifty_times_too_large_is_a_data_event_and_teaches_nothing() -> None:
    rows = list(meter(3).intervals(ONSET + 2))
    spike = ONSET * 24 + 10
    absurd = [*rows]
    absurd[spike] = replace(rows[spike], import_wh=rows[spike].import_wh * 50)
    state, said = watch(absurd)
    assert [each.reason for each in said if isinstance(each, DataFinding) and each.state == "opened"] == ["jump"]
    blind, _ = watch([*rows[:spike], *rows[spike + 1 :]])
    assert state.memory.charts == blind.memory.charts


def test_a_fault_that_is_mended_resolves_and_its_energy_is_right() -> None:
    for seed in (0, 1):
        load = meter(seed)
        kw = 0.3 * load.night
        _, said = watch(load.intervals(ONSET + 62, step(kw, ONSET, ONSET + 40)))
        closed = waste(said, "closed")
        assert [each.reason for each in closed] == ["resolved"]
        assert (closed[0].at_ms - MONDAY_MS) / DAY_MS - ONSET - 40 <= 14
        assert closed[0].kwh.value == pytest.approx(40 * 24 * kw, rel=0.25)


def test_known_waste_goes_on_counting_and_a_new_normal_is_learned() -> None:
    load = Load(11)
    state, said = watch(load.intervals(ONSET + 12, step(5.0, ONSET)))
    event = waste(said)[-1]
    for what in ("known", "new_normal"):
        told, outputs = detector.answer(state, SETTINGS, event.channel, event.since_ms, what, event.at_ms)
        rest = [each for each in load.intervals(ONSET + 45, step(5.0, ONSET)) if each.start_ms >= MONDAY_MS + (ONSET + 12) * DAY_MS]
        after, later = watch(rest, state=told)
        assert not waste(later), "the chart is ready for the next change and finds none"
        if what == "known":
            assert [each.state for each in waste(outputs, "answered")] == ["answered"]
            assert waste(later, "updated")[-1].kwh.value == pytest.approx(44 * 24 * 5.0, rel=0.1)
        else:
            assert waste(outputs, "closed")[0].reason == "new_normal"
            assert after.events == ()
            band = [each for each in later if isinstance(each, ExpectedPower)][-96:]
            assert band[8].w == pytest.approx(9100, rel=0.1)


def test_waste_that_was_answered_as_known_is_not_told_again() -> None:
    """The days before it, of which a chart's run may hold many, do not hold its baseline down."""
    for seed in range(12):
        rows = list(Load(seed, quarters=4).intervals(ONSET + 20, nights_on(2.5, ONSET)))
        state, said = watch(rows[: (ONSET + 14) * 24])
        first = waste(said)[-1]
        open_for = next(n for n, row in enumerate(rows) if row.start_ms >= first.at_ms + 72 * HOUR_MS)
        state, said = watch(rows[:open_for])
        state, _ = detector.answer(state, SETTINGS, first.channel, first.since_ms, "known", rows[open_for].start_ms)
        assert not waste(watch(rows[open_for:], state=state)[1]), seed


def test_the_same_step_again_on_top_of_known_waste_is_an_event_with_its_own_energy_and_the_older_one_has_the_whole() -> None:
    load = Load(12)
    first_step, second_step = step(5.0, ONSET), step(5.0, ONSET + 20)
    rows = list(load.intervals(ONSET + 40, lambda day, kw, running: first_step(day, kw, running) + second_step(day, kw, running)))
    state, said = watch(rows[: (ONSET + 10) * 96])
    first = waste(said)[-1]
    state, _ = detector.answer(state, SETTINGS, first.channel, first.since_ms, "known", first.at_ms)
    _, said = watch(rows[(ONSET + 10) * 96 :], state=state)
    assert len(waste(said)) == 1
    last = {finding.since_ms: finding for finding in waste(said, "updated")}
    older, younger = (last[since_ms] for since_ms in sorted(last))
    assert older.kwh.value == pytest.approx(24 * (5 * 39 + 5 * 19), rel=0.1)
    assert younger.kwh.value == pytest.approx(24 * 5 * 19, rel=0.2)


def test_readiness_counts_days_while_learning_and_names_what_comes() -> None:
    said = [each for each in clean(1) if isinstance(each, Readiness)]
    assert [each.valid_days for each in said[:27]] == list(range(1, 28))
    assert [each.state for each in said[26:]] == ["learning", "provisional"]


def test_the_band_holds_nine_of_ten_quarter_hours() -> None:
    inside = total = 0
    for seed in range(2):
        rows = list(meter(seed, quarters=1).intervals(ONSET + 10))
        band = {each.start_ms: each for each in watch(rows)[1] if isinstance(each, ExpectedPower)}
        for row in rows:
            expected = band.get(row.start_ms)
            if expected is not None and row.start_ms >= MONDAY_MS + ONSET * DAY_MS:
                total += 1
                inside += expected.lo <= row.import_wh * 4 <= expected.hi
    assert 0.82 <= inside / total <= 0.97
