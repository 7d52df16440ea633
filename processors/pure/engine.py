"""The engine of one meter: readings in, closed intervals and findings out.

Four functions on a state that can be taken apart into bytes and put together again: `begin`, `on_reading`,
`wake_at`, `on_wake`. None of them reads a clock, sleeps or raises for anything a meter may say. Readings are
taken in the order in which they are applied; one that is not newer than the last makes no energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from driftwatt.readings import Reading
from processors.pure import detector
from processors.pure.detector import Answer, DetectorState
from processors.pure.outputs import Channel, Output
from processors.pure.policy import MeterPolicy


@dataclass(frozen=True, slots=True)
class State:
    """Everything the engine remembers of one meter. Immutable: a change is a new object.

    `detector` is the same object for as long as nothing in it changed, so that callers can write it only then.
    """

    meter: str
    detector: DetectorState


def begin(meter: str, policy: MeterPolicy) -> State:
    """Return the state of a meter nothing is known about."""
    return State(meter, detector.begin(policy.settings))


def on_reading(state: State, reading: Reading, policy: MeterPolicy) -> tuple[State, tuple[Output, ...]]:
    """Take one reading of this meter. Returns the new state and what follows, oldest first."""
    del reading, policy
    return state, ()


def wake_at(state: State) -> int | None:
    """Return the instant (UTC ms) at which silence becomes news, or None while nothing is awaited."""
    del state
    return None


def on_wake(state: State, now_ms: int, policy: MeterPolicy) -> tuple[State, tuple[Output, ...]]:
    """Take note that it is `now_ms` and nothing came. Before `wake_at` this changes nothing."""
    del now_ms, policy
    return state, ()


def answer(
    state: State, policy: MeterPolicy, *, channel: Channel, since_ms: int, what: Answer, at_ms: int
) -> tuple[State, tuple[Output, ...]]:
    """Hand a person's answer to the detector."""
    told, outputs = detector.answer(state.detector, policy.settings, channel, since_ms, what, at_ms)
    return State(state.meter, told), outputs


def parts(state: State) -> dict[str, bytes]:
    """Return the state as bytes: `energy` is small and changes with every reading, `detector` with intervals only."""
    return {"energy": state.meter.encode(), "detector": detector.dump(state.detector)}


def restore(stored: Mapping[str, bytes]) -> State:
    """Return the state whose parts were stored, bit for bit. Raises WireError for damage, UnknownMajor for a newer version."""
    return State(stored["energy"].decode(), detector.load(stored["detector"]))
