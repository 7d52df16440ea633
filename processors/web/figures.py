"""What one tile, one row or one heading is about: numbers and states, before any word or HTML.

Everything here is a pure function of the view's figures and one instant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from config.plant import PlantMeter
from driftwatt.alerts import Alert
from driftwatt.readings import Quality, Reading
from processors.pure.board import EdgeNow, MeterNow, Progress, Snapshot
from processors.pure.outputs import ExpectedPower, Readiness
from processors.view import QUARTER_MS, PlantView, Span

TileState = Literal[
    "fault", "stale", "filling", "waiting", "limit", "waste", "waste_acked", "shut", "estimated", "learning", "not_fit", "good"
]  # strongest first
Fields = dict[str, str | int | float]
"""Finished texts (and a few numbers) by key."""
DOUBTFUL = {"fault", "stale", "filling", "waiting"}
OPEN = ("unacked", "acked", "cleared_unacked", "shelved")
STALE_AT_LEAST_MS, FORGOTTEN_MS, FILLED_MS = 30_000, 86_400_000, 7_200_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A deviation bar. `kind` is `ok`, `over`, `under` or `none`; `at` the pointer's place in percent of the width."""

    kind: Literal["ok", "over", "under", "none"]
    at: float = 50.0


def bar_text(value: Bar) -> str:
    """Return a bar as the page's attribute: kind and percent."""
    return f"{value.kind} {value.at}"


@dataclass(frozen=True, slots=True)
class MeterFigure:
    """One meter at one instant. Power in kW, energy in kWh; `alert` is its costliest open one, `shut`: in a maintenance window."""

    meter: PlantMeter
    state: TileState
    kw: float | None
    t_ms: int | None
    since_ms: int | None
    expected: ExpectedPower | None
    kwh: float
    expected_kwh: float | None
    bar: Bar
    alert: Alert | None = None
    readiness: Readiness | None = None
    now: MeterNow | None = None
    shut: bool = False


def bar(kw: float | None, expected: ExpectedPower | None, rated_kw: float | None) -> Bar:
    """Return where the pointer stands when the expected band is always the middle quarter."""
    if kw is None or expected is None:
        return Bar("none")
    centre, half = (expected.lo + expected.hi) / 2000, (expected.hi - expected.lo) / 2000
    x = (kw - centre) / max(half, 0.01 * (rated_kw or 0), 1e-6)
    kind: Literal["ok", "over", "under"] = "over" if x > 3.7 else "under" if x < -3.7 else "ok"
    return Bar(kind, round(50 + 12.6 * max(-3.7, min(3.7, x)), 1))


def steady(span: Span, reading: Reading | None, today_wh: float) -> tuple[float, ExpectedPower] | None:
    """Return the mean kW since the last closed quarter-hour began, and what was expected in that time; None where it is not known.

    The band is one of quarter-hour means: a live second of a machine that works in strokes lies outside it all the time.
    """
    if not span.intervals or not span.expected or reading is None:
        return None
    last = span.intervals[-1]
    since_ms, length_ms = last.start_ms, reading.t_ms - last.start_ms
    if span.step_ms != QUARTER_MS or not QUARTER_MS <= length_ms <= 3 * QUARTER_MS:
        return None
    shares = [(point, min(reading.t_ms, point.start_ms + QUARTER_MS) - max(since_ms, point.start_ms)) for point in span.expected]
    inside = [(point, share / length_ms) for point, share in shares if share > 0]
    wh = today_wh - sum(each.import_wh for each in span.intervals[:-1])
    mean = [sum(getattr(point, end) * share for point, share in inside) for end in ("w", "lo", "hi")]
    return wh * 3600 / length_ms, ExpectedPower(span.meter, since_ms, *mean)


def expected_so_far_kwh(span: Span, until_ms: int) -> float | None:
    """Return the expected energy from the start of a span to an instant in kWh, None without expectation."""
    if not span.expected:
        return None
    wh = 0.0
    for point in span.expected:
        share = min(1.0, max(0.0, (until_ms - point.start_ms) / span.step_ms))
        wh += point.w * share * span.step_ms / 3_600_000
    return wh / 1000


