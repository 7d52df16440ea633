"""What a chart draws, as plain data: the browser adds pixels and nothing else.

Times are UTC milliseconds, power in kW. A `null` in a line is a gap that nothing may bridge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from driftwatt.alerts import Alert
from driftwatt.readings import Quality
from processors.pure.calendar import ClosedWindow
from processors.view import QUARTER_MS, PlantView, Span
from processors.web import hours_of_waste
from processors.web.text import Text

Chart = dict[str, Any]
Line = list[list[float | None]]
WAITING_AFTER_MS, WAITING_LONG_MS = 6 * 60_000, 80 * 60_000


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured line, its estimated parts, and the holes in it as (from, to) ms."""

    line: Line
    estimated: Line
    gaps: tuple[tuple[int, int], ...]
    last_ms: int | None


def measured(span: Span) -> Measured:
    """Return the line of a span: interval means at their middles, then the minutes since, thinned to five."""
    times: list[float | None] = []
    values: list[float | None] = []
    guess_t: list[float | None] = []
    guess_v: list[float | None] = []
    gaps: list[tuple[int, int]] = []
    end_ms: int | None = None
    for each in span.intervals:
        if each.coverage <= 0:
            continue
        middle, kw = (each.start_ms + each.end_ms) / 2, each.import_wh * 3600 / (each.end_ms - each.start_ms)
        if end_ms is not None and each.start_ms > end_ms:
            gaps.append((end_ms, each.start_ms))
            times.append((end_ms + each.start_ms) / 2)
            values.append(None)
        doubtful = bool(each.quality & Quality.ESTIMATED)
        times.append(middle)
        values.append(None if doubtful else kw)
        guess_t.append(middle)
        guess_v.append(kw if doubtful else None)
        end_ms = each.end_ms
    for start, watts in _thinned(span.tail, end_ms or span.start_ms):
        times.append(start + 30_000)
        values.append(watts / 1000)
        end_ms = start + 60_000
    has_guess = any(value is not None for value in guess_v)
    return Measured([times, values], [guess_t, guess_v] if has_guess else [[], []], tuple(gaps), end_ms)


