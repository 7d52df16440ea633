"""One alert whole: what, since when, what it costs, why, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from driftwatt.alerts import Alert
from driftwatt.readings import Reading
from processors.pure.answers import went_away
from processors.view import DAY_MS, PlantView
from processors.web import alert_charts, alert_text, pricing, saving_text, usual_causes
from processors.web.pages.overview import sheets
from processors.web.site import Site
from processors.web.text import Figure, Text

ALARM_SCORE = 6.0
"""The detector's alarm line, as the sentence of the page says it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One of the facts in the strip."""

    title: str
    figure: Figure
    note: str
    doubt: str = ""


async def alert(request: Request) -> Response:
    """Answer `/alerts/{id}`."""
    site: Site = request.app.state.site
    view, visit = site.view, site.visit(request)
    text, found = visit.text, view.alert(request.path_params["id"])
    if found is None:
        return site.page(request, "error.html", status=404, page="error", section="alerts", message=text.words["err.page"])
    context: dict[str, Any] = {"charts": [], "pricing": None}
    if found.meter in view.meters:
        context["charts"] = [await alert_charts.against_band(view, text, found)]
        if found.kind == "waste":
            context["charts"].append(await alert_charts.pattern(view, text, found))
            context["pricing"] = pricing.table(view, text, found)
    kind = view.meters[found.meter].kind if found.meter in view.meters else "other"
    return site.page(
        request,
        "alert.html",
        page="alert",
        section="alerts",
        back="/alerts",
        alert=found,
        alert_title=alert_text.title(view, text, found),
        alert_icon=alert_text.icon(found),
        kind_word=text.words["kind." + found.kind],
        line=_line(view, text, found),
        said=alert_text.state_short(view, text, found),
        actions=_actions(found) if visit.may_act else [],
        facts=facts(view, text, found),
        why=why(view, text, found),
        causes=usual_causes.usual(text, kind, found.pattern) if found.kind == "waste" else [],
        history=_history(view, text, found),
        explained=alert_text.causes(view, text, found),
        saving=saving_text.panel(text, found, view.now_ms()),
        unmeasured=saving_text.unmeasured(text, found),
        **context,
        **sheets(view, text),
    )


def _line(view: PlantView, text: Text, alert: Alert) -> str:
    parts = [alert_text.area_name(view, alert)]
    days = max(1, round(((alert.cleared_ms or view.now_ms()) - alert.since_ms) / DAY_MS + 0.49))
    parts.append(alert_text.began(text, alert))
    if alert.kind == "waste" and alert.cleared_ms is None:
        parts.append(text.words("al.night_n" if alert.pattern == "off_hours" else "al.day_n", n=str(days)))
    return " · ".join(part for part in parts if part)


def _actions(alert: Alert) -> list[tuple[str, str]]:
    """Return (verb, word) of what can be done, the most likely first."""
    if alert.state == "closed":
        return [("comment", "act.comment"), *([("fixed", "act.fixed")] if went_away(alert) else [])]
    first = (
        [("ack", "act.ack")]
        if alert.state in {"unacked", "cleared_unacked"}
        else [("unshelve", "act.unshelve")]
        if alert.state == "shelved"
        else []
    )
    if alert.kind != "waste":
        return [*first, ("comment", "act.comment")]
    shelve = [("shelve", "act.shelve")] if alert.state in {"unacked", "acked"} else []
    return [*first, ("fixed", "act.fixed"), *shelve, ("comment", "act.comment"), ("dismiss", "act.dismiss")]


def facts(view: PlantView, text: Text, alert: Alert) -> list[Fact]:
    """Return now, normal, excess, energy and money per day, money per month and so far; only what is known."""
    say = text.words
    if alert.actual_kw is None or alert.expected_kw is None:
        return []
    now = view.board.snapshot().meters.get(alert.meter)
    reading = now.reading if now else None
    normal = say("al.ev.learned_short", days=str(alert.days_learned)) if alert.days_learned else ""
    found = [
        _using(view, text, alert, reading),
        Fact(say["al.normal"], text.power(alert.expected_kw), normal),
        Fact(
            say["al.excess"],
            text.excess(alert.actual_kw - alert.expected_kw),
            say("al.provisional_short") if alert.provisional else say["conf." + alert.confidence],
        ),
    ]
    kwh, cost = alert.per_day.get("kwh"), alert.per_day.get("cost")
    doubt = say("doubt.inputs", names=alert_text.doubts(text, alert.unconfirmed)) if alert.unconfirmed else ""
    if kwh:
        share = alert.excess_kwh
        scale = kwh / share.value if share and share.value > 0 else 0.0
        band = f" ({text.number(share.low * scale)}–{text.number(share.high * scale)})" if share and scale else ""
        co2 = f" · {text.co2(alert.co2e_kg * scale)}" if alert.co2e_kg and scale else ""
        closed = alert.state == "closed"
        found.append(
            Fact(
                say["al.per_day_was" if closed else "al.per_day"],
                text.about(cost) if cost else text.energy(kwh),
                f"{text.energy(kwh)}{band}{co2}",
                doubt,
            )
        )
    if alert.state == "closed":
        return found + _in_all(text, alert)
    if alert.per_month_cost and alert.per_month_cost.value > 0:
        so_far = (
            say("al.so_far", energy=str(text.energy(alert.excess_kwh.value)), money=str(text.about(alert.cost.value)).removeprefix("≈ "))
            if alert.excess_kwh and alert.cost
            else ""
        )
        so_far = say["al.voided"] if alert_text.voided(alert) else so_far
        band = alert_text.money_range(text, alert.per_month_cost)
        found.append(
            Fact(
                say["al.per_month"],
                text.about(alert.per_month_cost.value),
                f"{band} · {so_far[:1].lower()}{so_far[1:]}, {_terms(text, alert)}",
            )
        )
    return found


