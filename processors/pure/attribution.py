"""Which part of the day an excess runs in and how much it is: a weighted mean over what it could be.

The mean excess over an event has four gauges r = (base load, deep night, shoulders, running hours), in shares of L. It is
δ a_k + drift, where a_k says which gauges a cause of kind k lifts, and drift is how far a load wanders from its
baseline within two months, which hides much more than the noise of single days:

    kind      base  deep  shoulders  running         z_i = r_i / s_i,  a in the same units
    all         1     1       1         1            v  = 2.4 + mean of (1 + ρ_i)/(1 − ρ_i) / n
    off         1     1       1         0            drift + noise = N(0, v C),   K = C⁻¹
    edge        0     0       1         0
    on          0     0       0         1

    δ_k = a_kᵀK z / a_kᵀK a_k,   s_k = √(v / a_kᵀK a_k),   t = δ_k/s_k       generalised least squares
    excess is never negative:  m_k = s_k (t + m(t)),  m(t) = φ(t)/Φ(t)           mean of the truncated normal
    P_k ∝ min(s_k, 2 s) √h_k / m(t)                                              evidence with a flat prior on δ ≥ 0
    W = L Σ P_k h_k m_k,   and the variance of this mixture

h_k are the hours of the part over the event. s is that of the surest part: one of which nothing can be seen would else win by
the room that its noise leaves it. C and the 2.4 were measured over the loads of the bench (drift of 60 days
without a fault, in units of s): one table for all meters. Source: A. C. Aitken 1935; J. A. Hoeting et al., Bayesian
model averaging, Statistical Science 14 (1999).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

Part = Literal["all", "off", "edge", "on"]
DRIFT = 2.4
PRECISION = (
    (1.695, -0.728, -0.305, -0.265),
    (-0.728, 1.954, -0.728, -0.199),
    (-0.305, -0.728, 1.695, -0.265),
    (-0.265, -0.199, -0.265, 1.291),
)
"""K of C with correlations .6 base–deep and deep–shoulders, .5 base–shoulders, .4 with running hours."""
LIFTS: tuple[tuple[Part, tuple[int, ...]], ...] = (("all", (0, 1, 2, 3)), ("off", (0, 1, 2)), ("edge", (2,)), ("on", (3,)))
SEEN = 2.0
"""A part counts as if it were seen at least half as well as the surest one."""
_FAR = -6.0
_ROOT_2, _LOG_ROOT_2PI = math.sqrt(2.0), 0.5 * math.log(2.0 * math.pi)


class Excess(NamedTuple):
    """The most likely part, the energy expected over all parts and its standard deviation, in the unit of δ times hours."""

    part: Part
    energy: float
    sigma: float


def attribute(gauges: Sequence[float], scales: Sequence[float], hours: Sequence[float], noise: float) -> Excess:
    """Return the excess behind four mean gauges with their daily scales s.

    `hours` of off, shoulders and running over the event; `noise` is the mean of (1 + ρ)/(1 − ρ)/n.

    >>> attribute((0.5, 0.5, 0.5, 0.0), (0.02,) * 4, (980.0, 200.0, 700.0), 0.05).part
    'off'
    >>> nights = attribute((0.5, 0.5, 0.5, 0.02), (0.02,) * 4, (980.0, 200.0, 700.0), 0.05)
    >>> round(nights.energy), round(nights.sigma)
    (482, 23)
    """
    v = DRIFT + noise
    pull = [sum(k * r / s for k, r, s in zip(row, gauges, scales, strict=True)) / v for row in PRECISION]
    off, edge, on = hours
    spans: dict[Part, float] = {"all": off + on, "off": off, "edge": edge, "on": on}
    seen: list[tuple[Part, float, float]] = []
    for part, lifted in LIFTS:
        if spans[part] <= 0.0:
            continue
        precision = sum(PRECISION[i][j] / (scales[i] * scales[j]) for i in lifted for j in lifted) / v
        s = 1.0 / math.sqrt(precision)
        seen.append((part, s, sum(pull[i] / scales[i] for i in lifted) * s))
    most = SEEN * min((s for _, s, _ in seen), default=0.0)
    found: list[tuple[float, Part, float, float]] = []
    for part, s, t in seen:
        log_mills, mean, variance = positive(t)
        evidence, own = math.log(min(s, most)) + 0.5 * math.log(spans[part]) - log_mills, spans[part] * s
        found.append((evidence, part, own * mean, own * own * variance))
    return _mixed(found)


def _mixed(found: Sequence[tuple[float, Part, float, float]]) -> Excess:
    """Return the mixture of (log evidence, part, mean, variance); before the first day is over only nights open an event."""
    if not found:
        return Excess("off", 0.0, 0.0)
    best = max(found)
    weights = [math.exp(evidence - best[0]) for evidence, *_ in found]
    total = sum(weights)
    energy = sum(w * mean for w, (_, _, mean, _) in zip(weights, found, strict=True)) / total
    square = sum(w * (variance + (mean - energy) ** 2) for w, (_, _, mean, variance) in zip(weights, found, strict=True)) / total
    return Excess(best[1], energy, math.sqrt(square))


def positive(t: float) -> tuple[float, float, float]:
    """Return log m(t) of the inverse Mills ratio m = φ/Φ, and mean and variance of a normal N(t, 1) known to be positive.

    >>> [round(x, 3) for x in positive(0.0)], [round(x, 3) for x in positive(5.0)[1:]]
    ([-0.226, 0.798, 0.363], [5.0, 1.0])
    >>> [round(x, 4) for x in positive(-8.0)[1:]]
    [0.1211, 0.0147]
    """
    if t < _FAR:  # the tail of a normal is an exponential: Φ(t) ≈ φ(t)/|t|
        mean = -1.0 / t + 2.0 / t**3
        return math.log(mean - t), mean, mean * mean
    below = 0.5 * math.erfc(-t / _ROOT_2)
    log_mills = -0.5 * t * t - _LOG_ROOT_2PI - math.log(below)
    mills = math.exp(log_mills)
    return log_mills, t + mills, max(0.0, 1.0 - mills * (mills + t))
