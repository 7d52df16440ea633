"""What one tile, one row or one heading is about: numbers and states, before any word or HTML.

Everything here is a pure function of the view's figures and one instant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from config.plant import PlantMeter
from driftwatt.alerts import Alert
from driftwatt.readings import Quality
from processors.pure.board import EdgeNow, MeterNow, Progress, Snapshot
from processors.pure.outputs import ExpectedPower, Readiness
from processors.view import QUARTER_MS, PlantView, Span

TileState = Literal[
    "fault", "stale", "filling", "waiting", "limit", "waste", "waste_acked", "estimated", "learning", "not_fit", "good"
]  # strongest first
OPEN = ("unacked", "acked", "cleared_unacked", "shelved")
STALE_AT_LEAST_MS, FORGOTTEN_MS, FILLED_MS = 30_000, 86_400_000, 7_200_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A deviation bar. `kind` is `ok`, `over`, `under` or `none`; `at` the pointer's place in percent of the width."""

    kind: Literal["ok", "over", "under", "none"]
    at: float = 50.0


@dataclass(frozen=True, slots=True)
class MeterFigure:
    """One meter at one instant. Power in kW, energy in kWh; `alert` is its costliest open one."""

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


def bar(kw: float | None, expected: ExpectedPower | None, rated_kw: float | None) -> Bar:
    """Return where the pointer stands when the expected band is always the middle quarter."""
    if kw is None or expected is None:
        return Bar("none")
    centre, half = (expected.lo + expected.hi) / 2000, (expected.hi - expected.lo) / 2000
    x = (kw - centre) / max(half, 0.01 * (rated_kw or 0), 1e-6)
    kind: Literal["ok", "over", "under"] = "over" if x > 3.7 else "under" if x < -3.7 else "ok"
    return Bar(kind, round(50 + 12.6 * max(-3.7, min(3.7, x)), 1))


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
    doubt = _doubt(now, snapshot.edges, meter, now_ms, snapshot.progress)
    readiness = snapshot.readiness.get(meter.id)
    kw = view.power_w(reading)
    expected = span.expected_at(now_ms if doubt is None or reading is None else reading.t_ms)
    gone = doubt == "fault" or (reading is not None and now_ms - reading.t_ms > FORGOTTEN_MS)
    shown = None if kw is None or gone else kw / 1000
    return MeterFigure(
        meter=meter,
        state=doubt or _judged(mine, span, readiness, expected),
        kw=shown,
        t_ms=reading.t_ms if reading else None,
        since_ms=now.failing_since_ms if now else None,
        expected=expected,
        kwh=view.energy_wh(meter.id, reading) / 1000,
        expected_kwh=expected_so_far_kwh(span, _energy_to(doubt, reading.t_ms if reading else None, now_ms)),
        bar=bar(shown, expected, meter.rated_kw),
        alert=mine[0] if mine else None,
        readiness=readiness,
        now=now,
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


def _judged(mine: Sequence[Alert], span: Span, readiness: Readiness | None, expected: ExpectedPower | None) -> TileState:
    states = {(each.kind, each.state) for each in mine}
    if any(kind == "limit" for kind, _ in states):
        return "limit"
    if ("waste", "unacked") in states:
        return "waste"
    if ("waste", "acked") in states:
        return "waste_acked"
    if any(each.quality & Quality.ESTIMATED for each in span.intervals):
        return "estimated"
    if readiness is not None and readiness.state == "not_fit":
        return "not_fit"
    return "learning" if expected is None else "good"


@dataclass(frozen=True, slots=True)
class PlantFigure:
    """The plant's sum at one instant. Demand is the running quarter-hour's mean so far carried on to its end."""

    kw: float | None
    t_ms: int | None
    stale: bool
    expected: ExpectedPower | None
    bar: Bar
    kwh: float
    expected_kwh: float | None
    cost: float | None
    expected_cost: float | None
    co2_kg: float | None
    by_period: dict[str, float]
    block_ms: int
    forecast_kw: float | None
    peak_kw: float | None
    peak_ms: int | None
    approximate: bool


def plant_figure(view: PlantView, figures: Sequence[MeterFigure]) -> PlantFigure:
    """Return the sum over the incomers; a value that one of them lacks is not summed but missing."""
    now_ms = view.now_ms()
    roots = [figure for figure in figures if figure.meter in view.incomers]
    spans = [view.today[root.meter.id] for root in roots if root.meter.id in view.today]
    kws = [root.kw for root in roots]
    kw = sum(each for each in kws if each is not None) if kws and None not in kws else None
    expected = _sum_expected([root.expected for root in roots])
    times = [root.t_ms for root in roots if root.t_ms is not None]
    to_ms = min(times, default=now_ms)
    kwh = sum(root.kwh for root in roots)
    expected_parts = [root.expected_kwh for root in roots]
    peaks = _block_means(spans)
    peak_ms = max(peaks, key=lambda start: peaks[start]) if peaks else None
    block_ms = now_ms - now_ms % QUARTER_MS
    stale = any(root.state in {"stale", "fault", "filling", "waiting"} for root in roots)
    cost, co2 = _money(view, spans, kwh, to_ms)
    return PlantFigure(
        kw=kw,
        t_ms=to_ms if times else None,
        stale=stale,
        expected=expected,
        bar=bar(kw, expected, sum(root.meter.rated_kw or 0 for root in roots)),
        kwh=kwh,
        expected_kwh=sum(each for each in expected_parts if each is not None) if None not in expected_parts and expected_parts else None,
        cost=cost,
        expected_cost=_expected_cost(view, spans, to_ms),
        co2_kg=co2,
        by_period=_by_period(view, spans),
        block_ms=block_ms,
        forecast_kw=None if stale or kw is None else _forecast(spans, block_ms, now_ms, kw),
        peak_kw=peaks[peak_ms] if peak_ms is not None else None,
        peak_ms=peak_ms,
        approximate=any(each.quality & Quality.ESTIMATED for span in spans for each in span.intervals),
    )


def _sum_expected(points: Sequence[ExpectedPower | None]) -> ExpectedPower | None:
    known = [point for point in points if point is not None]
    if not known or len(known) != len(points):
        return None
    return ExpectedPower(
        "", known[0].start_ms, sum(point.w for point in known), sum(point.lo for point in known), sum(point.hi for point in known)
    )


def _block_means(spans: Sequence[Span]) -> dict[int, float]:
    means: dict[int, float] = {}
    for span in spans:
        for each in span.intervals:
            means[each.start_ms] = means.get(each.start_ms, 0.0) + each.import_wh * 3.6e3 / (each.end_ms - each.start_ms)
    return means


def _forecast(spans: Sequence[Span], block_ms: int, now_ms: int, kw: float) -> float:
    """Return the running block's mean at its end if power stays as it is."""
    minutes: dict[int, float] = {}
    for span in spans:
        for start, watts in span.tail:
            if start >= block_ms:
                minutes[start] = minutes.get(start, 0.0) + watts / 1000
    so_far = sum(minutes.values()) / len(minutes) if minutes else kw
    share = (now_ms - block_ms) / QUARTER_MS
    return so_far * share + kw * (1 - share)


def _money(view: PlantView, spans: Sequence[Span], kwh: float, to_ms: int) -> tuple[float | None, float | None]:
    closed = [each for span in spans for each in span.intervals]
    rest_kwh = max(0.0, kwh - sum(each.import_wh for each in closed) / 1000)
    price = view.tariff.price_at(to_ms) if view.tariff else None
    factor = view.factors.factor_at(to_ms) if view.factors else None
    costs = [each.cost for each in closed]
    cost = None if price is None or None in costs else sum(each for each in costs if each is not None) + rest_kwh * price.price
    if factor is None:
        return cost, None
    grams = [each.co2e_g for each in closed if each.co2e_g is not None]
    return cost, sum(grams) / 1000 + rest_kwh * factor.kg_per_kwh


def _expected_cost(view: PlantView, spans: Sequence[Span], to_ms: int) -> float | None:
    if view.tariff is None or not any(span.expected for span in spans):
        return None
    total = 0.0
    for span in spans:
        for point in span.expected:
            price = view.tariff.price_at(point.start_ms)
            share = min(1.0, max(0.0, (to_ms - point.start_ms) / span.step_ms))
            total += (price.price if price else 0.0) * point.w / 1000 * share * span.step_ms / 3_600_000
    return total


def _by_period(view: PlantView, spans: Sequence[Span]) -> dict[str, float]:
    return {} if view.tariff is None else kwh_by_period(view, spans)


def kwh_by_period(view: PlantView, spans: Sequence[Span]) -> dict[str, float]:
    """Return the kWh of closed intervals by tariff period."""
    parts: dict[str, float] = {}
    for span in spans:
        for each in span.intervals:
            price = view.tariff.price_at(each.start_ms) if view.tariff else None
            if price is not None:
                parts[price.period] = parts.get(price.period, 0.0) + each.import_wh / 1000
    return parts
