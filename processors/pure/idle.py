"""A meter that waits for its machine: which of the first days have something to learn a schedule from.

Three or more idle days before the first with a load are not learned. A day is idle below a fifth of the busiest. Source:
docs/detection.md, "Calendar".
"""

from __future__ import annotations

from collections.abc import Sequence

from processors.pure.memory import Past

IDLE_SHARE, IDLE_DAYS = 0.2, 3
LEAST_LEVEL = 1e-9
"""A meter that draws less, in kW, has drawn nothing: it has no scale."""


def with_load(days: tuple[Past, ...]) -> tuple[Past, ...]:
    """Return the first days without the idle ones that are not learned; of days that are all idle the last three."""
    means = [sum(day.kw) / len(day.kw) for day in days]
    least = max(LEAST_LEVEL, IDLE_SHARE * max(means))
    first = next((place for place, mean in enumerate(means) if mean > least), None)
    if first is None:
        return days[-IDLE_DAYS:]
    return days[first:] if first >= IDLE_DAYS else days


def why(days: Sequence[Past]) -> str:
    """Return why there is nothing to learn from: `load` as the meter draws nothing, `sign` as it only runs backwards, or ""."""
    if not days:
        return ""
    least, most = min(min(day.kw) for day in days), max(max(day.kw) for day in days)
    return "" if most > LEAST_LEVEL else "sign" if least < -LEAST_LEVEL else "load"
