"""The one-sided CUSUM and its score: how many days a clean chart would run until it stands that high.

    S ← max(0, S + e − k)
    ARL₀(S) = (e^v − v − 1) / (2 k²),   v = 2 k (S + 1.166)      score = log10 ARL₀(S)

Two run side by side: k = 0.3 is best for a lasting shift of 0.6 sigma, k = 1 for one of two sigma; scored as run
lengths they can be compared, and the higher one counts. Day by day only the sums are compared, with the S that has
the score in question (`total_of`); logarithms are taken when something is said.

Source: Siegmund's approximation of the average run length (D. Siegmund, Sequential Analysis, 1985).
"""

from __future__ import annotations

import math
from functools import lru_cache

UP_K = 0.3
STEEP_K = 1.0
DOWN_K = 0.5
OVERSHOOT = 1.166


def step(total: float, e: float, k: float = UP_K) -> float:
    """Return the chart after one more standardised residual.

    >>> step(0.0, 4.0), step(0.1, -1.0)
    (3.7, 0.0)
    """
    total += e - k
    return max(0.0, total)


def score(total: float, k: float = UP_K) -> float:
    """Return log10 of the average run length of a clean chart up to `total`, in log space where e^v is huge.

    >>> round(score(0.0), 2), round(score(19.0), 2), round(score(1000.0), 1)
    (0.24, 6.0, 261.6)
    """
    v = 2 * k * (total + OVERSHOOT)
    if v > 60:
        return (v - math.log(2 * k * k)) / math.log(10)
    return math.log10((math.exp(v) - v - 1) / (2 * k * k))


@lru_cache(maxsize=256)
def total_of(wanted: float, k: float = UP_K) -> float:
    """Return the highest sum whose score is not above `wanted`; below 0 when every sum is.

    >>> round(total_of(6.0), 2), score(total_of(1.3)) <= 1.3
    (19.0, True)
    """
    low, high = -OVERSHOOT, 1.0
    while score(high, k) <= wanted:
        high *= 2
    while low < (middle := (low + high) / 2) < high:
        if middle > -OVERSHOOT and score(middle, k) > wanted:
            high = middle
        else:
            low = middle
    return low


@lru_cache(maxsize=256)
def limits(threshold: float) -> tuple[float, float]:
    """Return the patient and the steep sum above which the score is above a threshold.

    >>> [round(total, 1) for total in limits(6.0)]
    [19.0, 6.1]
    """
    return total_of(threshold), total_of(threshold, STEEP_K)
