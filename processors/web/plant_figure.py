"""The plant's sums at one instant: power, energy, cost, emissions and the demand of the running quarter-hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from driftwatt.readings import Quality
from processors.pure.outputs import ExpectedPower
from processors.view import QUARTER_MS, PlantView, Span
from processors.web.figures import Bar, MeterFigure, bar


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
        by_period=_by_period(view, spans, kwh, to_ms),
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


def _by_period(view: PlantView, spans: Sequence[Span], kwh: float, to_ms: int) -> dict[str, float]:
    """Return the kWh of today by tariff period; what no closed interval has yet belongs to the period of now."""
    price = view.tariff.price_at(to_ms) if view.tariff else None
    if price is None:
        return {}
    parts = kwh_by_period(view, spans)
    return parts | {price.period: parts.get(price.period, 0.0) + max(0.0, kwh - sum(parts.values()))}


def kwh_by_period(view: PlantView, spans: Sequence[Span]) -> dict[str, float]:
    """Return the kWh of closed intervals by tariff period."""
    parts: dict[str, float] = {}
    for span in spans:
        for each in span.intervals:
            price = view.tariff.price_at(each.start_ms) if view.tariff else None
            if price is not None:
                parts[price.period] = parts.get(price.period, 0.0) + each.import_wh / 1000
    return parts
