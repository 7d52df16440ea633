"""The baseline of one channel: robust recursive ridge regression with forgetting, in information form.

    z = [1, Saturday, off, Monday, CDD/10, HDD/10, P/100]
    A ← λA + w z zᵀ,  b ← λb + w y z,  θ = (A + R)⁻¹ b

R keeps weather, production and weekday effects at zero until the data speak. λ is 1 at first, then halves the
past in 60 *learned* days: a frozen or silent month forgets nothing. Source: docs/detection.md, "Baseline".
Sums run in ascending order in float64 and the Cholesky is our own: bit for bit the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TERMS = 7
RIDGE = (0.001, 0.15, 0.15, 0.15, 0.5, 0.5, 0.5)
FORGET = 2.0 ** (-1.0 / 60.0)
HUBER = 2.0
HUBER_FROM = 14
REBASE_KEEP = 0.3

_AT = [[row * (row + 1) // 2 + column for column in range(row + 1)] for row in range(TERMS)]
"""Place of (row, column ≤ row) in the packed lower triangle."""


@dataclass(frozen=True, slots=True)
class Ridge:
    """`a` is A as packed lower triangle (28 numbers), `b` and `theta` have 7, `n` counts learned days."""

    a: tuple[float, ...] = (0.0,) * 28
    b: tuple[float, ...] = (0.0,) * TERMS
    theta: tuple[float, ...] = (0.0,) * TERMS
    n: int = 0


def dot(theta: Sequence[float], z: Sequence[float]) -> float:
    """Return θᵀz.

    >>> dot((1.0, 2.0), (3.0, 4.0))
    11.0
    """
    total = 0.0
    for t, x in zip(theta, z, strict=True):
        total += t * x
    return total


def huber_weight(r: float, s: float, n: int) -> float:
    """Return the weight of a residual: 1, or 2s/|r| beyond two sigma once enough is learned.

    >>> huber_weight(4.0, 1.0, 20), huber_weight(4.0, 1.0, 10), huber_weight(1.0, 1.0, 20)
    (0.5, 1.0, 1.0)
    """
    if n <= HUBER_FROM or abs(r) <= HUBER * s:
        return 1.0
    return HUBER * s / abs(r)


def learn(ridge: Ridge, z: Sequence[float], y: float, *, weight: float, forget: float) -> Ridge:
    """Return the baseline with one day more. `forget` is λ.

    >>> line = Ridge()
    >>> for y in (2.0, 4.0): line = learn(line, (1.0, 0, 0, 0, 0, 0, 0), y, weight=1.0, forget=1.0)
    >>> round(line.theta[0], 3), line.n     # 6 / 2.001
    (2.999, 2)
    """
    a = [forget * ridge.a[place] + weight * z[row] * z[column] for row, places in enumerate(_AT) for column, place in enumerate(places)]
    b = [forget * was + weight * y * x for was, x in zip(ridge.b, z, strict=True)]
    return Ridge(tuple(a), tuple(b), solve(a, b), ridge.n + 1)


def shift_level(ridge: Ridge, m: float) -> Ridge:
    """Return the baseline lifted by `m` with its memory shortened: b ← b + A[:,0]·m, then (A, b) ← 0.3 (A, b).

    Weather and weekday slopes stay as they are.
    """
    column = [ridge.a[_AT[row][0]] for row in range(TERMS)]
    a = [REBASE_KEEP * value for value in ridge.a]
    b = [REBASE_KEEP * (was + first * m) for was, first in zip(ridge.b, column, strict=True)]
    return Ridge(tuple(a), tuple(b), solve(a, b), ridge.n)


def solve(a: Sequence[float], b: Sequence[float]) -> tuple[float, ...]:
    """Return (A + R)⁻¹ b. Terms never seen (a zero row) are exactly zero and cost nothing."""
    used = [term for term in range(TERMS) if a[_AT[term][term]] > 0.0]
    theta = [0.0] * TERMS
    factor = _cholesky(a, used)
    for term, value in zip(used, _substitute(factor, [b[term] for term in used]), strict=True):
        theta[term] = value
    return tuple(theta)


def effective_parameters(ridge: Ridge) -> float:
    """Return tr((A + R)⁻¹ A) = Σ (1 − R_i ((A + R)⁻¹)_ii) over the terms seen.

    >>> round(effective_parameters(learn(Ridge(), (1.0, 0, 0, 0, 0, 0, 0), 2.0, weight=1.0, forget=1.0)), 3)
    0.999
    """
    used = [term for term in range(TERMS) if ridge.a[_AT[term][term]] > 0.0]
    factor = _cholesky(ridge.a, used)
    total = 0.0
    for place, term in enumerate(used):
        unit = [0.0] * len(used)
        unit[place] = 1.0
        total += 1.0 - RIDGE[term] * _substitute(factor, unit)[place]
    return total


def _cholesky(a: Sequence[float], used: Sequence[int]) -> list[list[float]]:
    """Return the lower factor of A + R restricted to the terms `used`."""
    factor: list[list[float]] = []
    for i, row in enumerate(used):
        line: list[float] = []
        for j in range(i):
            total = a[_AT[row][used[j]]]
            for k in range(j):
                total -= line[k] * factor[j][k]
            line.append(total / factor[j][j])
        rest = a[_AT[row][row]] + RIDGE[row]
        for value in line:
            rest -= value * value
        line.append(math.sqrt(max(rest, 1e-12)))
        factor.append(line)
    return factor


def _substitute(factor: list[list[float]], right: list[float]) -> list[float]:
    size = len(right)
    half: list[float] = []
    for i in range(size):
        total = right[i]
        for k in range(i):
            total -= factor[i][k] * half[k]
        half.append(total / factor[i][i])
    result = [0.0] * size
    for i in range(size - 1, -1, -1):
        total = half[i]
        for k in range(i + 1, size):
            total -= factor[k][i] * result[k]
        result[i] = total / factor[i][i]
    return result