def _in_all(text: Text, alert: Alert) -> list[Fact]:
    """Return what a closed alert came to: nothing is lost any more, so no rate is told."""
    say, kwh = text.words, alert.excess_kwh
    if kwh is None or kwh.value <= 0:
        return []
    if alert_text.voided(alert):
        return [Fact(say["al.total_was"], Figure("–", ""), say["al.voided"])]
    energy = f"{text.energy(kwh.value)} {alert_text.spread(text, kwh)}"
    if alert.cost is None:
        return [Fact(say["al.total_was"], text.energy(kwh.value), alert_text.spread(text, kwh))]
    return [Fact(say["al.total_was"], text.about(alert.cost.value), f"{energy}, {_terms(text, alert)}")]


def _terms(text: Text, alert: Alert) -> str:
    """Return what the money is: before VAT, and without the energy that no price is known for."""
    if alert.unpriced_kwh > 0:
        return text.words("al.unpriced", energy=str(text.energy(alert.unpriced_kwh)))
    return text.words["tou.before_vat"]


def _using(view: PlantView, text: Text, alert: Alert, reading: Reading | None) -> Fact:
    """Return what is drawn: now where now belongs to the pattern, else the pattern's own figure with now beside it."""
    watts, actual = view.power_w(reading), alert.actual_kw or 0.0
    if watts is None or reading is None or alert.cleared_ms is not None:
        return Fact(text.words["al.using_then"], text.power(alert.actual_kw), "")
    if abs(watts / 1000 - actual) <= 0.3 * max(actual, 1e-3):
        return Fact(text.words["al.using"], text.power(watts / 1000), text.age_text(reading.t_ms, view.now_ms()))
    return Fact(text.words["al.using_then"], text.power(alert.actual_kw), text.words("al.using_now", kw=str(text.power(watts / 1000))))


def why(view: PlantView, text: Text, alert: Alert) -> list[str]:
    """Return the numbered reasons; `provisional` first."""
    say = text.words
    lines: list[str] = []
    if alert.pattern == "site":
        lines.append(say["al.why_site"])
    if alert.provisional:
        lines.append(say("al.why_provisional", days=str(alert.days_learned)))
    if alert.actual_kw is not None and alert.expected_kw is not None:
        key = f"al.when.{alert.pattern}"
        lines.append(
            say(
                "al.ev.level",
                date=text.date(alert.since_ms),
                when=say.get(key, ""),
                actual=str(text.power(alert.actual_kw)),
                expected=str(text.power(alert.expected_kw)),
            )
        )
    days, hours = round((alert.updated_ms - alert.since_ms) / DAY_MS), alert.per_day.get("hours")
    if days > 1 and hours:
        told = {"n": str(days), "hours": text.number(hours, 1 if hours % 1 > 0.05 else 0)}
        mean = "" if alert_text.adds_up(alert) else say("al.ev.mean", energy=str(text.energy(alert.per_day.get("kwh"))))
        lines.append(" ".join((say("al.ev.days", **told), mean)).strip())
    if alert.days_learned and not alert.provisional:
        lines.append(say("al.ev.learned", days=str(alert.days_learned)))
    # An answer starts the chart anew: a score below the alarm line says nothing about why this alert opened.
    scores = [row["score"] for row in alert.evidence[:1] if isinstance(row.get("score"), float | int)]
    lines += [say("al.ev.score", score=text.number(float(score), 1)) for score in scores if float(score) > ALARM_SCORE]
    idle = _idle(view, alert)
    if idle:
        lines.append(say("al.ev.others", names=", ".join(idle)))
    if alert.kind in {"data", "device"} or not lines:
        args = {key: value if isinstance(value, str) else text.number(value, 1) for key, value in alert.message_args.items()}
        meter = view.meters.get(alert.meter)
        defaults = {"meter": meter.name if meter else alert.meter, "since": text.moment(alert.since_ms, view.now_ms())}
        key = f"why.{alert.kind}.{alert.pattern}"
        lines.append(say(key, **{**args, **defaults}) if key in say else alert_text.title(view, text, alert) + ".")
    return lines


def _idle(view: PlantView, alert: Alert) -> list[str]:
    """Return the names of meters of the same area that draw next to nothing while this one runs."""
    if alert.pattern != "off_hours":
        return []
    board = view.board.snapshot()
    names = []
    for meter in view.plant.meter:
        watts = view.power_w(board.meters[meter.id].reading) if meter.id in board.meters else None
        if (
            meter.id != alert.meter
            and meter.area == alert.area
            and alert.area
            and meter.rated_kw
            and watts is not None
            and watts < 20 * meter.rated_kw
        ):
            names.append(meter.name)
    return names


def _history(view: PlantView, text: Text, alert: Alert) -> list[tuple[str, str]]:
    names = {meter.id: meter.name for meter in view.meters.values()}
    rows = [(text.moment(line.at_ms, view.now_ms()), alert_text.history_text(text, line, names)) for line in reversed(alert.history)]
    midnight = view.day_bounds(alert.since_ms)[0]
    begun = text.date(midnight) if alert.since_ms == midnight else text.moment(alert.since_ms, view.now_ms())
    return [*rows, (begun, text.words["hist.since"])]
