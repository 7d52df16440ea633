"""Order statistics of short lists, in the exact forms that the method names."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple

SCALE_FROM, LEAST_SCALE = 6, 1e-9
ECHO_FROM, ECHO_MOST = 20, 0.8
_SINGLE = Struct("<f")


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


def single(value: float) -> float:
    """Return the number rounded to the 24 bits that kept numbers have.

    >>> single(0.1), single(0.25)
    (0.10000000149011612, 0.25)
    """
    return _SINGLE.unpack(_SINGLE.pack(value))[0]  # type: ignore[no-any-return]  # one float


_new = tuple.__new__


class Scale(NamedTuple):
    """The last residuals of one day group: `order` in time as float32, `sizes` their absolute values ascending.

    `scale` is max(1.4826·median|f|, q90|f|/1.645), 0 with fewer than six: taken when a residual comes, wanted every day.
    """

    order: array[float] = array("f")
    sizes: list[float] = []
    scale: float = 0.0

    def pushed(self, r: float, most: int) -> Scale:
        """Return the window with one residual more, the oldest dropped beyond `most`.

        >>> window = Scale().pushed(-0.5, 2).pushed(0.25, 2).pushed(1.0, 2)
        >>> list(window.order), window.sizes
        ([0.25, 1.0], [0.25, 1.0])
        """
        order, sizes, _ = self
        sizes = sizes[:]
        if len(order) < most:
            order = order[:]
        else:
            del sizes[bisect_left(sizes, abs(order[0]))]
            order = order[1:]
        order.append(r)
        insort(sizes, abs(order[-1]))
        return _new(Scale, (order, sizes, _scale(sizes)))


def _scale(sizes: Sequence[float]) -> float:
    count = len(sizes)
    if count < SCALE_FROM:
        return 0.0
    middle, tail = 1.4826 * sizes[count // 2], sizes[int(0.9 * (count - 1))] / 1.645
    size = middle if middle > tail else tail  # noqa: FURB136 – max and min cost more
    return size if size > LEAST_SCALE else LEAST_SCALE  # noqa: FURB136 – as above


class Echo(NamedTuple):
    """The last u in steps of 1/4096 sigma with their sums, so that the lag-1 autocorrelation is exact and costs nothing.

    `first`, `second` and `lagged` are Σ u, Σ u² and Σ u_t u_{t−1} over `us`; `rho` is the autocorrelation, 0…0.8,
    and 0 with fewer than 20 values.

    >>> window = Echo()
    >>> for u in [1, 1, -1, -1] * 10: window = window.pushed(u, 60)
    >>> round(window.rho, 3)
    0.025
    """

    us: array[int] = array("h")
    first: int = 0
    second: int = 0
    lagged: int = 0
    rho: float = 0.0

    def pushed(self, u: int, most: int) -> Echo:
        """Return the window with one value more, the oldest dropped beyond `most`."""
        us, first, second, lagged, _ = self
        if us:
            lagged += us[-1] * u
        first += u
        second += u * u
        kept = us[1:] if len(us) >= most else us[:]
        kept.append(u)
        if len(us) >= most:
            gone = us[0]
            first -= gone
            second -= gone * gone
            lagged -= gone * kept[0]
        return _new(Echo, (kept, first, second, lagged, _correlation(kept, first, second, lagged)))


def _correlation(us: array[int], first: int, second: int, lagged: int) -> float:
    """Return Σ (u_t − ū)(u_{t−1} − ū) / Σ (u_t − ū)², in whole numbers up to the division, held inside 0…0.8."""
    n = len(us)
    if n < ECHO_FROM:
        return 0.0
    power = n * second - first * first
    if power <= 0:
        return 0.0
    echo = n * (n * lagged - first * (2 * first - us[0] - us[-1])) + (n - 1) * first * first
    return 0.0 if echo <= 0 else min(ECHO_MOST, echo / (n * power))


def echo_of(us: array[int]) -> Echo:
    """Return the window of values in time, with its sums."""
    first, second = sum(us), sum(u * u for u in us)
    lagged = sum(us[n] * us[n - 1] for n in range(1, len(us)))
    return Echo(us, first, second, lagged, _correlation(us, first, second, lagged))


def scale_of(order: array[float]) -> Scale:
    """Return the window of residuals in time."""
    sizes = sorted(map(abs, order))
    return Scale(order, sizes, _scale(sizes))
