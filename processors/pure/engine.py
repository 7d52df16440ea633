"""The engine of one meter: readings in, closed intervals and findings out.

Four functions on a state that can be taken apart into bytes and put together again: `begin`, `on_reading`,
`wake_at`, `on_wake`. None of them reads a clock, sleeps or raises for anything a meter may say. Readings are
taken in the order in which they are applied; one that is not newer than the last makes no energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from driftwatt.errors import WireError
from driftwatt.readings import Reading
from processors.pure import detector, energy, energy_bytes, plain
from processors.pure.detector import Answer, DetectorState
from processors.pure.detector_bytes import join
from processors.pure.energy import Told
from processors.pure.energy_state import Energy
from processors.pure.normalize import measured
from processors.pure.outputs import Channel, Output
from processors.pure.policy import MeterPolicy


@dataclass(frozen=True, slots=True)
class State:
    """Everything the engine remembers of one meter. Immutable: a change is a new object.

    `detector` is the same object for as long as nothing in it changed, so that callers can write it only then.
    """

    meter: str
    energy: Energy
    detector: DetectorState


def begin(meter: str, policy: MeterPolicy) -> State:
    """Return the state of a meter nothing is known about."""
    return State(meter, Energy(), detector.begin(policy.settings))


def on_reading(state: State, reading: Reading, policy: MeterPolicy) -> tuple[State, tuple[Output, ...]]:
    """Take one reading of this meter. Returns the new state and what follows, oldest first.

    A quarter-hour is followed by what the detector says about it, and by the hour and day that end with it.
    """
    run = plain.begin(state.energy, policy, reading)
    if run is not None and run.take(reading):
        return State(state.meter, run.energy(), state.detector), ()
    return with_care(state, reading, policy)


def with_care(state: State, reading: Reading, policy: MeterPolicy) -> tuple[State, tuple[Output, ...]]:
    """Do what `on_reading` does without asking first whether the reading is a plain one."""
    return _judged(state, energy.take(state.energy, measured(reading, policy), policy), policy)


def wake_at(state: State) -> int | None:
    """Return the instant (UTC ms) at which silence becomes news, or None while nothing is awaited."""
    return state.energy.wake_ms if state.energy.wake_ms >= 0 else None


def on_wake(state: State, now_ms: int, policy: MeterPolicy) -> tuple[State, tuple[Output, ...]]:
    """Take note that it is `now_ms` and nothing came. Before `wake_at` this changes nothing; silence closes no interval."""
    return _judged(state, energy.fall_silent(state.energy, now_ms, policy), policy)


def answer(
    state: State, policy: MeterPolicy, *, channel: Channel, since_ms: int, what: Answer, at_ms: int
) -> tuple[State, tuple[Output, ...]]:
    """Hand a person's answer to the detector."""
    told, outputs = detector.answer(state.detector, policy.settings, channel, since_ms, what, at_ms)
    return State(state.meter, state.energy, told), outputs


def parts(state: State) -> dict[str, bytes]:
    """Return the whole state as bytes, `energy` and `detector`; processors.pure.parts tells what of it changed."""
    return {"energy": energy_part(state), "detector": detector.dump(state.detector)}


def energy_part(state: State) -> bytes:
    """Return only the small part that changes with every reading."""
    return energy_bytes.dump(state.meter, state.energy)


def restore(stored: Mapping[str, bytes]) -> State:
    """Return the state whose parts were stored, bit for bit: whole, or with the detector's `memory` apart.

    Raises KeyError for a part that is not there, WireError for damage, Outdated for an older version, UnknownMajor for a newer.
    """
    meter, known = energy_bytes.load(stored["energy"])
    if "memory" in stored:
        return State(meter, known, join(stored["detector"], stored["memory"]))
    return State(meter, known, detector.load(stored["detector"]))


def rest(stored: Mapping[str, bytes], policy: MeterPolicy) -> State | None:
    """Return what is left of a state that cannot be restored: its energy, judged as if nothing had been. None without energy."""
    try:
        meter, known = energy_bytes.load(stored["energy"])
    except (WireError, KeyError):
        return None
    return State(meter, known, detector.begin(policy.settings))


def _judged(state: State, told: Told, policy: MeterPolicy) -> tuple[State, tuple[Output, ...]]:
    if not told.intervals:
        return State(state.meter, told.energy, state.detector), told.findings
    outputs: list[Output] = []
    judge = state.detector
    for interval in told.intervals:
        outputs.append(interval)
        if interval.kind == "15m":
            temperature, production = policy.drivers.at(interval.start_ms) if policy.drivers else (None, None)
            judge, said = detector.on_interval(judge, interval, policy.settings, temperature=temperature, production=production)
            outputs += said
    return State(state.meter, told.energy, judge), (*outputs, *told.findings)
