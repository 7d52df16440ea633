"""Thinning a long line without losing its peaks: minimum and maximum of each bucket stay."""

from __future__ import annotations

from collections.abc import Sequence

Row = tuple[int, float, int]


def thin(rows: Sequence[Row], points: int) -> list[Row]:
    """Return at most `points` of the rows, ascending in time, first and last kept, extremes of every bucket kept.

    >>> thin([(0, 1.0, 0), (1, 9.0, 0), (2, 0.0, 0), (3, 2.0, 0)], 4)
    [(0, 1.0, 0), (1, 9.0, 0), (2, 0.0, 0), (3, 2.0, 0)]
    """
    if len(rows) <= points:
        return list(rows)
    if points < 4:
        return [rows[0], rows[-1]][:points]
    inner = rows[1:-1]
    buckets = (points - 2) // 2
    kept = [rows[0]]
    for i in range(buckets):
        part = inner[i * len(inner) // buckets : (i + 1) * len(inner) // buckets]
        if part:
            low, high = min(part, key=lambda row: row[1]), max(part, key=lambda row: row[1])
            kept += sorted({low, high})
    kept.append(rows[-1])
    return kept
