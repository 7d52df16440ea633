"""The texts of tiles: one per meter, the sums of areas, and what no feeder measures."""

from __future__ import annotations

from collections.abc import Sequence

from processors.view import PlantView
from processors.web import specific
from processors.web.figures import DOUBTFUL, Bar, Fields, MeterFigure, bar_text
from processors.web.text import NONE, Text


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
        note = say("tile.not_fit", driver=say[specific.lacking(view, figure.meter, figure.readiness)])
    elif figure.readiness and figure.readiness.state == "learning" and figure.readiness.missing:
        note = say(f"tile.{figure.readiness.missing.partition('_')[0]}", day=str(figure.readiness.valid_days))
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
    if figure.shut and figure.state != "filling":
        return say["mw.tag"]
    if figure.state == "fault":
        return say["tile.silent"]
    if figure.state in {"stale", "filling"} and figure.t_ms:
        return text.age((now_ms - figure.t_ms) / 1000)
    if figure.alert is not None and figure.state in {"limit", "waste", "waste_acked"}:
        return say["kind." + figure.alert.kind]
    return ""


def area_fields(view: PlantView, text: Text, figures: Sequence[MeterFigure]) -> Fields:
    """Return what stands beside the name of each area: its sum, or what the sum lacks."""
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


def rest_fields(view: PlantView, text: Text, figures: Sequence[MeterFigure]) -> Fields:
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
