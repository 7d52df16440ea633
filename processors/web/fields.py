"""Everything on a page that lives: one flat table of finished texts, rendered first by the server, then streamed.

A key stands in the HTML as `data-text`, `data-bar`, `data-state` or `data-at`; the stream carries the same keys with
new values, so that the browser neither computes nor formats a figure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from driftwatt.alerts import Alert
from processors.pure.board import Snapshot
from processors.view import QUARTER_MS, PlantView
from processors.web.figures import Bar, MeterFigure, PlantFigure, meter_figure, open_alerts, plant_figure
from processors.web.text import NONE, Text

Fields = dict[str, str | int | float]
PERIODS = ("normal", "peak", "off_peak")
DOUBTFUL = {"fault", "stale", "filling", "waiting"}


def fields(view: PlantView, text: Text) -> Fields:
    """Return every live field of every page in one language. Reads memory only."""
    snapshot, alerts = view.board.snapshot(), view.book.alerts()
    figures = [meter_figure(view, snapshot, alerts, meter) for meter in view.meters.values()]
    table: Fields = {"now": view.clock.now_ms(), "alerts.rev": _revision(alerts), "first": int(not is_first_run(view))}
    table |= _frame(view, text, snapshot, figures, alerts)
    table |= plant_fields(view, text, plant_figure(view, figures))
    for figure in figures:
        table |= {f"t.{figure.meter.id}.{key}": value for key, value in tile_fields(view, text, figure).items()}
    table |= _areas(view, text, figures)
    return table | _rest(view, text, figures)


def _revision(alerts: Sequence[Alert]) -> str:
    told = sorted(f"{each.id} {each.state} {each.updated_ms} {len(each.history)}" for each in alerts)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]


def is_first_run(view: PlantView) -> bool:
    """Tell whether nothing is known yet: no reading of a listed meter, nothing stored today, no past being filled in."""
    snapshot = view.board.snapshot()
    known = any(now.reading for now in snapshot.meters.values()) or any(span.intervals for span in view.today.values())
    return not known and snapshot.progress is None


def counts(alerts: Sequence[Alert]) -> tuple[int, int]:
    """Return how many alerts want a person: waste and limits, data and devices."""
    waiting = [each for each in alerts if each.state in {"unacked", "cleared_unacked"}]
    doubt = sum(each.kind in {"data", "device"} for each in waiting)
    return len(waiting) - doubt, doubt


def _frame(view: PlantView, text: Text, snapshot: Snapshot, figures: Sequence[MeterFigure], alerts: Sequence[Alert]) -> Fields:
    fresh = [each for each in figures if each.state not in DOUBTFUL]
    newest = max((each.t_ms for each in figures if each.t_ms is not None), default=0)
    partial = bool(newest) and len(fresh) < len(figures)
    warm, doubt = counts(alerts)
    table: Fields = {
        "live.state": "none" if not newest or view.filling else "partial" if partial else "ok",
        "live.text": text.words["live.filling"] if view.filling else _live_text(text, len(fresh), len(figures), newest=newest),
        "live.at": newest,
        "nav.warm": str(warm or ""),
        "nav.doubt": str(doubt or ""),
    }
    return table | _banner(view, text, snapshot, figures)


def _live_text(text: Text, fresh: int, total: int, *, newest: int) -> str:
    if not newest:
        return text.words["live.none"]
    return text.words("live.partial", n=str(fresh), total=str(total)) if fresh < total else text.words["live.ok_word"]


def _banner(view: PlantView, text: Text, snapshot: Snapshot, figures: Sequence[MeterFigure]) -> Fields:
    say = text.words
    now_ms = view.now_ms()
    if snapshot.progress is not None:
        progress = snapshot.progress
        percent = text.percent(progress.done / progress.total) if progress.total else ""
        sentence = say(f"progress.{progress.phase}", pct=percent)
        if progress.from_ms and progress.to_ms:
            sentence += " " + say("progress.span", **{"from": text.date(progress.from_ms), "to": text.date(progress.to_ms)})
        width = 100 * progress.done // progress.total if progress.total else 0
        return {"banner.state": "fill", "banner.text": sentence, "banner.more": say[f"progress.{progress.phase}_note"], "banner.pct": width}
    lost = sorted((each for each in snapshot.edges.values() if not each.online), key=lambda each: each.since_ms)
    if lost:
        edge = lost[0]
        since = text.moment(edge.since_ms, now_ms)
        age = text.duration((now_ms - edge.since_ms) / 1000)
        old = sum(each.state in DOUBTFUL and each.meter.edge in {None, edge.edge} for each in figures)
        more = say("device.edge_old", n=str(old))
        if edge.hours_left is not None:
            more += " " + say("device.edge_keeps", duration=text.duration(edge.hours_left * 3600))
        return {
            "banner.state": "doubt",
            "banner.text": say("device.edge_lost_short", edge=edge.edge, since=f"{since} ({age})"),
            "banner.more": more,
            "banner.pct": 0,
        }
    if not snapshot.store_ok or snapshot.store_lag_s > 60:
        sentence = say("banner.store_behind", duration=text.duration(snapshot.store_lag_s))
        return {"banner.state": "doubt", "banner.text": sentence, "banner.more": "", "banner.pct": 0}
    return {"banner.state": "", "banner.text": "", "banner.more": "", "banner.pct": 0}


def bar_text(value: Bar) -> str:
    """Return a bar as the page's attribute: kind and percent."""
    return f"{value.kind} {value.at}"


