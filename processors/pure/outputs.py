"""What the engine says: closed intervals, expected power, findings. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from driftwatt.alerts import Range

QUARTER_HOUR_S, HOUR_S, DAY_S = 900, 3600, 86400
MAX_REV_MS = 1000
"""An interval is corrected less often than this: revision `rev` is stored at its start plus `rev` milliseconds."""
Channel = Literal["base", "off", "edge", "on", "tot"]


@dataclass(frozen=True, slots=True)
class IntervalEnergy:
    """Energy of one meter in one closed interval `[start_ms, end_ms)`, with CT/PT ratio and sign applied.

    `kind` is `15m`, `1h` or `1d` (the plant's local day). `peak_w` is the highest 15-minute mean power.
    `coverage` is the share 0…1 of the interval covered by good readings; energy of uncovered parts is in
    `import_wh` but flagged in `quality` (driftwatt.readings.Quality). `cost` is before VAT in the plant's
    currency, None where no tariff applies. `rev` 0 is the first; a correction has the next.
    """

    meter: str
    kind: Literal["15m", "1h", "1d"]
    start_ms: int
    end_ms: int
    import_wh: float
    export_wh: float = 0.0
    import_varh: float | None = None
    export_varh: float | None = None
    peak_w: float | None = None
    cost: float | None = None
    co2e_g: float | None = None
    coverage: float = 1.0
    quality: int = 0
    rev: int = 0


class DriverHour(NamedTuple):
    """A driver in the hour from `start_ms` on: mean temperature in °C or units made, and the share 0…1 of it that is known."""

    driver: str
    start_ms: int
    value: float
    coverage: float


class ExpectedPower(NamedTuple):
    """What a meter should draw in the quarter-hour from `start_ms` on, in W, with its 90 % band."""

    meter: str
    start_ms: int
    w: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True)
class WasteFinding:
    """A waste event of one meter changed. Powers in kW, energies in kWh since `since_ms`.

    `days` are valid ones, `hours` those per day in which the excess runs; `daily_kwh` is the energy of a mean day of the
    calendar at the present rate; `spread` lists (hour start ms, kWh) of the excess, hour by hour, for pricing; its sum is
    `kwh.value`. `answer` is set when `state` is `answered`.
    """

    meter: str
    state: Literal["opened", "updated", "answered", "closed"]
    channel: Channel
    at_ms: int
    since_ms: int
    score: float
    threshold: float
    provisional: bool
    days: int
    days_learned: int
    expected_kw: float
    actual_kw: float
    hours: float
    kwh: Range
    daily_kwh: float = 0.0
    spread: Sequence[tuple[int, float]] = ()
    evidence: tuple[dict[str, float | str], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DataFinding:
    """The numbers of a meter are not to be trusted: `reason` is stuck, jump, ct, gap, reset, replaced, multiplier."""

    meter: str
    state: Literal["opened", "closed"]
    reason: str
    at_ms: int
    since_ms: int
    detail: dict[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Readiness:
    """How far a meter's baseline is: learning, provisional, ready, not_fit."""

    meter: str
    at_ms: int
    state: Literal["learning", "provisional", "ready", "not_fit"]
    valid_days: int
    cv_rmse: float | None = None
    nmbe: float | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """One odd night: worth a look, not an alert."""

    meter: str
    at_ms: int
    since_ms: int
    actual_kw: float
    expected_kw: float


class ChannelChange(NamedTuple):
    """How a channel stands beside the first year, in kW: the change with its 90 % band, and what that year would expect."""

    channel: Channel
    kw: Range
    expected_kw: float


@dataclass(frozen=True, slots=True)
class SinceLastYear:
    """A meter's last days beside its first twelve months. `first` to `year_last` are ordinals of local days, both ends included.

    `days` of the compared ones are valid; `used` has their hours (start ms, kWh), which tell what a kWh cost. The last of
    `channels` is `tot`.
    """

    meter: str
    at_ms: int
    first: int
    last: int
    days: int
    year_first: int
    year_last: int
    channels: tuple[ChannelChange, ...]
    used: Sequence[tuple[int, float]] = ()

    @property
    def total(self) -> ChannelChange:
        """The change of the mean power."""
        return self.channels[-1]


Output = IntervalEnergy | ExpectedPower | WasteFinding | DataFinding | Readiness | Advice
