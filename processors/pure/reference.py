"""The clean reference of an event: what each channel would have been without the waste, frozen when it opens.

    θ* = θ before `since`,  its level moved by 0.6 · mean of y − θᵀz over the 40 days before `since`

A load wanders around its baseline, and where it stood in the weeks before says more about the weeks after than the
baseline alone. The share is that of the best linear predictor of a level that mostly persists (shrinkage, James and
Stein 1961; BLUP, Henderson 1975), taken from the bench: 0.3 to 1 and 10 to 40 days came out alike, none was worse.
Where a baseline was re-based, only days at its new level count: those from three days before on, which decided it.
"""

from __future__ import annotations

from processors.pure.baseline import dot
from processors.pure.channels import CHANNELS
from processors.pure.memory import Memory

DAYS_BEFORE = 40
SHARE = 0.6
LEAST_DAYS = 4
DECIDED_BY = 3


def clean_reference(memory: Memory, since: int) -> tuple[tuple[float, ...], ...]:
    """Return θ* of every channel for what began on the day `since` (ordinal).

    >>> from array import array
    >>> from processors.pure.memory import Copy, Past
    >>> z, none = (1.0,) + (0.0,) * 6, (None,) * 4
    >>> days = tuple(Past(n, 0, "work", z, 0, b"", array("f"), (3.0, *none), (0.0, *none)) for n in range(10, 20))
    >>> theta = array("f", [2.0] + [0.0] * 19)
    >>> clean_reference(Memory(days=days, copies=(Copy(9, theta),)), 20)[0][0]
    2.6
    """
    clean = memory.clean_before(since)
    moved_on = max((copy.ordinal for copy in memory.copies if copy.moved), default=0)
    first = max(since - DAYS_BEFORE, moved_on - DECIDED_BY + 1)
    days = [day for day in memory.days if first <= day.ordinal < since and day.ys]
    moved: list[tuple[float, ...]] = []
    for c, theta in enumerate(clean[: len(CHANNELS)]):
        residuals = [y - dot(theta, day.z) for day in days if (y := day.ys[c]) is not None]
        if len(residuals) >= LEAST_DAYS:
            theta = (theta[0] + SHARE * sum(residuals) / len(residuals), *theta[1:])  # noqa: PLW2901 – the moved one
        moved.append(theta)
    return tuple(moved)
