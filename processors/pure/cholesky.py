"""(A + R)⁻¹ b for the seven terms of a baseline, written out line by line.

A small matrix solved ten thousand times a day: written out it costs a tenth of the same loops, no threaded library
takes part, and the sums run in one fixed order, so that the result is the same bit for bit everywhere. A term never
seen has a row of zeros and comes out as exactly zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

RIDGE = (0.001, 0.15, 0.15, 0.15, 0.5, 0.5, 0.2)
"""The diagonal of R: level, Saturday, off, Monday, cooling, heating, production."""
TERMS = 7
WEEK, ALL = 10, 28
DIAGONAL = (0, 2, 5, 9, 14, 20, 27)
"""Places of the diagonal in the packed lower triangle."""


def solve(a: Sequence[float], b: Sequence[float]) -> tuple[float, ...]:
    """Return θ = (A + R)⁻¹ b by Cholesky; `b` has 7 numbers.

    `a` is A as packed lower triangle: 28 numbers, or 10 while neither weather nor production was seen.

    >>> [round(x, 3) for x in solve([2.0] + [0.0] * 9, [6.0] + [0.0] * 6)]      # 6 / 2.001
    [2.999, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    >>> solve([2.0] + [0.0] * 27, [6.0] + [0.0] * 6) == solve([2.0] + [0.0] * 9, [6.0] + [0.0] * 6)
    True
    """
    return _of_the_week(a, b) if len(a) == WEEK else _of_all(a, b)


def _of_the_week(a: Sequence[float], b: Sequence[float]) -> tuple[float, ...]:
    """Return θ while neither weather nor production was seen: only the first four terms."""
    a00, a10, a11, a20, a21, a22, a30, a31, a32, a33 = a
    d0 = 1.0 / sqrt(a00 + 0.001)
    l10 = a10 * d0
    d1 = 1.0 / sqrt(a11 + 0.15 - l10 * l10)
    l20 = a20 * d0
    l21 = (a21 - l20 * l10) * d1
    d2 = 1.0 / sqrt(a22 + 0.15 - l20 * l20 - l21 * l21)
    l30 = a30 * d0
    l31 = (a31 - l30 * l10) * d1
    l32 = (a32 - l30 * l20 - l31 * l21) * d2
    d3 = 1.0 / sqrt(a33 + 0.15 - l30 * l30 - l31 * l31 - l32 * l32)
    h0 = b[0] * d0
    h1 = (b[1] - l10 * h0) * d1
    h2 = (b[2] - l20 * h0 - l21 * h1) * d2
    h3 = (b[3] - l30 * h0 - l31 * h1 - l32 * h2) * d3
    t3 = h3 * d3
    t2 = (h2 - l32 * t3) * d2
    t1 = (h1 - l21 * t2 - l31 * t3) * d1
    t0 = (h0 - l10 * t1 - l20 * t2 - l30 * t3) * d0
    return t0, t1, t2, t3, 0.0, 0.0, 0.0


def _of_all(a: Sequence[float], b: Sequence[float]) -> tuple[float, ...]:
    """Return θ of all seven terms."""
    (
        a00,
        a10, a11,
        a20, a21, a22,
        a30, a31, a32, a33,
        a40, a41, a42, a43, a44,
        a50, a51, a52, a53, a54, a55,
        a60, a61, a62, a63, a64, a65, a66,
    ) = a  # fmt: skip
    d0 = 1.0 / sqrt(max(a00 + 0.001, 1e-12))
    l10 = a10 * d0
    d1 = 1.0 / sqrt(max(a11 + 0.15 - l10 * l10, 1e-12))
    l20 = a20 * d0
    l21 = (a21 - l20 * l10) * d1
    d2 = 1.0 / sqrt(max(a22 + 0.15 - l20 * l20 - l21 * l21, 1e-12))
    l30 = a30 * d0
    l31 = (a31 - l30 * l10) * d1
    l32 = (a32 - l30 * l20 - l31 * l21) * d2
    d3 = 1.0 / sqrt(max(a33 + 0.15 - l30 * l30 - l31 * l31 - l32 * l32, 1e-12))
    l40 = a40 * d0
    l41 = (a41 - l40 * l10) * d1
    l42 = (a42 - l40 * l20 - l41 * l21) * d2
    l43 = (a43 - l40 * l30 - l41 * l31 - l42 * l32) * d3
    d4 = 1.0 / sqrt(max(a44 + 0.5 - l40 * l40 - l41 * l41 - l42 * l42 - l43 * l43, 1e-12))
    l50 = a50 * d0
    l51 = (a51 - l50 * l10) * d1
    l52 = (a52 - l50 * l20 - l51 * l21) * d2
    l53 = (a53 - l50 * l30 - l51 * l31 - l52 * l32) * d3
    l54 = (a54 - l50 * l40 - l51 * l41 - l52 * l42 - l53 * l43) * d4
    d5 = 1.0 / sqrt(max(a55 + 0.5 - l50 * l50 - l51 * l51 - l52 * l52 - l53 * l53 - l54 * l54, 1e-12))
    l60 = a60 * d0
    l61 = (a61 - l60 * l10) * d1
    l62 = (a62 - l60 * l20 - l61 * l21) * d2
    l63 = (a63 - l60 * l30 - l61 * l31 - l62 * l32) * d3
    l64 = (a64 - l60 * l40 - l61 * l41 - l62 * l42 - l63 * l43) * d4
    l65 = (a65 - l60 * l50 - l61 * l51 - l62 * l52 - l63 * l53 - l64 * l54) * d5
    d6 = 1.0 / sqrt(max(a66 + 0.2 - l60 * l60 - l61 * l61 - l62 * l62 - l63 * l63 - l64 * l64 - l65 * l65, 1e-12))
    h0 = b[0] * d0
    h1 = (b[1] - l10 * h0) * d1
    h2 = (b[2] - l20 * h0 - l21 * h1) * d2
    h3 = (b[3] - l30 * h0 - l31 * h1 - l32 * h2) * d3
    h4 = (b[4] - l40 * h0 - l41 * h1 - l42 * h2 - l43 * h3) * d4
    h5 = (b[5] - l50 * h0 - l51 * h1 - l52 * h2 - l53 * h3 - l54 * h4) * d5
    h6 = (b[6] - l60 * h0 - l61 * h1 - l62 * h2 - l63 * h3 - l64 * h4 - l65 * h5) * d6
    t6 = h6 * d6
    t5 = (h5 - l65 * t6) * d5
    t4 = (h4 - l54 * t5 - l64 * t6) * d4
    t3 = (h3 - l43 * t4 - l53 * t5 - l63 * t6) * d3
    t2 = (h2 - l32 * t3 - l42 * t4 - l52 * t5 - l62 * t6) * d2
    t1 = (h1 - l21 * t2 - l31 * t3 - l41 * t4 - l51 * t5 - l61 * t6) * d1
    t0 = (h0 - l10 * t1 - l20 * t2 - l30 * t3 - l40 * t4 - l50 * t5 - l60 * t6) * d0
    return t0, t1, t2, t3, t4, t5, t6


def effective_parameters(a: Sequence[float]) -> float:
    """Return tr((A + R)⁻¹ A) = Σ (1 − R_i ((A + R)⁻¹)_ii) over the terms seen.

    >>> round(effective_parameters([1.0] + [0.0] * 9), 3)
    0.999
    """
    total = 0.0
    for term, place in enumerate(DIAGONAL):
        if place < len(a) and a[place] > 0.0:
            unit = [0.0] * TERMS
            unit[term] = 1.0
            total += 1.0 - RIDGE[term] * solve(a, unit)[term]
    return total
