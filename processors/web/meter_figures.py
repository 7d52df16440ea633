"""The figures of a meter's page: five for the span, and what the device says of its phases now."""

from __future__ import annotations

from dataclasses import dataclass

from driftwatt.readings import Quality, Reading
from processors.pure.calendar import local
from processors.view import DAY_MS, PlantView, Span
from processors.web.figures import expected_so_far_kwh
from processors.web.kpis import PERIODS
from processors.web.plant_figure import kwh_by_period
from processors.web.text import NONE, Figure, Text

CLOSES_MS = 120_000
"""An interval closes this long after its end."""


@dataclass(frozen=True, slots=True)
class Five:
    """One of the five figures."""

    title: str
    figure: Figure
    note: str
    approximate: bool = False
    doubtful: bool = False


def five(view: PlantView, text: Text, span: Span) -> list[Five]:
    """Return energy, cost, peak, base load and coverage of a span."""
    say, now_ms = text.words, view.now_ms()
    live = span.start_ms <= now_ms < span.end_ms
    kwh = sum(each.import_wh for each in span.intervals) / 1000
    if live and span.start_ms == view.day_bounds(now_ms)[0]:
        now = view.board.snapshot().meters.get(span.meter)
        kwh = max(kwh, view.energy_wh(span.meter, now.reading if now else None) / 1000)
    guessed = any(each.quality & Quality.ESTIMATED for each in span.intervals)
    expected = expected_so_far_kwh(span, min(now_ms, span.end_ms))
    note = (
        say("ov.expected_so_far" if live else "ov.expected_done", value=str(text.energy(expected)), delta=text.deviation(kwh, expected, 1))
        if expected and expected >= 1
        else ""
    )
    peak = max(span.intervals, key=lambda each: each.peak_w or 0.0, default=None)
    peak_kw = peak.peak_w / 1000 if peak and peak.peak_w else None
    when = (
        ""
        if peak is None
        else text.clock(peak.start_ms)
        if span.end_ms - span.start_ms < 2 * DAY_MS
        else f"{text.weekday(peak.start_ms)}, {text.date(peak.start_ms)} {text.clock(peak.start_ms)}"
    )
    return [
        Five(say["m.energy"], text.energy(kwh if span.intervals else None), note, approximate=guessed),
        Five(say["m.cost"], text.money(_cost(view, span, kwh)), _periods(view, text, span, kwh), approximate=guessed),
        Five(say["m.peak"], text.power(peak_kw), when),
        _base(view, text, span),
        _coverage(text, span, min(now_ms - CLOSES_MS, span.end_ms)),
    ]


def _cost(view: PlantView, span: Span, kwh: float) -> float | None:
    costs = [each.cost for each in span.intervals]
    if not costs or None in costs or view.tariff is None:
        return None
    rest = max(0.0, kwh - sum(each.import_wh for each in span.intervals) / 1000)
    price = view.tariff.price_at(min(view.now_ms(), span.end_ms - 1))
    return sum(each for each in costs if each is not None) + rest * (price.price if price else 0.0)


def _periods(view: PlantView, text: Text, span: Span, kwh: float) -> str:
    """Return the energy by tariff period; what the running quarter-hour adds to the intervals belongs to the period of now."""
    parts = kwh_by_period(view, [span])
    running = view.tariff.price_at(min(view.now_ms(), span.end_ms - 1)) if view.tariff else None
    if running is not None and parts:
        parts[running.period] = parts.get(running.period, 0.0) + max(0.0, kwh - sum(parts.values()))
    if len(parts) < 2:
        return ""
    return " · ".join(f"{text.words['tou.short.' + p]}\u00a0{text.number(parts[p])}" for p in PERIODS if p in parts) + "\u00a0kWh"


def _base(view: PlantView, text: Text, span: Span) -> Five:
    """Return the median of the quarter-hours from midnight to five, and what was expected in them."""

    def night(t_ms: int) -> bool:
        return local(view.zone, t_ms).hour < 5

    measured = sorted(each.import_wh * 3600 / (each.end_ms - each.start_ms) for each in span.intervals if night(each.start_ms))
    expected = sorted(point.w / 1000 for point in span.expected if night(point.start_ms))
    kw = measured[len(measured) // 2] if measured else None
    note = text.words("m.base_expected", kw=str(text.power(expected[len(expected) // 2]))) if expected else ""
    return Five(text.words["m.night_base"], text.power(kw), note)


def _coverage(text: Text, span: Span, until_ms: int) -> Five:
    say = text.words
    whole = max(0, until_ms - span.start_ms) // span.step_ms * span.step_ms
    covered = sum(each.coverage * (each.end_ms - each.start_ms) for each in span.intervals)
    share = min(1.0, covered / whole) if whole > 0 else None
    if share is None:
        return Five(say["m.coverage"], Figure(NONE, ""), "")
    guessed = sum(each.end_ms - each.start_ms for each in span.intervals if each.quality & Quality.ESTIMATED)
    missing = whole - covered
    if missing < 60_000 and not guessed:
        return Five(say["m.coverage"], Figure(text.number(100 * share), "%"), say["m.complete"])
    note = say("m.missing", duration=text.duration(missing / 1000), duration2=text.duration(guessed / 1000))
    return Five(say["m.coverage"], Figure(text.number(100 * share, 1), "%"), note, doubtful=True)


ROWS = (
    ("m.voltage", "V", "voltage_l{}", 1.0, 1),
    ("m.current", "A", "current_l{}", 1.0, 1),
    ("m.phase_power", "kW", "active_power_l{}", 0.001, 2),
    ("q.power_factor", "", "power_factor_l{}", 1.0, 2),
    ("m.thd_u", "%", "thd_voltage_l{}", 1.0, 1),
    ("m.thd_i", "%", "thd_current_l{}", 1.0, 1),
)


def electrical(reading: Reading | None, text: Text, view: PlantView) -> list[tuple[str, str, list[str]]]:
    """Return rows (name, unit, L1 L2 L3) of what the meter gives per phase."""
    rows = []
    for key, unit, pattern, scale, decimals in ROWS:
        values = [reading.values.get(pattern.format(phase)) if reading else None for phase in (1, 2, 3)]
        if any(value is not None for value in values):
            factor = scale * (view.ratio(reading.meter) if reading and "active_power" in pattern else 1.0)
            rows.append((text.words[key], unit, [NONE if value is None else text.number(value * factor, decimals) for value in values]))
    return rows


def electric_head(reading: Reading | None, text: Text) -> str:
    """Return frequency and phase unbalance (largest deviation of a current from their mean), as far as known."""
    if reading is None:
        return ""
    parts = [text.words("m.hz", hz=text.number(reading.values["frequency"], 2))] if "frequency" in reading.values else []
    amps = [reading.values[f"current_l{phase}"] for phase in (1, 2, 3) if f"current_l{phase}" in reading.values]
    if len(amps) == 3 and sum(amps) > 0:
        mean = sum(amps) / 3
        parts.append(text.words("m.unbalance", pct=text.percent(max(abs(amp - mean) for amp in amps) / mean, 1)))
    return " · ".join(parts)
