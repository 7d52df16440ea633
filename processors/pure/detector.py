"""Waste detection of one meter: closed quarter-hours in, findings and expected power out.

Everything is a pure function of the state and its input; a state handed in stays valid. The engine calls
`on_interval` after every closed 15-minute interval, in ascending order. The method is described in
docs/detection.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from processors.pure.hours import SiteCalendar
from processors.pure.outputs import Channel, IntervalEnergy, Output

Answer = Literal["known", "new_normal", "dismissed", "fixed"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What detection has to know about one meter.

    `zone` is the plant's (a ZoneInfo), `calendar` gives day classes and shutdowns, `threshold` is the score
    log10 ARL₀ above which a waste event opens. `off_bins`, if given, are the 168 hour-of-week bins (Monday
    00:00 first) that the operator says are off-hours; they replace the learned schedule.
    """

    meter: str
    zone: tzinfo
    calendar: SiteCalendar
    threshold: float = 6.0
    off_bins: tuple[bool, ...] | None = None


@dataclass(frozen=True, slots=True)
class DetectorState:
    """Everything that detection remembers of one meter. Immutable: a change is a new object."""


def begin(settings: Settings) -> DetectorState:
    """Return the state of a meter nothing is known about."""
    del settings
    return DetectorState()


def on_interval(
    state: DetectorState,
    interval: IntervalEnergy,
    settings: Settings,
    *,
    temperature: float | None = None,
    production: float | None = None,
) -> tuple[DetectorState, tuple[Output, ...]]:
    """Take one closed 15-minute interval (CT/PT ratio and sign applied), later than all before.

    `temperature` is the outdoor mean in °C, `production` units made, both in the interval and optional.
    Returns the new state and what follows from it: ExpectedPower, WasteFinding, DataFinding, Readiness,
    Advice; never IntervalEnergy.
    """
    del interval, settings, temperature, production
    return state, ()


def answer(
    state: DetectorState, settings: Settings, channel: Channel, since_ms: int, what: Answer, at_ms: int
) -> tuple[DetectorState, tuple[Output, ...]]:
    """Take a person's answer to the open event of `channel` since `since_ms` (see Answer).

    An event that is not open (any more) changes nothing.
    """
    del settings, channel, since_ms, what, at_ms
    return state, ()


def dump(state: DetectorState) -> bytes:
    """Return the state as versioned, checksummed bytes; `load` gives it back bit for bit."""
    del state
    return b""


def load(data: bytes) -> DetectorState:
    """Return the state that was dumped. Raises WireError for damage and UnknownMajor for a newer version."""
    del data
    return DetectorState()