def tile_fields(view: PlantView, text: Text, figure: MeterFigure) -> Fields:
    """Return the texts of one tile. `tag` is the word beside the name, `age` seconds are told from `at`."""
    say, now_ms, state = text.words, view.now_ms(), figure.state
    power = text.power(figure.kw)
    energy = text.energy(figure.kwh)
    expected = figure.expected
    band = text.band(expected.lo / 1000, expected.hi / 1000) if expected else ""
    told = text.moment(figure.t_ms, now_ms) if figure.t_ms else ""
    deviation = text.deviation(figure.kwh, figure.expected_kwh) if figure.expected_kwh and figure.expected_kwh >= 1 else ""
    note, beside = say("tile.expected", range=band) if band else "", deviation
    if state in {"stale", "filling"}:
        note, beside = say("tile.at", time=told), say("tile.until", time=told)
    elif state in {"fault", "waiting"}:
        note = (
            say("tile.since", time=text.moment(figure.since_ms, now_ms))
            if figure.since_ms
            else say["tile.waiting"]
            if state == "waiting"
            else ""
        )
        beside = say("tile.until", time=told) if told else ""
    elif state == "not_fit" and figure.readiness:
        note = say("tile.not_fit", driver=say["driver." + figure.readiness.missing])
    elif not band:
        note = say("tile.learning", day=str(figure.readiness.valid_days if figure.readiness else 0))
    return {
        "state": state,
        "open": figure.alert.kind if figure.alert else "",
        "v": power.value if power.value != NONE else "—",
        "u": power.unit,
        "note": note,
        "today": ("≈ " if state == "estimated" else "") + _day_energy(view, text, str(energy)),
        "n": "" if figure.kw is None else round(figure.kw, 3),
        "kwh": str(energy),
        "dev": say["dq.estimated"] if state == "estimated" else beside,
        "bar": bar_text(figure.bar),
        "at": 0 if view.filling else figure.t_ms or 0,
        "tag": _tag(text, figure, now_ms),
        "label": ", ".join(part for part in (figure.meter.name, str(power), note, _tag(text, figure, now_ms)) if part),
    }


def _day_energy(view: PlantView, text: Text, energy: str) -> str:
    if view.filling:
        return text.words("tile.on", date=text.date(view.now_ms()), energy=energy)
    return text.words("tile.today", energy=energy)


def _tag(text: Text, figure: MeterFigure, now_ms: int) -> str:
    say = text.words
    if figure.state == "fault":
        return say["tile.silent"]
    if figure.state in {"stale", "filling"} and figure.t_ms:
        return text.age((now_ms - figure.t_ms) / 1000)
    if figure.alert is not None and figure.state in {"limit", "waste", "waste_acked"}:
        return say["kind." + figure.alert.kind]
    return ""


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


