"""The two charts of an alert: tonight against its band with the two nights before, and the pattern over 14 days."""

from __future__ import annotations

from typing import Any

from driftwatt.alerts import Alert
from processors.pure.outputs import IntervalEnergy
from processors.view import DAY_MS, PlantView, Span
from processors.web import charts, hours_of_waste
from processors.web.alert_text import NIGHT
from processors.web.text import Text

HOUR_MS = 3_600_000
EVENING_MS, NIGHT_LENGTH_MS = 18 * HOUR_MS, int(12.5 * HOUR_MS)
MORNING_MS = 9 * HOUR_MS
PATTERN_DAYS = 14


def window(view: PlantView, alert: Alert) -> tuple[int, int, str]:
    """Return the span to look at, and its title: the night for what runs at night, else the day."""
    about_ms = min(view.now_ms(), alert.cleared_ms or view.now_ms())
    start_ms, end_ms = view.day_bounds(about_ms)
    if alert.pattern not in NIGHT or alert.kind != "waste":
        if alert.kind == "waste" and about_ms - start_ms < MORNING_MS:
            return *view.day_bounds(about_ms, days=-1), "al.chart_yesterday"
        return start_ms, end_ms, "al.chart_day"
    evening = start_ms + EVENING_MS
    tonight = about_ms >= evening
    begin = evening if tonight else view.day_bounds(about_ms, days=-1)[0] + EVENING_MS
    running = begin <= view.now_ms() < begin + NIGHT_LENGTH_MS
    return begin, begin + NIGHT_LENGTH_MS, "al.chart_night" if running else "al.chart_last_night"


async def against_band(view: PlantView, text: Text, alert: Alert) -> dict[str, Any]:
    """Return the chart of the alert's night or day with the two before it. Raises Unavailable."""
    start_ms, end_ms, title = window(view, alert)
    span = await view.span(alert.meter, start_ms, end_ms)
    drawn = charts.chart(view, text, span, alerts=[alert] if alert.kind == "waste" else [])
    night = title not in {"al.chart_day", "al.chart_yesterday"}
    names = ("al.cmp.night1", "al.cmp.night2") if night else ("al.cmp.before1", "al.cmp.before2")
    legend = [("line", text.words["chart.measured"]), ("band", text.words["chart.expected"])]
    legend += [("shut", text.words["mw.legend"])] if drawn["shutdowns"] else []
    for n, name in enumerate(names, 1):
        before = await view.span(alert.meter, start_ms - n * DAY_MS, end_ms - n * DAY_MS, tail=False)
        if before.intervals:
            drawn["compare"].append({"text": text.words[name], "line": _moved(before, n * DAY_MS)})
            legend.append((f"c{n}", text.words[name]))
    return {"id": "night", "title": text.words[title], "data": drawn, "legend": legend, "cls": "tall"}


def _moved(span: Span, by_ms: int) -> charts.Line:
    line = charts.measured(span).line
    return [[None if t is None else t + by_ms for t in line[0]], line[1]]


async def pattern(view: PlantView, text: Text, alert: Alert) -> dict[str, Any]:
    """Return the mean power of the pattern's hours on the last 14 days, with the normal range. Raises Unavailable."""
    night, in_shift = alert.pattern in NIGHT, alert.pattern == "running_hours"
    title = text.words["al.bars_night" if night else "al.bars_shift" if in_shift else "al.bars_day"]
    about_ms = min(view.now_ms(), alert.cleared_ms or view.now_ms())
    if night and about_ms < view.day_bounds(about_ms)[0] + EVENING_MS:
        about_ms -= DAY_MS
    days = [view.day_bounds(about_ms, days=n) for n in range(1 - PATTERN_DAYS, 1)]
    shift = 22 * HOUR_MS if night else 0
    length = 8 * HOUR_MS if night else DAY_MS
    hours = await view.intervals("15m", alert.meter, days[0][0], days[-1][1] + DAY_MS)
    bars = []
    for start_ms, _ in days:
        begin = start_ms + shift
        mine = [each for each in hours if begin <= each.start_ms < begin + length]
        mine = [each for each in mine if not in_shift or hours_of_waste.runs(view, alert.meter, each.start_ms)]
        kw = _mean_kw(mine)
        off = in_shift and not mine
        event = kw is not None and begin + length > alert.since_ms and begin < (alert.cleared_ms or 1 << 62) and _nearer(kw, alert)
        bars.append({"text": _short(text, start_ms), "kw": kw, "event": event, "off": off})
    half = 0.12 * alert.expected_kw if alert.expected_kw is not None else None
    data: dict[str, Any] = {"bars": bars, "summary": title}
    if alert.expected_kw is not None and half is not None and (night or in_shift):
        data |= {"lo": max(0.0, alert.expected_kw - half), "hi": alert.expected_kw + half}
    return {"id": "pattern", "title": title, "data": data, "legend": [], "cls": "short"}


def _mean_kw(parts: list[IntervalEnergy]) -> float | None:
    length = sum(each.end_ms - each.start_ms for each in parts)
    return sum(each.import_wh for each in parts) * 3600 / length if length else None


def _nearer(kw: float, alert: Alert) -> bool:
    if alert.actual_kw is None or alert.expected_kw is None or alert.pattern not in NIGHT | {"running_hours"}:
        return True
    return abs(kw - alert.actual_kw) <= abs(kw - alert.expected_kw)


def _short(text: Text, t_ms: int) -> str:
    day = text.local(t_ms)
    return f"{day.day}/{day.month}"
