"""The texts of the strip of figures: the plant's power, energy, cost, emissions and demand."""

from __future__ import annotations

from processors.pure.outputs import ExpectedPower
from processors.view import QUARTER_MS, PlantView
from processors.web.figures import Fields, bar_text
from processors.web.plant_figure import PlantFigure
from processors.web.text import NONE, Text

PERIODS = ("normal", "peak", "off_peak")


def plant_fields(view: PlantView, text: Text, plant: PlantFigure) -> Fields:
    """Return the texts of the KPI strip."""
    say, now_ms = text.words, view.now_ms()
    told = text.moment(plant.t_ms, now_ms) if plant.t_ms else ""
    power, energy, cost = text.power(plant.kw), text.energy(plant.kwh), text.money(plant.cost)
    expected = plant.expected
    block = say("ov.demand_block", **{"from": text.clock(plant.block_ms), "to": text.clock(plant.block_ms + QUARTER_MS)})
    forecast = text.power(plant.forecast_kw)
    return {
        "p.state": "stale" if plant.stale else "good",
        "p.n": "" if plant.kw is None else round(plant.kw, 3),
        **_headings(view, text),
        "p.v": power.value,
        "p.u": power.unit,
        "p.at": say("tile.at", time=told) if plant.stale and told else "",
        "p.until": say("tile.until", time=told) if plant.stale and told else "",
        "p.bar": bar_text(plant.bar),
        "p.expected": _expected_now(text, expected) if expected else say("tile.learning", day="0") if plant.t_ms else "",
        "p.kwh": ("≈ " if plant.approximate else "") + energy.value,
        "p.kwh_u": energy.unit,
        "p.kwh_exp": _energy_expected(text, plant),
        "p.kwh_parts": _parts(text, plant.by_period),
        "p.cost": cost.value,
        "p.cost_u": cost.unit,
        **_cost_lines(view, text, plant),
        **_co2_lines(view, text, plant),
        "p.block": block,
        "p.block_v": forecast.value,
        "p.block_u": forecast.unit,
        "p.block_note": say["ov.forecast_end"] if plant.forecast_kw is not None else say["ov.block_missing"],
        "p.demand": _demand_places(view, plant),
        "p.peak": say("ov.peak_today", kw=text.power(plant.peak_kw).value, time=text.clock(plant.peak_ms)) if plant.peak_ms else "",
        "p.contract": say("ov.contract_short", kw=str(text.power(view.plant.tariff.contract_kw))) if view.plant.tariff.contract_kw else "",
    }


def _headings(view: PlantView, text: Text) -> Fields:
    """Return the headings that name the day: today, or the past day that is being filled in."""
    names = ("profile", "energy", "cost", "co2")
    if view.filling:
        day = text.date(view.now_ms())
        return {f"p.h_{name}": text.words(f"ov.on.{name}", date=day) for name in names}
    return {f"p.h_{name}": text.words[f"ov.today.{name}"] for name in names}


def _expected_now(text: Text, expected: ExpectedPower) -> str:
    return text.words("ov.expected_now_range", range=f"{text.band(expected.lo / 1000, expected.hi / 1000)}\u00a0kW")


def _energy_expected(text: Text, plant: PlantFigure) -> str:
    if not plant.expected_kwh or plant.expected_kwh < 1:
        return ""
    same = text.energy(plant.expected_kwh)
    value = same.value if same.unit == text.energy(plant.kwh).unit else str(same)
    return text.words("ov.expected_so_far", value=value, delta=text.deviation(plant.kwh, plant.expected_kwh, 1))


def _parts(text: Text, by_period: dict[str, float]) -> str:
    if len(by_period) < 2:
        return ""
    in_mwh = sum(by_period.values()) >= 9_999.5
    told = [
        f"{text.words['tou.short.' + period]}\u00a0{text.number(by_period[period] / (1000 if in_mwh else 1), 1 if in_mwh else 0)}"
        for period in PERIODS
        if period in by_period
    ]
    return " · ".join(told)


def _cost_lines(view: PlantView, text: Text, plant: PlantFigure) -> Fields:
    say = text.words
    price = view.tariff.price_at(view.now_ms()) if view.tariff else None
    expected = text.money(plant.expected_cost).value + ", " if plant.expected_cost else ""
    lead = say("ov.expected_plain", value=expected + say["tou.before_vat"]) if expected else say["tou.before_vat"]
    now = say("ov.now_period", period=say["tou.in." + price.period], price=text.price(price.price)) if price else say["ov.no_price"]
    return {"p.cost_exp": lead, "p.cost_now": now, "p.doubt": say["doubt.unconfirmed"] if price and price.unconfirmed else ""}


def _co2_lines(view: PlantView, text: Text, plant: PlantFigure) -> Fields:
    factor = view.factors.factor_at(view.now_ms()) if view.factors else None
    if factor is None or plant.co2_kg is None:
        return {"p.co2": NONE, "p.co2_u": "", "p.factor": text.words["co2.none"], "p.factor_of": ""}
    co2 = text.co2(plant.co2_kg)
    return {
        "p.co2": co2.value,
        "p.co2_u": co2.unit,
        "p.factor": text.words("co2.grid", factor=text.number(factor.kg_per_kwh, 4)),
        "p.factor_of": text.words("co2.year", year=factor.version[:4]),
    }


def _demand_places(view: PlantView, plant: PlantFigure) -> str:
    """Return now, peak and contract in percent of the demand bar, whose end is 108 % of the contract; −999 hides."""
    contract = view.plant.tariff.contract_kw
    if contract is None:
        return "-999 -999 -999"
    places = [
        -999.0 if kw is None else min(99.5, max(0.5, 100 * kw / (1.08 * contract))) for kw in (plant.forecast_kw, plant.peak_kw, contract)
    ]
    return " ".join(f"{place:.1f}" for place in places)