def _thinned(tail: Iterable[tuple[int, float]], after_ms: int) -> list[tuple[int, float]]:
    """Return five-minute means of the minutes after the last closed interval."""
    groups: dict[int, list[tuple[int, float]]] = {}
    for start, watts in tail:
        if start >= after_ms:
            groups.setdefault(start // 300_000, []).append((start, watts))
    return [(group[len(group) // 2][0], sum(watts for _, watts in group) / len(group)) for group in groups.values()]


def added(spans: Sequence[Span]) -> Span:
    """Return the sum of several meters' spans; a quarter-hour that one of them lacks is missing in the sum."""
    if len(spans) == 1:
        return spans[0]
    first = spans[0]
    starts = set.intersection(*({each.start_ms for each in span.intervals} for span in spans))
    bands = set.intersection(*({each.start_ms for each in span.expected} for span in spans))
    minutes = set.intersection(*({start for start, _ in span.tail} for span in spans))
    by_start = [{each.start_ms: each for each in span.intervals} for span in spans]
    by_band = [{each.start_ms: each for each in span.expected} for span in spans]
    by_minute = [dict(span.tail) for span in spans]
    return Span(
        meter="",
        start_ms=first.start_ms,
        end_ms=first.end_ms,
        loaded_ms=first.loaded_ms,
        step_ms=first.step_ms,
        intervals=tuple(
            type(parts[0][s])(
                "", "15m", s, parts[0][s].end_ms, sum(part[s].import_wh for part in parts), quality=_any(part[s].quality for part in parts)
            )
            for parts in (by_start,)
            for s in sorted(starts)
        ),
        expected=tuple(
            type(by_band[0][s])("", s, sum(b[s].w for b in by_band), sum(b[s].lo for b in by_band), sum(b[s].hi for b in by_band))
            for s in sorted(bands)
        ),
        tail=tuple((s, sum(part[s] for part in by_minute)) for s in sorted(minutes)),
    )


def _any(bits: Iterable[int]) -> int:
    result = 0
    for each in bits:
        result |= each
    return result


def band(span: Span) -> Line:
    """Return the expected band: times of the middles, low and high."""
    half = span.step_ms / 2
    return [
        [point.start_ms + half for point in span.expected],
        [max(0.0, point.lo / 1000) for point in span.expected],
        [point.hi / 1000 for point in span.expected],
    ]


def chart(
    view: PlantView, text: Text, span: Span, *, alerts: Sequence[Alert] = (), limit_kw: float | None = None, tariff: bool = False
) -> Chart:
    """Return the chart of one span: measured against its band, with gaps, events, limit and tariff strip."""
    now_ms = view.now_ms()
    drawn = measured(span)
    shut = view.shutdowns(span.meter, span.start_ms, span.end_ms)
    live = span.start_ms <= now_ms < span.end_ms
    waiting = (
        live
        and drawn.last_ms is not None
        and now_ms - drawn.last_ms > (WAITING_AFTER_MS if span.step_ms == QUARTER_MS else WAITING_LONG_MS)
    )
    data: Chart = {
        "from": span.start_ms,
        "to": span.end_ms,
        "now": now_ms if live else None,
        "zone": view.plant.plant.timezone,
        "measured": drawn.line,
        "estimated": drawn.estimated,
        "band": band(span),
        "gaps": [{"from": a, "to": b, "text": text.words("chart.no_data", duration=text.duration((b - a) / 1000))} for a, b in drawn.gaps],
        "events": [event for alert in alerts for event in events(view, span, alert, shut)],
        "shutdowns": [{"from": max(each.from_ms, span.start_ms), "to": min(each.to_ms, span.end_ms), "text": each.note} for each in shut],
        "compare": [],
        "summary": _summary(text, span, drawn),
    }
    if waiting and drawn.last_ms is not None:
        since = text.words("chart.waiting", time=text.clock(drawn.last_ms))
        data["gaps"].append({"from": drawn.last_ms, "to": now_ms, "text": since, "waiting": True})
    if limit_kw is not None:
        data["limit"] = {"kw": limit_kw, "text": text.words("ov.contract", kw=str(text.power(limit_kw)))}
    if tariff and view.tariff is not None:
        data["tariff"] = tariff_strip(view, span.start_ms, span.end_ms)
    return data


def events(view: PlantView, span: Span, alert: Alert, shut: Sequence[ClosedWindow] = ()) -> list[dict[str, Any]]:
    """Return the parts of a span in which an alert's excess ran: since it began, in its hours, above the band, outside of shutdowns."""
    highest, now_ms = {point.start_ms: point.hi for point in span.expected}, view.now_ms()
    until_ms = alert.cleared_ms or now_ms
    parts: list[dict[str, Any]] = []
    for each in span.intervals:
        watts = each.import_wh * 3.6e6 / (each.end_ms - each.start_ms)
        if not alert.since_ms - span.step_ms <= each.start_ms < until_ms or watts <= highest.get(each.start_ms, float("inf")):
            continue
        closed = any(one.from_ms < each.end_ms and each.start_ms < one.to_ms for one in shut)
        if closed or not hours_of_waste.may_be(view, alert, each.start_ms):
            continue
        if parts and each.start_ms - parts[-1]["to"] <= 2 * span.step_ms:
            parts[-1]["to"] = each.end_ms
        else:
            parts.append({"from": each.start_ms, "to": each.end_ms, "alert": alert.id})
    parts = [part for part in parts if part["to"] - part["from"] > span.step_ms]
    if parts and alert.cleared_ms is None and parts[-1]["to"] >= span.closed_to_ms and span.start_ms <= now_ms < span.end_ms:
        parts[-1] |= {"to": now_ms, "open": True}
    return parts


def tariff_strip(view: PlantView, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    """Return the tariff periods of a span."""
    strip: list[dict[str, Any]] = []
    for t_ms in range(start_ms, end_ms, QUARTER_MS):
        price = view.tariff.price_at(t_ms) if view.tariff else None
        period = price.period if price else "normal"
        if strip and strip[-1]["is"] == period:
            strip[-1]["to"] = min(t_ms + QUARTER_MS, end_ms)
        else:
            strip.append({"from": t_ms, "to": min(t_ms + QUARTER_MS, end_ms), "is": period})
    return strip


def _summary(text: Text, span: Span, drawn: Measured) -> str:
    known = [value for value in drawn.line[1] if value is not None]
    if not known:
        return text.words["chart.empty"]
    return text.words(
        "chart.summary",
        **{
            "from": text.moment(span.start_ms, 0),
            "lo": str(text.power(min(known))),
            "hi": str(text.power(max(known))),
            "now": str(text.power(known[-1])),
        },
    )
