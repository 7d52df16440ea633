"""The five channels of a day, and the chart that each of them keeps.

| channel | number per day, in shares of the meter's scale L | needs |
|---|---|---|
| base | mean of the 4 lowest hours | – |
| off  | mean of the off-hours (≥ 4) | schedule |
| edge | mean of the shoulder hours (≥ 2) | schedule |
| on   | mean of the running hours (≥ 4) | schedule |
| tot  | mean of the day | – |

Each chart adds up twice: patiently (k = 0.3, for what is small and lasts) and steeply (k = 1, for what is large);
learning is frozen by the patient one alone.

Residual, standardised and pre-whitened (docs/detection.md, "Residual"):

    s = max(1.4826·median|r|, q90|r|/1.645, 0.004·|ȳ|)    u = clip(r/s, ±5)
    e = clip((u − ρ·u_prev)/√(1 − ρ²), ±4)                S ← max(0, S + e − k)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from processors.pure import baseline, cusum
from processors.pure.baseline import Ridge
from processors.pure.outputs import Channel
from processors.pure.robust import autocorrelation, clip, median
from processors.pure.schedule import EDGE, RUNNING, Schedule

CHANNELS: tuple[Channel, ...] = ("base", "off", "edge", "on", "tot")
WINDOW = 60
SCALE_FROM = 6
SCALE_FLOOR = 0.004
FREEZE = 1.3
U_CLIP, E_CLIP = 5.0, 4.0
PUSH_FROM = 10
RHO_LEAST, RHO_MOST = 20, 0.8
MEAN_WEIGHT = 1 / 28
DOWN_DAYS, DOWN_SCORE = 14, 3.0
REBASE_MOST = 14


def values_of(bins: Sequence[int], kw: Sequence[float], schedule: Schedule) -> tuple[float | None, ...]:
    """Return a day's number of each channel in the order of CHANNELS; None where hours are too few.

    `bins` are the hour-of-week bins of the good hours, `kw` their mean powers.
    """
    level = schedule.level
    base, total = sum(sorted(kw)[:4]) / 4 / level, sum(kw) / len(kw) / level
    if not schedule.known:
        return (base, None, None, None, total)
    off: list[float] = []
    edge: list[float] = []
    on: list[float] = []
    for b, power in zip(bins, kw, strict=True):
        code = schedule.mask[b]
        if code == RUNNING:
            on.append(power)
        else:
            off.append(power)
            if code == EDGE:
                edge.append(power)
    return (base, _mean(off, 4, level), _mean(edge, 2, level), _mean(on, 4, level), total)


def _mean(values: Sequence[float], least: int, level: float) -> float | None:
    return sum(values) / len(values) / level if len(values) >= least else None


Scale = tuple[tuple[float, ...], tuple[float, ...]]
"""The last calm residuals of working days and of the others."""


def sigma(scale: Scale, mean: float, group: int) -> float:
    """Return the robust scale s of a day group, in shares of L; `mean` is the smoothed value ȳ of the channel.

    >>> sigma(((0.1, -0.1, 0.1, -0.1, 0.1, -0.1), ()), 1.0, 1)
    0.14826
    >>> sigma(((), ()), 1.0, 0)
    0.2
    """
    for residuals in (scale[group], scale[1 - group]):
        if len(residuals) >= SCALE_FROM:
            a = sorted(map(abs, residuals))
            spread = max(1.4826 * a[len(a) // 2], a[int(0.9 * (len(a) - 1))] / 1.645)
            return max(spread, SCALE_FLOOR * abs(mean), 1e-9)
    return 0.2 * max(0.001, abs(mean))


@dataclass(frozen=True, slots=True)
class Chart:
    """One channel's memory.

    `scale` are the last calm residuals of the working days and of the others, `us` the last calm u, `thetas`
    the θ valid after each of the last days (ordinal, θ without trailing zeros), `since` the ordinal of the
    first day of the present run of S above zero; `steep` is the sum for large shifts.
    """

    ridge: Ridge = field(default_factory=Ridge)
    mean: float = 0.0
    scale: Scale = ((), ())
    us: tuple[float, ...] = ()
    last_u: float = 0.0
    up: float = 0.0
    down: float = 0.0
    run: int = 0
    down_run: int = 0
    since: int = 0
    steep: float = 0.0

    @property
    def score(self) -> float:
        """log10 ARL₀ of the upward sums, the higher of the patient and the steep one."""
        return max(cusum.score(self.up), cusum.score(self.steep, cusum.STEEP_K) - cusum.STEEP_SURER)

    @property
    def calm(self) -> bool:
        """Low enough to learn: by the patient sum, which one odd day does not lift far."""
        return cusum.score(self.up) < FREEZE

    @property
    def rho(self) -> float:
        """Lag-1 autocorrelation of the calm standardised residuals, 0…0.8."""
        return autocorrelation(self.us, RHO_LEAST, RHO_MOST)

    def sigma(self, group: int) -> float:
        """Return the robust scale s of the residuals of a day group (0 working, 1 other), in shares of L."""
        return sigma(self.scale, self.mean, group)


@dataclass(frozen=True, slots=True)
class Seen:
    """One day of one channel as a chart saw it: its ordinal, regressors, number, residual before learning, day group."""

    ordinal: int
    z: tuple[float, ...]
    y: float
    r: float
    group: int


def update(chart: Chart, z: tuple[float, ...], y: float, *, group: int, ordinal: int, active: bool, forget: float) -> tuple[Chart, float]:
    """Return the chart after one day, and the residual r = y − θᵀz taken before learning.

    `active` lets the CUSUM run; before, every day is learned. `forget` is λ of today.
    """
    r = y - baseline.dot(chart.ridge.theta, z)
    ready = chart.ridge.n >= PUSH_FROM and cusum.score(chart.up) <= FREEZE
    scale = _push(chart.scale, group, r) if ready else chart.scale
    s = sigma(scale, chart.mean, group)
    u = clip(r / s, U_CLIP)
    up, down, steep = chart.up, chart.down, chart.steep
    if active:
        rho = chart.rho
        e = clip((u - rho * chart.last_u) / math.sqrt(1 - rho * rho), E_CLIP)
        up, down, steep = cusum.step(up, e), cusum.step(down, -e, cusum.DOWN_K), cusum.step(steep, e, cusum.STEEP_K)
    after = Chart(
        ridge=chart.ridge,
        mean=chart.mean,
        scale=scale,
        us=(*chart.us, u)[-WINDOW:] if ready else chart.us,
        last_u=u,
        up=up,
        down=down,
        run=chart.run + 1 if up > 0 else 0,
        down_run=chart.down_run + 1 if down > 0 else 0,
        since=chart.since if chart.run and up > 0 else ordinal,
        steep=steep,
    )
    if not active or after.calm:
        after = learn(after, Seen(ordinal, z, y, r, group), s=s, forget=forget)
    return after, r


def learn(chart: Chart, day: Seen, *, s: float, forget: float) -> Chart:
    """Return the chart with the baseline that has learned one day; `s` is the scale of the day's group."""
    weight = baseline.huber_weight(day.r, s, chart.ridge.n)
    mean = day.y if chart.ridge.n == 0 else chart.mean + MEAN_WEIGHT * (day.y - chart.mean)
    return replace(chart, ridge=baseline.learn(chart.ridge, day.z, day.y, weight=weight, forget=forget), mean=mean)


