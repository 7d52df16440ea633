"""The baseline of one channel: robust recursive ridge regression with forgetting, in information form.

    z = [1, Saturday, off, Monday, CDD/10, HDD/10, P/100]
    A ← λA + w z zᵀ,  b ← λb + w y z,  θ = (A + R)⁻¹ b

R keeps weather, production and weekday effects at zero until the data speak. λ is 1 at first, then halves the
past in 90 *learned* days: a frozen or silent month forgets nothing. Source: docs/detection.md, "Baseline".
Sums run in one order in float64 and the Cholesky is our own: bit for bit the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from processors.pure.cholesky import ALL, RIDGE, TERMS, WEEK, solve

__all__ = ["FORGET", "RIDGE", "TERMS", "WEEK", "Pairs", "Ridge", "dot", "huber_weight", "learn", "pairs", "shift_level"]

FORGET = 2.0 ** (-1.0 / 90.0)
HUBER = 2.0
HUBER_FROM = 14
REBASE_KEEP = 0.3
Pairs = Sequence[tuple[int, float]]
"""What of z zᵀ is not zero: (place in the packed lower triangle, z_row · z_column)."""

_new = tuple.__new__
_COLUMN = (0, 1, 3, 6, 10, 15, 21)
"""Places of the first column in the packed lower triangle."""


class Ridge(NamedTuple):
    """`a` is A as packed lower triangle (see cholesky), `b` and `theta` have 7, `n` counts learned days."""

    a: tuple[float, ...] = (0.0,) * WEEK
    b: tuple[float, ...] = (0.0,) * TERMS
    theta: tuple[float, ...] = (0.0,) * TERMS
    n: int = 0


def dot(theta: Sequence[float], z: Sequence[float]) -> float:
    """Return θᵀz of seven terms each.

    >>> dot((1.0, 2.0, 0, 0, 0, 0, 0), (3.0, 4.0, 0, 0, 0, 0, 0))
    11.0
    """
    t0, t1, t2, t3, t4, t5, t6 = theta
    z0, z1, z2, z3, z4, z5, z6 = z
    return t0 * z0 + t1 * z1 + t2 * z2 + t3 * z3 + t4 * z4 + t5 * z5 + t6 * z6


@lru_cache(maxsize=256)
def pairs(z: tuple[float, ...]) -> Pairs:
    """Return the products of the regressors of a day that are not zero.

    >>> pairs((1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0))
    ((0, 1.0), (3, 0.5), (5, 0.25))
    """
    some = [(term, x) for term, x in enumerate(z) if x]
    return tuple([(row * (row + 1) // 2 + column, x * y) for row, x in some for column, y in some if column <= row])


def huber_weight(r: float, s: float, n: int) -> float:
    """Return the weight of a residual: 1 up to two scales and while little is known, then 2 s/|r|.

    >>> huber_weight(4.0, 1.0, 20), huber_weight(-4.0, 1.0, 3), huber_weight(1.0, 1.0, 20)
    (0.5, 1.0, 1.0)
    """
    if n <= HUBER_FROM or abs(r) <= HUBER * s:
        return 1.0
    return HUBER * s / abs(r)


def learn(ridge: Ridge, z: Sequence[float], products: Pairs, y: float, *, weight: float, forget: float) -> Ridge:
    """Return the baseline with one day more. `products` are the pairs of z, `forget` is λ.

    >>> line, z = Ridge(), (1.0, 0, 0, 0, 0, 0, 0)
    >>> for y in (2.0, 4.0): line = learn(line, z, pairs(z), y, weight=1.0, forget=1.0)
    >>> round(line.theta[0], 3), line.n     # 6 / 2.001
    (2.999, 2)
    """
    before, was, _, n = ridge
    a = [forget * each for each in before]
    if products[-1][0] >= len(a):
        a += [0.0] * (ALL - WEEK)
    for place, product in products:
        a[place] += weight * product
    wy = weight * y
    b0, b1, b2, b3, b4, b5, b6 = was
    z0, z1, z2, z3, z4, z5, z6 = z
    b = (
        forget * b0 + wy * z0,
        forget * b1 + wy * z1,
        forget * b2 + wy * z2,
        forget * b3 + wy * z3,
        forget * b4 + wy * z4,
        forget * b5 + wy * z5,
        forget * b6 + wy * z6,
    )
    return _new(Ridge, (tuple(a), b, solve(a, b), n + 1))


def with_production(ridge: Ridge) -> Ridge:
    """Return the baseline with all its days as days of P/100 = 1 and its memory shortened: the rows of production are those of the level.

    >>> z, before = (1.0, 0, 0, 0, 0, 0, 0), Ridge()
    >>> for _ in range(50): before = learn(before, z, pairs(z), 3.0, weight=1.0, forget=1.0)
    >>> round(dot(with_production(before).theta, (1.0, 0, 0, 0, 0, 0, 1.0)), 3)
    3.0
    """
    if not ridge.n:
        return ridge
    row = [ridge.a[place] if place < len(ridge.a) else 0.0 for place in _COLUMN[:-1]]
    whole = (*ridge.a[: _COLUMN[-1]], *(0.0,) * (_COLUMN[-1] - len(ridge.a)), *row, row[0])
    a, b = tuple(REBASE_KEEP * each for each in whole), tuple(REBASE_KEEP * each for each in (*ridge.b[:-1], ridge.b[0]))
    return Ridge(a, b, solve(a, b), ridge.n)


def shift_level(ridge: Ridge, m: float) -> Ridge:
    """Return the baseline lifted by `m` with its memory shortened: b ← b + A[:,0]·m, then (A, b) ← 0.3 (A, b).

    Weather and weekday slopes stay as they are.
    """
    a = [REBASE_KEEP * value for value in ridge.a]
    column = [ridge.a[place] if place < len(ridge.a) else 0.0 for place in _COLUMN]
    b = [REBASE_KEEP * (was + first * m) for was, first in zip(ridge.b, column, strict=True)]
    return Ridge(tuple(a), tuple(b), solve(a, b), ridge.n)
