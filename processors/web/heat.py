"""Four weeks at a glance: hour × weekday, and how long which power lasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from driftwatt.alerts import Alert
from processors.pure.calendar import local
from processors.pure.outputs import IntervalEnergy
from processors.view import DAY_MS, PlantView
from processors.web import hours_of_waste
from processors.web.text import Text

WEEKS_MS = 28 * DAY_MS
STEPS = 6
CURVE_POINTS = 101


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour of the week: its colour class and what it says."""

    cls: str
    text: str


async def four_weeks(view: PlantView, text: Text, meter: str, alerts: Sequence[Alert]) -> dict[str, Any]:
    """Return the heat map's rows and the load duration curve of a meter. Raises Unavailable."""
    end_ms = view.day_bounds(view.now_ms())[1]
    hours = await view.intervals("1h", meter, end_ms - 2 * WEEKS_MS, end_ms)
    recent = [each for each in hours if each.start_ms >= end_ms - WEEKS_MS]
    before = [each for each in hours if each.start_ms < end_ms - WEEKS_MS]
    top = max((_kw(each) for each in recent), default=0.0)
    lines = [(text.words["m.curve_now"], recent), (text.words["m.curve_before"], before)]
    return {
        "heat": _rows(view, text, recent, top, alerts),
        "heat_top": str(text.power(top)),
        "curve": {
            "share": list(range(CURVE_POINTS)),
            "lines": [{"text": name, "kw": duration(part)} for name, part in lines if len(part) > 24],
            "summary": text.words["term.load_duration"],
        },
    }


def _kw(each: IntervalEnergy) -> float:
    return each.import_wh / 1000 * 3.6e6 / (each.end_ms - each.start_ms)


def duration(hours: Sequence[IntervalEnergy]) -> list[float]:
    """Return the power exceeded during 0, 1, … 100 % of the hours, in kW.

    >>> duration([IntervalEnergy("m", "1h", 0, 3_600_000, wh) for wh in (1000.0, 3000.0)])[::50]
    [3.0, 1.0, 1.0]
    """
    sorted_kw = sorted((_kw(each) for each in hours), reverse=True)
    return [round(sorted_kw[min(len(sorted_kw) - 1, i * len(sorted_kw) // (CURVE_POINTS - 1))], 3) for i in range(CURVE_POINTS)]


def _rows(
    view: PlantView, text: Text, hours: Sequence[IntervalEnergy], top: float, alerts: Sequence[Alert]
) -> list[tuple[str, list[Cell]]]:
    """Return seven rows of 24 cells: the mean of up to four weeks, the newest week's waste outlined."""
    bins: dict[tuple[int, int], list[IntervalEnergy]] = {}
    for each in hours:
        at = local(view.zone, each.start_ms)
        bins.setdefault((at.weekday(), at.hour), []).append(each)
    monday_ms = view.day_bounds(view.now_ms(), days=-local(view.zone, view.now_ms()).weekday())[0]
    rows = []
    for day in range(7):
        name = text.weekday(monday_ms + day * DAY_MS + DAY_MS // 2, grid=True)
        rows.append((name, [_cell(view, text, bins.get((day, hour), []), top, alerts) for hour in range(24)]))
    return rows


def _cell(view: PlantView, text: Text, parts: Sequence[IntervalEnergy], top: float, alerts: Sequence[Alert]) -> Cell:
    if not parts:
        return Cell("gap", text.words["chart.missing"])
    kw = sum(_kw(each) for each in parts) / len(parts)
    step = 1 + min(STEPS - 1, int(STEPS * kw / top)) if top > 0 else 1
    newest = parts[-1]
    wasted = any(_wasted(view, newest, alert) for alert in alerts)
    return Cell(f"h{step} ev" if wasted else f"h{step}", str(text.power(kw)))


def _wasted(view: PlantView, each: IntervalEnergy, alert: Alert) -> bool:
    """Tell whether an hour was in an alert's excess: since it began, in its hours, and nearer to the excess than to normal."""
    if (
        alert.expected_kw is None
        or alert.actual_kw is None
        or not alert.since_ms - 3_600_000 <= each.start_ms < (alert.cleared_ms or 1 << 62)
        or not hours_of_waste.may_be(view, alert, each.start_ms)
    ):
        return False
    return (
        alert.pattern in {"off_hours", "base_load"}
        and abs(_kw(each) - alert.actual_kw) < abs(_kw(each) - alert.expected_kw)
        and _kw(each) < 1.6 * alert.actual_kw
    )
