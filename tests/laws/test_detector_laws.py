"""Laws of waste detection: they hold for every load."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwatt.errors import UnknownMajor, WireError
from processors.pure import codec, detector, detector_bytes
from processors.pure.outputs import ExpectedPower, IntervalEnergy, Output, WasteFinding
from tests.support.loads import DAY_MS, SETTINGS, Load, nights_on, step, waste, watch

FEW = settings(max_examples=6, deadline=None)
WASTEFUL = Load(5)


@cache
def wasteful() -> tuple[IntervalEnergy, ...]:
    return tuple(WASTEFUL.intervals(58, nights_on(7.0, 40.9)))


@cache
def heard() -> tuple[Output, ...]:
    return tuple(watch(wasteful())[1])


def test_the_reference_stream_says_something_of_every_kind_that_matters() -> None:
    assert waste(heard())
    assert waste(heard(), "updated")
    assert any(isinstance(each, ExpectedPower) for each in heard())


@FEW
@given(st.integers(1, len(wasteful()) - 1), st.integers(1, len(wasteful()) - 1))
def test_a_stream_cut_anywhere_and_carried_on_from_bytes_says_the_same_bit_for_bit(one: int, other: int) -> None:
    cuts = sorted((one, other))
    state, said = detector.begin(SETTINGS), list[Output]()
    for piece in (wasteful()[: cuts[0]], wasteful()[cuts[0] : cuts[1]], wasteful()[cuts[1] :]):
        state, outputs = watch(piece, state=detector.load(detector.dump(state)))
        said += outputs
    assert tuple(said) == heard()
    assert detector.dump(state) == detector.dump(watch(wasteful())[0])


@FEW
@given(st.integers(30 * 96, 57 * 96), st.integers(0, 1000))
def test_what_is_said_does_not_depend_on_the_future(cut: int, seed: int) -> None:
    other = [replace(each, import_wh=each.import_wh * (1 + seed % 7)) for each in wasteful()[cut:]]
    _, said = watch([*wasteful()[:cut], *other])
    now_ms = wasteful()[cut - 1].end_ms
    assert [each for each in said if _known_at(each) <= now_ms] == [each for each in heard() if _known_at(each) <= now_ms]


def _known_at(output: Output) -> float:
    return math.inf if isinstance(output, ExpectedPower | IntervalEnergy) else output.at_ms


@pytest.mark.parametrize("k", [0.25, 64.0])
def test_a_load_k_times_as_large_has_the_same_events_and_k_times_the_energy(k: float) -> None:
    _, said = watch([replace(each, import_wh=each.import_wh * k) for each in wasteful()])
    mine, theirs = [e for e in said if isinstance(e, WasteFinding)], [e for e in heard() if isinstance(e, WasteFinding)]
    assert [(e.state, e.channel, e.at_ms, e.since_ms) for e in mine] == [(e.state, e.channel, e.at_ms, e.since_ms) for e in theirs]
    for one, other in zip(mine, theirs, strict=True):
        assert one.kwh.value == pytest.approx(k * other.kwh.value, rel=1e-6)
        assert one.kwh.high == pytest.approx(k * other.kwh.high, rel=1e-6)


def test_a_load_some_weeks_later_has_the_same_events_that_much_later() -> None:
    later_ms = 21 * DAY_MS
    _, said = watch([replace(each, start_ms=each.start_ms + later_ms, end_ms=each.end_ms + later_ms) for each in wasteful()])
    moved = [
        replace(e, at_ms=e.at_ms - later_ms, since_ms=e.since_ms - later_ms, spread=tuple((t - later_ms, kwh) for t, kwh in e.spread))
        for e in said
        if isinstance(e, WasteFinding)
    ]
    assert moved == [e for e in heard() if isinstance(e, WasteFinding)]


@FEW
@given(st.sets(st.integers(0, len(wasteful()) - 2), max_size=60))
def test_a_missing_interval_and_one_marked_missing_are_the_same(holes: set[int]) -> None:
    """Only when something is known may differ: an absent row closes nothing."""
    absent = [each for n, each in enumerate(wasteful()) if n not in holes]
    marked = [replace(each, import_wh=9e9, quality=256) if n in holes else each for n, each in enumerate(wasteful())]
    one, other = watch(absent)[1], watch(marked)[1]
    assert [_timeless(e) for e in waste(one)] == [_timeless(e) for e in waste(other)]
    assert [_timeless(e) for e in waste(one, "updated")] == [_timeless(e) for e in waste(other, "updated")]


def _timeless(finding: WasteFinding) -> WasteFinding:
    return replace(finding, at_ms=0)


def test_quarter_hours_and_their_hourly_sums_have_the_same_events() -> None:
    rows = wasteful()
    hourly = [
        replace(rows[n], end_ms=rows[n + 3].end_ms, import_wh=sum(each.import_wh for each in rows[n : n + 4]))
        for n in range(0, len(rows), 4)
    ]
    said = watch(hourly)[1]
    assert [(e.channel, e.since_ms) for e in waste(said)] == [(e.channel, e.since_ms) for e in waste(heard())]
    last, other = waste(said, "updated")[-1], waste(heard(), "updated")[-1]
    assert last.kwh.value == pytest.approx(other.kwh.value, rel=1e-9)


def test_the_hours_of_an_event_add_up_to_its_energy_and_lie_inside_its_band() -> None:
    for finding in (each for each in heard() if isinstance(each, WasteFinding)):
        assert math.fsum(kwh for _, kwh in finding.spread) == pytest.approx(finding.kwh.value, rel=1e-9)
        assert finding.kwh.low <= finding.kwh.value <= finding.kwh.high
        starts = [start for start, _ in finding.spread]
        assert starts == sorted(set(starts))
        # Of an event that is hours old what the days before say may be more than what those hours do.
        assert starts[0] >= finding.since_ms or finding.state == "opened"
        assert starts[-1] < finding.at_ms
        assert all(kwh >= 0 for _, kwh in finding.spread)


def test_the_events_of_a_meter_never_overlap_unanswered() -> None:
    open_now = 0
    for finding in (each for each in heard() if isinstance(each, WasteFinding)):
        open_now += (finding.state == "opened") - (finding.state == "closed")
        assert open_now in (0, 1)


def test_the_state_stops_growing_also_while_waste_runs_for_months() -> None:
    state, _ = watch(Load(9).intervals(130, nights_on(5.0, 45.0)))
    early = len(detector.dump(state))
    later = Load(10).intervals(90, nights_on(5.0, -1.0), first_ms=wasteful()[0].start_ms + 130 * DAY_MS)
    state, outputs = watch(later, state=state)
    assert len(detector.dump(state)) <= 1.03 * early < 90_000
    last = waste(outputs, "updated")[-1]
    assert last.days > 150
    assert math.fsum(kwh for _, kwh in last.spread) == pytest.approx(last.kwh.value, rel=1e-9)
    assert len(last.spread) <= 61 * 25 + 168


def test_a_state_handed_in_stays_as_it_was() -> None:
    state, _ = watch(wasteful()[: 47 * 96])
    before = detector.dump(state)
    fresh = detector.load(before)
    watch(wasteful()[47 * 96 :], state=state)
    assert detector.dump(state) == before
    assert state == fresh


def test_an_interval_that_is_not_newer_changes_nothing() -> None:
    state, _ = watch(wasteful()[: 20 * 96])
    assert detector.on_interval(state, wasteful()[5], SETTINGS) == (state, ())


def test_damaged_and_foreign_state_is_refused() -> None:
    data = detector.dump(watch(wasteful()[: 20 * 96])[0])
    for at in (0, 3, 20, len(data) // 2, len(data) - 1):
        broken = bytearray(data)
        broken[at] ^= 0x10
        with pytest.raises(WireError):
            detector.load(bytes(broken))
    with pytest.raises(WireError):
        detector.load(data[:-1])
    with pytest.raises(WireError):
        detector.load(b"")
    newer = bytearray(data)
    newer[4] = 99
    with pytest.raises(UnknownMajor):
        detector.load(bytes(newer))


def test_a_state_written_before_it_was_deflated_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    state, _ = watch(wasteful()[: 20 * 96])
    monkeypatch.setattr(codec, "_DEFLATED_FROM", 1 << 30)
    older = bytearray(detector.dump(state))
    monkeypatch.undo()
    older[4] = detector_bytes.OLDEST
    assert len(detector.dump(state)) < len(older)
    assert detector.load(bytes(older)) == state


def test_a_state_that_inflates_to_more_than_it_says_is_refused() -> None:
    data = bytearray(detector.dump(watch(wasteful()[: 20 * 96])[0]))
    data[6:10] = (int.from_bytes(data[6:10], "little") - 1).to_bytes(4, "little")
    with pytest.raises(WireError, match="another length"):
        detector.load(bytes(data))


def test_the_band_of_a_day_is_said_before_its_second_quarter_hour_and_covers_it_whole() -> None:
    state, _ = watch(wasteful()[: 30 * 96])
    _, said = detector.on_interval(state, wasteful()[30 * 96], SETTINGS)
    band = [each for each in said if isinstance(each, ExpectedPower)]
    assert [each.start_ms for each in band] == [each.start_ms for each in wasteful()[30 * 96 : 31 * 96]]
    assert all(0 <= each.lo <= each.w <= each.hi for each in band)


def test_nothing_is_learned_from_a_step_that_was_never_answered() -> None:
    state, said = watch(Load(6).intervals(75, step(4.0, 45.0)))
    event = state.events[0]
    assert [each.state for each in said if isinstance(each, WasteFinding)].count("opened") == 1
    assert event.days == pytest.approx(30, abs=1)
    base = state.memory.charts[0]
    assert base.ridge.theta[0] == pytest.approx(event.clean[0][0], rel=0.05)


def test_a_plain_hour_says_what_a_careful_one_would() -> None:
    state, said = detector.begin(SETTINGS), list[Output]()
    for each in wasteful():
        if state.day is not None:
            state = state._replace(day=state.day._replace(plain=(*state.day.plain[:2], math.inf, state.day.plain[3])))
        state, outputs = detector.on_interval(state, each, SETTINGS)
        said += outputs
    assert [_rounded(e) for e in said if isinstance(e, WasteFinding)] == [_rounded(e) for e in heard() if isinstance(e, WasteFinding)]
    assert [e for e in said if not isinstance(e, WasteFinding | ExpectedPower)] == [
        e for e in heard() if not isinstance(e, WasteFinding | ExpectedPower)
    ]


def _rounded(finding: WasteFinding) -> tuple[object, ...]:
    return finding.state, finding.channel, finding.at_ms, finding.since_ms, round(finding.kwh.value, 6)
