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

Residual, standardised and pre-whitened (docs/detection.md, "Residual"). A load wanders by itself, so two local
levels of r are followed, each an EW mean of weight 0.1 whose steps are held inside ± 0.3 s: ℓ of the calm days and
m of all days. Scale and ρ are those of f = r − ℓ, for a load that stands off its baseline is not a noisier one; and
where it stands lower than its baseline, waste begins at the lower level:

    s = max(1.4826·median|f|, q90|f|/1.645, 0.004·|ȳ|)    u = clip((r − min(0, m))/s, ±5)
    e = clip((u − ρ·u_prev)/√(1 − ρ²), ±4)                S ← max(0, S + e − k)
    ℓ ← ℓ + 0.1 clip(r − ℓ, ±3s)  on calm days            m ← m + 0.1 clip(r − m, ±3s)  on every day

Source: local level as in exponentially weighted charts (S. W. Roberts 1959; C. C. Holt 1957); weights by the bench.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import compress
from math import sqrt
from operator import itemgetter
from typing import NamedTuple

from processors.pure import baseline, cusum
from processors.pure.baseline import Pairs, Ridge
from processors.pure.cusum import DOWN_K, STEEP_K, UP_K
from processors.pure.outputs import Channel
from processors.pure.robust import Echo, Scale, median
from processors.pure.schedule import Schedule, selectors

CHANNELS: tuple[Channel, ...] = ("base", "off", "edge", "on", "tot")
WINDOW = 60
SCALE_FLOOR = 0.004
FREEZE = 1.3
U_STEP = 4096
"""u is kept in whole steps of 1/4096 sigma."""
U_CLIP, E_CLIP = 5.0, 4.0
PUSH_FROM = 10
MEAN_WEIGHT = 1 / 28
DOWN_DAYS, DOWN_SCORE = 14, 3.0
REBASE_MOST = 14
LEVEL_WEIGHT, LEVEL_CLIP = 0.1, 3.0

_new = tuple.__new__
_U_LEAST, _U_MOST = round(-U_CLIP * U_STEP), round(U_CLIP * U_STEP)
_CALM = cusum.total_of(FREEZE)
_FALLEN = cusum.total_of(DOWN_SCORE, DOWN_K)


def values_of(bins: bytes, kw: Sequence[float], schedule: Schedule) -> tuple[float | None, ...]:
    """Return a day's number of each channel in the order of CHANNELS; None where hours are too few.

    `bins` are the hour-of-week bins of the good hours, `kw` their mean powers.
    """
    level, kw = schedule.level, list(kw)
    base, total = sum(sorted(kw)[:4]) / 4 / level, sum(kw) / len(kw) / level
    if not schedule.mask:
        return (base, None, None, None, total)
    off, edge, on = [sum(of(kw)) / count / level if of else None for of, count in _chosen(schedule.mask, bins)]
    return (base, off, edge, on, total)


@lru_cache(maxsize=1024)
def _chosen(mask: bytes, bins: bytes) -> list[tuple[Callable[[Sequence[float]], tuple[float, ...]] | None, int]]:
    """Return for off, edge and on what picks their hours out of a day, and how many they are; None where they are too few."""
    places = [list(compress(range(len(bins)), bins.translate(table))) for table in selectors(mask)]
    return [(itemgetter(*some) if len(some) >= least else None, len(some)) for some, least in zip(places, (4, 2, 4), strict=True)]


class Chart(NamedTuple):
    """One channel's memory.

    `mean` is ȳ; `working` and `other` are the last calm f of the two day groups, `echo` the last calm f/s,
    `last_u` the u of the last day (in steps); `level` is ℓ, `below` is m; `up`, `steep` and `down` are the sums,
    `run` and `down_run` the days since they left zero, `since` the ordinal of the first day of the present run of `up`.
    """

    ridge: Ridge = Ridge()
    mean: float = 0.0
    working: Scale = Scale()
    other: Scale = Scale()
    echo: Echo = Echo()
    last_u: int = 0
    up: float = 0.0
    down: float = 0.0
    run: int = 0
    down_run: int = 0
    since: int = 0
    steep: float = 0.0
    level: float = 0.0
    below: float = 0.0

    @property
    def score(self) -> float:
        """log10 ARL₀ of the upward sums, the higher of the patient and the steep one."""
        return max(cusum.score(self.up), cusum.score(self.steep, STEEP_K))

    @property
    def calm(self) -> bool:
        """Low enough to learn: by the patient sum, which one odd day does not lift far."""
        return self.up <= _CALM

    @property
    def rho(self) -> float:
        """Lag-1 autocorrelation of the calm standardised residuals, 0…0.8."""
        return self.echo.rho

    def sigma(self, group: int) -> float:
        """Return the robust scale s of the residuals of a day group (0 working, 1 other), in shares of L.

        >>> calm = Scale()
        >>> for r in (0.125, -0.125) * 3: calm = calm.pushed(r, 60)
        >>> Chart(mean=1.0, working=calm).sigma(1), Chart().sigma(0)
        (0.185325, 0.0002)
        """
        return _sigma(self.working, self.other, self.mean) if group == 0 else _sigma(self.other, self.working, self.mean)


def _sigma(own: Scale, fallback: Scale, mean: float) -> float:
    s, least = own.scale or fallback.scale or 0.2 * max(0.001, abs(mean)), SCALE_FLOOR * abs(mean)
    return s if s > least else least  # noqa: FURB136 – max and min cost more


