"""What holds for every meter and every stream of readings."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import fsum, isfinite
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwatt.readings import Quality, Reading
from driftwatt.wire import CounterFacts
from processors.pure import engine
from processors.pure.calendar import DayCalendar
from processors.pure.energy import take
from processors.pure.energy_state import Energy
from processors.pure.normalize import measured
from processors.pure.outputs import IntervalEnergy, Output
from processors.pure.plain import begin
from processors.pure.policy import MeterPolicy
from processors.pure.settings import Settings

SECOND, MINUTE, QUARTER, HOUR = 1000, 60_000, 900_000, 3_600_000
T0 = 1_790_000_000_000
SEQUENCES = 20_000 if os.environ.get("CI") else 1_000
MODULUS = 100_000_000
MAX_W = 100_000


def policy(zone: str = "Asia/Ho_Chi_Minh") -> MeterPolicy:
    known = ZoneInfo(zone)
    calendar = DayCalendar(known)
    facts = {"import_energy": CounterFacts(float(MODULUS), 1.0)}
    return MeterPolicy("m", "s", known, calendar, Settings("m", known, calendar), max_power_w=float(MAX_W), counters=facts)


POLICY = policy()
COUNTERS = ("import_energy", "export_energy", "import_reactive_energy", "export_reactive_energy")


STEPS_MS = (0, 1, SECOND, SECOND, 10 * SECOND, MINUTE, 5 * MINUTE, QUARTER, QUARTER, HOUR, 30 * HOUR, -HOUR, 60 * 24 * HOUR)
GAINS = (0.0, 0.0, 1.0, 7.5, 100.0, 1000.0, -1.0, 1e7, -1e6)
POWERS = (0.0, 500.0, 36_000.0, -200.0, 1e9)
WILD = (-0.0, 5e-324, -1e308, 1.7e308, 1e15, 1.0000001e15, -0.9999, -1.0, 2.0**53, 1e12, -1e12)


def stream(seed: int, length: int) -> list[Reading]:
    """Return readings that a meter might send on its worst day: broken counters, doubts, doubtful clocks, gaps, disorder."""
    dice = random.Random(seed)
    t_ms, counter = dice.choice([0, T0, dice.randrange(2**41)]), dice.choice([0.0, 1e3, 1e6, MODULUS - 500.0, 1e12])
    out = []
    for _ in range(length):
        t_ms = min(max(t_ms + dice.choice(STEPS_MS), 0), 4_102_444_800_000)
        counter = max(0.0, counter + dice.choice(GAINS))
        if dice.random() < 0.1:
            counter = dice.choice([0.0, counter % MODULUS, 5e8])
        values = {"import_energy": counter, "active_power": dice.choice(POWERS)}
        values |= {quantity: counter / 2 for quantity in COUNTERS[1:] if dice.random() < 0.4}
        if dice.random() < 0.1:
            values[dice.choice(list(values))] = dice.choice(WILD)
        values = {quantity: value for quantity, value in values.items() if dice.random() > 0.05}
        doubt = {"import_energy": 2} if dice.random() < 0.05 else {}
        out.append(Reading("m", t_ms, values, doubt, clock="unsynced" if dice.random() < 0.05 else "ok"))
    return out


def streams() -> st.SearchStrategy[list[Reading]]:
    return st.builds(stream, st.integers(0, 2**32), st.integers(1, 40))


def whole(readings: Sequence[Reading], chosen: MeterPolicy = POLICY) -> tuple[engine.State, list[Output]]:
    state, outputs = engine.begin("m", chosen), list[Output]()
    for reading in readings:
        state, told = engine.on_reading(state, reading, chosen)
        outputs += told
    return state, outputs


@given(streams(), st.integers(0, 2**40))
@settings(max_examples=80, deadline=None)
def test_a_stream_split_by_dump_and_load_says_the_same_bit_for_bit(readings: list[Reading], splits: int) -> None:
    state, outputs = engine.begin("m", POLICY), list[Output]()
    for index, reading in enumerate(readings):
        if splits >> index & 1:
            state = engine.restore(engine.parts(state))
        state, told = engine.on_reading(state, reading, POLICY)
        outputs += told
    once, said = whole(readings)
    assert outputs == said
    assert engine.parts(state) == engine.parts(once)


@given(streams(), st.sampled_from(["Asia/Ho_Chi_Minh", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]))
@settings(max_examples=80, deadline=None)
def test_nothing_a_meter_says_raises_or_makes_negative_energy(readings: list[Reading], zone: str) -> None:
    state, outputs = whole(readings, policy(zone))
    ends: dict[str, int] = {}
    for interval in outputs:
        if not isinstance(interval, IntervalEnergy):
            continue
        assert isfinite(interval.import_wh)
        assert interval.import_wh >= 0
        assert interval.export_wh >= 0
        assert 0 <= interval.coverage <= 1
        assert interval.peak_w is None or interval.peak_w >= 0
        assert ends.get(interval.kind, -24 * HOUR) <= interval.start_ms < interval.end_ms
        ends[interval.kind] = interval.end_ms
    wake_ms = engine.wake_at(state)
    assert wake_ms is not None
    quiet, _ = engine.on_wake(state, wake_ms, policy(zone))
    assert engine.wake_at(quiet) is None


def calm(seed: int, length: int) -> list[Reading]:
    """Return readings of a good day: nearly all are plain, registers come and go, power changes its direction."""
    dice = random.Random(seed)
    t_ms, counter, out = T0 + dice.randrange(HOUR), 1e6, []
    for number in range(length):
        t_ms += dice.choice((SECOND, 10 * SECOND, 10 * SECOND, QUARTER))
        counter += dice.choice((0.0, 0.5, 3.0))
        values = {"import_energy": counter, "export_energy": 5.0 + number // 10, "import_reactive_energy": counter / 3}
        values["active_power"] = dice.choice((0.0, -0.0, -5.0, 700.0))
        out.append(Reading("m", t_ms, {name: value for name, value in values.items() if dice.random() > 0.02}))
    return out


@given(streams() | st.builds(calm, st.integers(0, 2**32), st.integers(1, 200)), st.sampled_from((1, -1)))
@settings(max_examples=200, deadline=None)
def test_the_short_way_of_plain_readings_ends_where_the_careful_one_does(readings: list[Reading], sign: int) -> None:
    chosen = replace(POLICY, sign=sign)
    careful, run = Energy(), None
    for reading in readings:
        before, careful = careful, take(careful, measured(reading, chosen), chosen).energy
        if run is not None and not run.take(reading):
            assert run.energy() == before, "a reading that needs care leaves the run as it was"
            run = None
        if run is None:
            run = begin(before, chosen, reading)
            run = run if run is not None and run.take(reading) else None
        assert run is None or repr(run.energy()) == repr(careful)


@given(streams())
@settings(max_examples=80, deadline=None)
def test_hours_and_days_are_the_sums_of_their_quarters(readings: list[Reading]) -> None:
    intervals = [output for output in whole(readings)[1] if isinstance(output, IntervalEnergy)]
    quarters = [one for one in intervals if one.kind == "15m"]
    for longer in (one for one in intervals if one.kind != "15m"):
        inside = [one for one in quarters if longer.start_ms <= one.start_ms < longer.end_ms]
        assert longer.import_wh == pytest.approx(fsum(one.import_wh for one in inside), rel=1e-9, abs=1e-9)
        assert longer.export_wh == pytest.approx(fsum(one.export_wh for one in inside), rel=1e-9, abs=1e-9)
        assert all(one.end_ms <= longer.end_ms for one in inside)
        bits = 0
        for one in inside:
            bits |= one.quality
        assert longer.quality == bits


@given(streams(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_readings_that_come_again_or_too_late_change_nothing(readings: list[Reading], seed: int) -> None:
    dice = random.Random(seed)
    disturbed: list[Reading] = []
    for reading in readings:
        disturbed.append(reading)
        newest = max(one.t_ms for one in disturbed)
        disturbed += [one for one in disturbed if one.t_ms < newest and dice.random() < 0.2][:3]
        disturbed.append(reading)
    assert whole(disturbed)[1] == whole(readings)[1]


class World:
    """A meter whose truth is known: what flowed between two readings, and which of them can be believed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.t_ms = T0 + self.dice.randrange(HOUR)
        self.modulus = self.dice.choice([MODULUS, 0])
        self.register = self.dice.choice([40_000_000, 60_000_000, MODULUS - 3000]) if self.modulus else 5_000_000_000
        self.believed_ms = self.t_ms
        self.since_believed = 0
        self.segments: list[tuple[int, int, int, bool]] = []
        self.readings = [self._reading(self.register)]
        for _ in range(self.dice.randint(3, 9)):
            self._turn()

    def _reading(self, value: float | None, **more: object) -> Reading:
        return Reading("m", self.t_ms, {} if value is None else {"import_energy": float(value)}, **more)  # type: ignore[arg-type]  # doubt only

    def _flow(self) -> None:
        dt_ms = self.dice.choice([SECOND, 10 * SECOND, MINUTE, 5 * MINUTE, QUARTER, QUARTER, 21 * MINUTE, 2 * HOUR])
        wh = int(self.dice.random() * MAX_W * dt_ms / HOUR)
        self.t_ms += dt_ms
        self.since_believed += wh
        self.register += wh
        if self.modulus:
            self.register %= self.modulus

    def _believe(self, *, known: bool = True) -> None:
        self.segments.append((self.believed_ms, self.t_ms, self.since_believed, known))
        self.believed_ms, self.since_believed = self.t_ms, 0
        self.readings.append(self._reading(self.register))

    def _turn(self) -> None:
        self._flow()
        what = self.dice.choice(["good"] * 5 + ["missing", "doubted", "glitch", "broken"])
        if what == "good":
            self._believe()
        elif what == "missing":
            self.readings.append(self._reading(None))
        elif what == "doubted":
            self.readings.append(self._reading(self.register + 5, doubt={"import_energy": 1}))
        elif what == "glitch":
            self.readings.append(self._reading(self.register + self.dice.choice([3_000_000, 20_000_000_000, -4_000_000])))
            self._flow()
            self._believe()
        else:
            self._break()

    def _break(self) -> None:
        """Reset, or another meter: what is shown cannot follow, in either direction round the register."""
        far = [place for place in range(0, 9_000_000_000, 1_000_000_000) if abs(place - self.register) > 500_000_000]
        self.register = (self.register + 30_000_000) % MODULUS if self.modulus else self.dice.choice(far)
        self._believe(known=False)
        self._flow()
        self._believe()

    def expected(self) -> dict[int, tuple[Fraction, Fraction, bool]]:
        """Return energy, covered time and whether a gap is in it, by start of quarter-hour; only where something is known."""
        out: dict[int, tuple[Fraction, Fraction, bool]] = {}
        for from_ms, to_ms, wh, known in self.segments:
            gap = to_ms - from_ms > 20 * MINUTE
            start = from_ms // QUARTER * QUARTER
            while start < to_ms and known:
                inside = min(to_ms, start + QUARTER) - max(from_ms, start)
                before = out.get(start, (Fraction(0), Fraction(0), False))
                share = Fraction(wh * inside, to_ms - from_ms)
                out[start] = before[0] + share, before[1] + (0 if gap else inside), before[2] or gap
                start += QUARTER
        return out


