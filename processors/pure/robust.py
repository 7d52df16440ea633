"""Order statistics of short lists, in the exact forms that the method names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise


def quantile(ascending: Sequence[float], share: float) -> float:
    """Return the quantile of sorted values by linear interpolation. Raises IndexError when there are none.

    >>> quantile([0.0, 1.0, 2.0, 3.0], 0.5)
    1.5
    """
    place = share * (len(ascending) - 1)
    low = int(place)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (place - low) * (ascending[high] - ascending[low])


def median(values: Iterable[float]) -> float:
    """Return the median, the mean of the two middle values if their number is even.

    >>> median([3.0, 1.0, 2.0]), median([4.0, 1.0, 2.0, 3.0])
    (2.0, 2.5)
    """
    return quantile(sorted(values), 0.5)


def clip(value: float, limit: float) -> float:
    """Return the value held inside ± limit."""
    return -limit if value < -limit else min(value, limit)


def autocorrelation(values: Sequence[float], least: int, most: float) -> float:
    """Return the lag-1 autocorrelation held inside 0 … `most`; 0 with fewer than `least` values.

    Σ (u_t − ū)(u_{t−1} − ū) / Σ (u_t − ū)².

    >>> round(autocorrelation([1.0, 1.0, -1.0, -1.0] * 10, 20, 0.8), 3)
    0.025
    >>> autocorrelation([float(i) for i in range(40)], 20, 0.8)
    0.8
    """
    if len(values) < least:
        return 0.0
    mean = sum(values) / len(values)
    swings = [value - mean for value in values]
    power = sum(swing * swing for swing in swings)
    if power <= 0.0:
        return 0.0
    echo = sum(a * b for a, b in pairwise(swings))
    return min(most, max(0.0, echo / power))