class Seen(NamedTuple):
    """One day of one channel as a chart saw it: its ordinal, regressors, number, residual before learning, day group."""

    ordinal: int
    z: tuple[float, ...]
    y: float
    r: float
    group: int


class Today(NamedTuple):
    """What all charts are told of a day: regressors and their products, group, ordinal, whether sums run, λ."""

    z: tuple[float, ...]
    products: Pairs
    group: int
    ordinal: int
    active: bool
    forget: float


def update(chart: Chart, today: Today, y: float) -> tuple[Chart, float]:
    """Return the chart after one day, and the residual r = y − θᵀz taken before learning.

    `active` lets the CUSUM run; before, every day is learned.
    """
    ridge, mean, working, other, echo, last_u, up, down, run, down_run, since, steep, level, below = chart
    z, products, group, ordinal, active, forget = today
    r = y - baseline.dot(ridge.theta, z)
    ready = ridge.n >= PUSH_FROM and up <= _CALM
    fresh = r - level
    if ready and group == 0:
        working = working.pushed(fresh, WINDOW)
    elif ready:
        other = other.pushed(fresh, WINDOW)
    s = _sigma(other, working, mean) if group else _sigma(working, other, mean)
    u = _steps((r - below if below < 0.0 else r) / s)
    if active:
        rho = echo.rho
        e = (u - rho * last_u) / (U_STEP * sqrt(1 - rho * rho)) if rho else u / U_STEP
        e = _held(e, E_CLIP)
        up += e - UP_K
        down -= e + DOWN_K
        steep += e - STEEP_K
        up, down, steep = up if up > 0.0 else 0.0, down if down > 0.0 else 0.0, steep if steep > 0.0 else 0.0  # noqa: FURB136 – max and min cost more
    if ready:
        echo = echo.pushed(_steps(fresh / s), WINDOW)
        level += LEVEL_WEIGHT * _held(r - level, LEVEL_CLIP * s)
    below += LEVEL_WEIGHT * _held(r - below, LEVEL_CLIP * s)
    since = since if run and up > 0 else ordinal
    run = run + 1 if up > 0 else 0
    down_run = down_run + 1 if down > 0 else 0
    if not active or up <= _CALM:
        weight = baseline.huber_weight(r, s, ridge.n)
        mean = y if ridge.n == 0 else mean + MEAN_WEIGHT * (y - mean)
        ridge = baseline.learn(ridge, z, products, y, weight=weight, forget=forget)
    return _new(Chart, (ridge, mean, working, other, echo, u, up, down, run, down_run, since, steep, level, below)), r


def taught(chart: Chart, today: Today, y: float) -> tuple[Chart, float]:
    """Return the chart after a day on which the channel may stand anywhere, and r: while calm its baseline learns, nothing else."""
    ridge, mean = chart.ridge, chart.mean
    r = y - baseline.dot(ridge.theta, today.z)
    if not chart.calm:
        return chart, r
    learned = baseline.learn(ridge, today.z, today.products, y, weight=1.0, forget=today.forget)
    return chart._replace(ridge=learned, mean=mean + MEAN_WEIGHT * (y - mean)), r


def _steps(u: float) -> int:
    steps = round(u * U_STEP)
    return _U_LEAST if steps < _U_LEAST else steps if steps < _U_MOST else _U_MOST  # noqa: FURB136 – max and min cost more


def _held(value: float, limit: float) -> float:
    return -limit if value < -limit else limit if value > limit else value  # noqa: FURB136 – max and min cost more


def fallen(chart: Chart) -> bool:
    """Tell whether the load has stood below its reference for so long that the saving is the new reference."""
    return chart.down_run >= DOWN_DAYS and chart.down > _FALLEN


def rebase(chart: Chart, days: Sequence[Seen]) -> Chart:
    """Return the chart moved to the level of the days given (oldest first), with its sums at zero."""
    ridge, mean = baseline.shift_level(chart.ridge, median(day.r for day in days)), chart.mean
    for day in days:
        r = day.y - baseline.dot(ridge.theta, day.z)
        s = chart._replace(mean=mean).sigma(day.group)
        weight = baseline.huber_weight(r, s, ridge.n)
        mean = day.y if ridge.n == 0 else mean + MEAN_WEIGHT * (day.y - mean)
        ridge = baseline.learn(ridge, day.z, baseline.pairs(day.z), day.y, weight=weight, forget=baseline.FORGET)
    return quiet(chart._replace(ridge=ridge, mean=mean, level=0.0, below=0.0))


def quiet(chart: Chart) -> Chart:
    """Return the chart with its sums at zero, judged from the baseline itself again."""
    return chart._replace(up=0.0, down=0.0, run=0, down_run=0, steep=0.0, below=max(0.0, chart.below))


def answered(chart: Chart, recent: Sequence[Seen], since: int) -> Chart:
    """Return the chart after an answer to the event that began on day `since`: re-based where the deviation persists.

    Persists: learning is frozen, and the median of the last 3 residuals above half a sigma. Re-based on the days of the
    event: of the chart's run only where that began later, for days before the event would hold the old level.
    """
    last = recent[-3:]
    if chart.calm or not last or median(day.r for day in last) <= 0.5 * chart.sigma(last[-1].group):
        return quiet(chart)
    begun = max(since, chart.since)
    days = sum(day.ordinal >= begun for day in recent)
    return rebase(chart, recent[-max(3, min(days, REBASE_MOST)) :])
