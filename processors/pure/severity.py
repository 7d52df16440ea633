"""How severe an alert is, and how sure: words from numbers."""

from __future__ import annotations

from typing import Literal

from driftwatt.alerts import Range, Severity

_ORDER: tuple[Severity, ...] = ("low", "medium", "high")
_DATA: dict[str, Severity] = {"gap": "low", "reset": "low"}


def of_money(per_month: float | None, *, medium: float, high: float) -> Severity:
    """Return the severity of waste by its money per month; without a price it is medium.

    >>> of_money(999_999, medium=1e6, high=5e6), of_money(5e6, medium=1e6, high=5e6), of_money(None, medium=1e6, high=5e6)
    ('low', 'high', 'medium')
    """
    if per_month is None:
        return "medium"
    return "high" if per_month >= high else "medium" if per_month >= medium else "low"


def of_data(reason: str) -> Severity:
    """Return the severity of doubtful data: what stops the books from being right is medium, what heals itself low."""
    return _DATA.get(reason, "medium")


def worse(one: Severity, other: Severity) -> Severity:
    """Return the more severe of two."""
    return max(one, other, key=_ORDER.index)


def confidence(kwh: Range, *, provisional: bool) -> Literal["high", "medium", "low"]:
    """Return how sure a waste figure is: its band excludes zero, and its baseline is ready.

    >>> confidence(Range(50, 10, 90), provisional=False), confidence(Range(50, 0, 120), provisional=True)
    ('high', 'low')
    """
    sure = (kwh.low > 0) + (not provisional)
    return "high" if sure == 2 else "medium" if sure else "low"