def close(found: float, wanted: float, *, rel: float, least: float) -> bool:
    return abs(found - wanted) <= max(least, rel * abs(wanted))


def against_the_slow_model(seeds: Sequence[int]) -> dict[str, int]:
    """Compare sequences with their truth; return in how many quarter-hours each kind of trouble was met."""
    seen = {"rollover": 0, "glitch": 0, "break": 0, "gap": 0}
    plain = {False: replace(POLICY, counters={}), True: POLICY}
    for seed in seeds:
        world = World(seed)
        energy, told = Energy(), list[IntervalEnergy]()
        for reading in world.readings:
            energy, intervals, _ = take(energy, measured(reading, plain[bool(world.modulus)]), plain[bool(world.modulus)])
            told += [one for one in intervals if one.kind == "15m"]
        expected = world.expected()
        due = {start for start in expected if start + QUARTER + 2 * MINUTE <= world.believed_ms}
        assert {one.start_ms for one in told} == due, seed
        for one in told:
            wh, covered, gap = expected[one.start_ms]
            assert close(one.import_wh, float(wh), rel=1e-9, least=1e-5), seed
            assert close(one.coverage, float(covered) / QUARTER, rel=1e-6, least=1e-12), seed
            assert bool(one.quality & Quality.ESTIMATED) is gap, seed
            seen["rollover"] += bool(one.quality & Quality.ROLLOVER)
            seen["break"] += bool(one.quality & Quality.RESET)
            seen["gap"] += gap
        assert energy.account is not None
        truth = sum(wh for _, _, wh, known in world.segments if known)
        assert close(energy.account.totals[0], truth, rel=1e-12, least=1e-6), seed
        seen["glitch"] += len(world.readings) - len(world.segments) > 1
    return seen


@pytest.mark.timeout(900)
def test_an_independent_slow_model_agrees_on_every_quarter_hour() -> None:
    seen = against_the_slow_model(range(SEQUENCES))
    assert min(seen.values()) > SEQUENCES / 50, f"not every kind of trouble was met: {seen}"
