"""The range of weather and production that calm days have taught, and what lies beyond it.

A line learned between 16 and 21 °C says little about 30 °C: it is short of what the ridge holds back, and a load bends
where a line does not. A day is *beyond* when CDD/10, HDD/10 or P/100 exceeds the tenth highest of the calm days by more
than 0.1 (1 K, 10 %). What such a day may do to a channel that nobody knows is

    Σ_j (|θ_j| + e_j) · (z_j − edge_j)      e_j = 1/√(S_j/s² + 1/τ²)      S_j = A_jj − A_j0²/A_00      τ = ȳ/2

e_j is the standard error of its slope, τ the most that is thought possible before it was seen. Above half a sigma the
channel is not judged on that day: it teaches its baseline alone, and only while it is calm. So the range grows by calm
days, season by season, and waste that came with a season is found when known weather is back. An event's reference is
frozen, and so is the range it was learned in: beyond its edge it goes on by the slope that the chart has learned since.
Source: docs/detection.md, "Baseline".
"""

from __future__ import annotations

from array import array
from bisect import insort
from collections.abc import Sequence
from math import sqrt

from processors.pure.baseline import dot
from processors.pure.channels import Chart
from processors.pure.cholesky import DIAGONAL, TERMS

KEPT = 10
MARGIN = 0.1
DOUBT = 0.5
STEEPEST = 0.5
DRIVERS = range(4, TERMS)
_COLUMN = (0, 1, 3, 6, 10, 15, 21)
Reach = tuple["array[float]", ...]
"""The highest CDD/10, HDD/10 and P/100 of the calm days, each ascending (float32). Never changed in place."""
NOWHERE: Reach = tuple(array("f", bytes(4 * KEPT)) for _ in DRIVERS)


def grown(reach: Reach, z: Sequence[float]) -> Reach:
    """Return the range with a calm day more.

    >>> warm = NOWHERE
    >>> for day in range(12): warm = grown(warm, (1.0, 0, 0, 0, 0.25 * day, 0.0, 0.0))
    >>> edges(warm).tolist()
    [0.5, 0.0, 0.0]
    """
    if all(z[term] <= highest[0] for term, highest in zip(DRIVERS, reach, strict=True)):
        return reach
    return tuple(_with(highest, z[term]) for term, highest in zip(DRIVERS, reach, strict=True))


def _with(highest: array[float], x: float) -> array[float]:
    more = highest[:]
    insort(more, x)
    return more[1:]


def edges(reach: Reach) -> array[float]:
    """Return up to where the range is known (float32)."""
    return array("f", [highest[0] for highest in reach])


def beyond(known: Sequence[float], z: Sequence[float]) -> tuple[float, ...]:
    """Return how far a day lies beyond each edge, empty for a day within them.

    >>> beyond((0.5, 0.0, 1.5), (1.0, 0, 0, 0, 0.55, 0.0, 2.0)), beyond((0.5, 0.0, 1.5), (1.0, 0, 0, 0, 0.55, 0.0, 1.0))
    ((0.0, 0.0, 0.5), ())
    """
    far = tuple(x - edge if (x := z[term]) > edge + MARGIN else 0.0 for term, edge in zip(DRIVERS, known, strict=True))
    return far if any(far) else ()


def unknown(chart: Chart, group: int, far: Sequence[float]) -> bool:
    """Tell whether a channel may stand anywhere on a day `far` beyond."""
    a, theta, s, steepest = chart.ridge.a, chart.ridge.theta, chart.sigma(group), STEEPEST * abs(chart.mean)
    if not steepest:
        return False
    doubt = 0.0
    for term, x in zip(DRIVERS, far, strict=True):
        if x:
            place = DIAGONAL[term]
            spread = a[place] - a[_COLUMN[term]] ** 2 / a[0] if place < len(a) and a[0] > 0.0 else 0.0
            doubt += (abs(theta[term]) + 1 / sqrt(max(0.0, spread) / (s * s) + 1 / (steepest * steepest))) * x
    return doubt > DOUBT * s


def continued(frozen: Sequence[float], learned: Sequence[float], z: Sequence[float], far: Sequence[float]) -> float:
    """Return what a frozen θ expects of a day: from the edge of its range on by the slopes that were `learned` since.

    >>> continued((1.0, 0, 0, 0, 0.5, 0, 0), (9.0, 0, 0, 0, 0.25, 0, 0), (1.0, 0, 0, 0, 2.0, 0, 0), (1.0, 0.0, 0.0))
    1.75
    """
    return dot(frozen, z) + sum((learned[term] - frozen[term]) * x for term, x in zip(DRIVERS, far, strict=True))