def _expected_now(text: Text, expected: object) -> str:
    lo, hi = getattr(expected, "lo", 0.0) / 1000, getattr(expected, "hi", 0.0) / 1000
    return text.words("ov.expected_now_range", range=f"{text.band(lo, hi)}\u00a0kW")


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


def _areas(view: PlantView, text: Text, figures: Sequence[MeterFigure]) -> Fields:
    table: Fields = {}
    for area in view.plant.area:
        mine = [each for each in figures if each.meter.area == area.id and each.meter not in view.incomers]
        old = [each for each in mine if each.state in {"stale", "filling"}]
        missing = [each for each in mine if each.state in {"fault", "waiting"}]
        if old and len(old) == len(mine) and old[0].t_ms:
            table[f"a.{area.id}"] = text.words("area.at", time=text.moment(old[0].t_ms, view.now_ms()))
        elif missing and len(missing) == len(mine):
            table[f"a.{area.id}"] = text.words["tile.waiting"]
        elif missing or old:
            table[f"a.{area.id}"] = text.words("area.lacks", names=", ".join(each.meter.name for each in (missing + old)[:2]))
        else:
            table[f"a.{area.id}"] = str(text.power(sum(each.kw or 0.0 for each in mine)))
    return table


def _rest(view: PlantView, text: Text, figures: Sequence[MeterFigure]) -> Fields:
    """Return the tile of what the incomers measure and no feeder does."""
    say = text.words
    by_id = {each.meter.id: each for each in figures}
    roots = [by_id[meter.id] for meter in view.incomers if meter.feeds]
    feeders = [by_id[child] for root in roots for child in root.meter.feeds if child in by_id]
    needed = [*roots, *feeders]
    if not roots:
        return {}
    if view.filling or any(each.kw is None or each.state in DOUBTFUL for each in needed):
        return {
            "rest.state": "stale",
            "rest.v": NONE,
            "rest.u": "",
            "rest.note": say["rest.cannot"],
            "rest.share": say["rest.needs"],
            "rest.bar": "none 50",
        }
    total = sum(each.kw or 0.0 for each in roots)
    kw = total - sum(each.kw or 0.0 for each in feeders)
    usual = _usual_rest(view, roots, feeders)
    figure = text.power(kw)
    return {
        "rest.state": "good",
        "rest.v": figure.value,
        "rest.u": figure.unit,
        "rest.note": say("ov.usually_range", range=text.band(*usual)) if usual else "",
        "rest.share": say("ov.share", pct=text.percent(kw / total, 1)) if total > 0 else "",
        "rest.bar": bar_text(_rest_bar(kw, usual)),
    }


def _usual_rest(view: PlantView, roots: Sequence[MeterFigure], feeders: Sequence[MeterFigure]) -> tuple[float, float] | None:
    """Return the 10th and 90th percentile of today's rest in kW, None before four quarter-hours."""
    rests: dict[int, float] = {}
    for sign, group in ((1, roots), (-1, feeders)):
        for each in group:
            for interval in view.today[each.meter.id].intervals if each.meter.id in view.today else ():
                rests[interval.start_ms] = rests.get(interval.start_ms, 0.0) + sign * interval.import_wh / 250
    values = sorted(rests.values())
    if len(values) < 4:
        return None
    return values[len(values) // 10], values[-1 - len(values) // 10]


def _rest_bar(kw: float, usual: tuple[float, float] | None) -> Bar:
    if usual is None:
        return Bar("none")
    centre, half = sum(usual) / 2, max((usual[1] - usual[0]) / 2, 0.1)
    x = (kw - centre) / half
    return Bar("over" if x > 3.7 else "under" if x < -3.7 else "ok", round(50 + 12.6 * max(-3.7, min(3.7, x)), 1))


__all__ = ["Fields", "bar_text", "counts", "fields", "open_alerts"]