def fallen(chart: Chart) -> bool:
    """Tell whether the load has stood below its reference for so long that the saving is the new reference."""
    return chart.down_run >= DOWN_DAYS and cusum.score(chart.down, cusum.DOWN_K) > DOWN_SCORE


def rebase(chart: Chart, days: Sequence[Seen]) -> Chart:
    """Return the chart moved to the level of the days given (oldest first), with its sums at zero."""
    lifted = replace(chart, ridge=baseline.shift_level(chart.ridge, median(day.r for day in days)))
    for day in days:
        r = day.y - baseline.dot(lifted.ridge.theta, day.z)
        lifted = learn(lifted, replace(day, r=r), s=lifted.sigma(day.group), forget=baseline.FORGET)
    return quiet(lifted)


def quiet(chart: Chart) -> Chart:
    """Return the chart with its sums at zero."""
    return replace(chart, up=0.0, down=0.0, run=0, down_run=0, steep=0.0)


def answered(chart: Chart, recent: Sequence[Seen]) -> Chart:
    """Return the chart after an answer: re-based where the deviation persists, else only quiet.

    Persists: the score is above the freeze, and the median of the last 3 residuals above half a sigma.
    """
    last = recent[-3:]
    if last and chart.score > FREEZE and median(day.r for day in last) > 0.5 * chart.sigma(last[-1].group):
        return rebase(chart, recent[-max(3, min(chart.run, REBASE_MOST)) :])
    return quiet(chart)


def _push(scale: Scale, group: int, r: float) -> Scale:
    grown = (*scale[group], r)[-WINDOW:]
    return (grown, scale[1]) if group == 0 else (scale[0], grown)