def open_alerts(alerts: Sequence[Alert], meter: str | None = None) -> list[Alert]:
    """Return open alerts (suppressed ones are not), the costliest first."""
    found = [each for each in alerts if each.state in OPEN and (meter is None or each.meter == meter)]
    return sorted(found, key=lambda each: (-(each.per_day.get("cost", 0.0)), each.since_ms))


def meter_figure(view: PlantView, snapshot: Snapshot, alerts: Sequence[Alert], meter: PlantMeter) -> MeterFigure:
    """Return what a tile says of a meter now."""
    now_ms = view.now_ms()
    now = snapshot.meters.get(meter.id)
    reading = now.reading if now else None
    span = view.today.get(meter.id) or Span(meter.id, *view.day_bounds(now_ms), loaded_ms=0)
    mine = [each for each in open_alerts(alerts, meter.id) if each.kind in {"waste", "limit"}]
    doubt = _doubt(now, snapshot.edges, meter, now_ms, snapshot.progress if view.staged else None)
    readiness = snapshot.readiness.get(meter.id)
    kw = view.power_w(reading)
    expected = span.expected_at(now_ms if doubt is None or reading is None else reading.t_ms)
    gone = doubt == "fault" or (reading is not None and now_ms - reading.t_ms > FORGOTTEN_MS)
    shown = None if kw is None or gone else kw / 1000
    today_wh = view.energy_wh(meter.id, reading)
    shut = bool(view.shutdowns(meter.id, now_ms, now_ms + 1))
    judged_kw, judged_by = steady(span, reading, today_wh) or (shown, expected)
    return MeterFigure(
        meter=meter,
        state=doubt or _judged(mine, span, readiness, expected, shut=shut),
        kw=shown,
        t_ms=reading.t_ms if reading else None,
        since_ms=now.failing_since_ms if now else None,
        expected=expected,
        kwh=today_wh / 1000,
        expected_kwh=expected_so_far_kwh(span, _energy_to(doubt, reading.t_ms if reading else None, now_ms)),
        bar=bar(None if shown is None else judged_kw, judged_by, meter.rated_kw),
        alert=mine[0] if mine else None,
        readiness=readiness,
        now=now,
        shut=shut,
    )


def _energy_to(doubt: TileState | None, t_ms: int | None, now_ms: int) -> int:
    return now_ms if doubt is None or t_ms is None else t_ms


def _doubt(
    now: MeterNow | None, edges: Mapping[str, EdgeNow], meter: PlantMeter, now_ms: int, progress: Progress | None
) -> TileState | None:
    if now is None or now.reading is None:
        return "fault" if now and now.failing_since_ms is not None else "waiting"
    limit_ms = max(3 * (now.every_ms or 0), STALE_AT_LEAST_MS)
    if now_ms - now.reading.t_ms <= limit_ms:
        return None
    if progress is not None:
        return None if now_ms - now.reading.t_ms <= FILLED_MS else "filling"
    candidates = [edges[meter.edge]] if meter.edge is not None and meter.edge in edges else list(edges.values())
    speaks = any(edge.online and now_ms - edge.last_ms <= limit_ms for edge in candidates)
    return "fault" if speaks and now.failing_since_ms is not None else "stale"


def _judged(mine: Sequence[Alert], span: Span, readiness: Readiness | None, expected: ExpectedPower | None, *, shut: bool) -> TileState:
    states = {(each.kind, each.state) for each in mine}
    found: tuple[tuple[TileState, bool], ...] = (
        ("limit", any(kind == "limit" for kind, _ in states)),
        ("waste", ("waste", "unacked") in states),
        ("waste_acked", ("waste", "acked") in states),
        ("shut", shut),
        ("estimated", any(each.quality & Quality.ESTIMATED for each in span.intervals)),
        ("not_fit", readiness is not None and readiness.state == "not_fit"),
        ("learning", expected is None),
    )
    return next((state for state, holds in found if holds), "good")
