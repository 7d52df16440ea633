"""One metering point over a day or a week, against what was expected."""

from __future__ import annotations

import csv as csv_writer
import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from config.plant import PlantMeter
from driftwatt.alerts import Alert
from driftwatt.clock import rfc3339
from processors.pure.calendar import day_start_ms, local
from processors.view import DAY_MS, PlantView, Span
from processors.web import alert_text, charts, comparison, heat, last_year, specific
from processors.web.figures import open_alerts
from processors.web.meter_figures import electric_head, electrical, five
from processors.web.site import Site
from processors.web.text import NONE, Text

RANGES = {"day": 1, "week": 7, "month": 28}
EARLIEST = date(2000, 1, 1)
"""No plant has data from before; the calendar's own first day has no day before it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which meter and which days the page shows."""

    meter: PlantMeter
    range: str
    first: date
    start_ms: int
    end_ms: int


def choose(request: Request, view: PlantView) -> Choice | None:
    """Return what the address asks for; None for an unknown meter. A wrong day or range falls back to today's."""
    meter = view.meters.get(request.path_params["id"])
    if meter is None:
        return None
    wish = request.query_params.get("range", "day")
    kind = wish if wish in RANGES else "day"
    today = local(view.zone, view.now_ms()).date()
    try:
        last = max(EARLIEST, min(today, date.fromisoformat(request.query_params.get("day", ""))))
    except ValueError:
        last = today
    first = last - timedelta(days=RANGES[kind] - 1)
    return Choice(meter, kind, first, day_start_ms(view.zone, first), day_start_ms(view.zone, last + timedelta(days=1)))


async def meter(request: Request) -> Response:
    """Answer `/meters/{id}`."""
    site: Site = request.app.state.site
    view, visit = site.view, site.visit(request)
    text, choice = visit.text, choose(request, view)
    if choice is None:
        sentence = text.words("err.not_found", id=request.path_params["id"][:80])
        return site.page(request, "error.html", status=404, page="error", section="meters", message=sentence)
    span = await view.span(choice.meter.id, choice.start_ms, choice.end_ms)
    mine = [each for each in view.book.alerts() if each.meter == choice.meter.id and each.kind == "waste" and each.state != "suppressed"]
    current = open_alerts(mine)
    now = view.board.snapshot().meters.get(choice.meter.id)
    drawn = charts.chart(view, text, span, alerts=mine)
    against = compared(request, view, choice)
    if against:
        drawn["compare"] = await comparison.line(view, text, choice, against)
    return site.page(
        request,
        "meter.html",
        page="meter",
        section="meters",
        back="/",
        meter=choice.meter,
        area=next((area.name for area in view.plant.area if area.id == choice.meter.area), ""),
        facts=_facts(choice.meter, now, text),
        warn=_warning(text, current[0]) if current else "",
        warn_href=f"/alerts/{current[0].id}" if current else "",
        warn_icon=alert_text.icon(current[0]) if current else "",
        ranges=[(each, _with(f"?range={each}&day={request.query_params.get('day', '')}", against)) for each in RANGES],
        range=choice.range,
        day=request.query_params.get("day", ""),
        heading=_heading(choice, view, text),
        previous=_with(_step(choice, -1, view), against),
        next=_with(_step(choice, 1, view), against),
        figures=five(view, text, span),
        chart_data=drawn,
        legend_items=_legend(drawn, text),
        compare=comparison.choices(view, text, choice, against),
        compare_now=comparison.name(view, text, against),
        table=_table(span, text),
        specific=await specific.line(view, text, choice.meter.id, choice.start_ms, choice.end_ms),
        last_year=last_year.sentence(view, text, choice.meter.id),
        electric=electrical(now.reading if now else None, text, view),
        electric_head=electric_head(now.reading if now else None, text),
        csv=f"/meters/{choice.meter.id}/day.csv?range={choice.range}&day={choice.first + timedelta(days=RANGES[choice.range] - 1)}",
        **await heat.four_weeks(view, text, choice.meter.id, mine),
    )


def compared(request: Request, view: PlantView, choice: Choice) -> str:
    """Return what the chart is compared with: `before`, the id of another meter, or nothing."""
    wish = request.query_params.get("compare", "")
    return wish if wish == comparison.BEFORE or (wish in view.meters and wish != choice.meter.id) else ""


def _with(query: str, against: str) -> str:
    return f"{query}&compare={against}" if query and against else query


def _warning(text: Text, alert: Alert) -> str:
    say = text.words
    what = say.get(f"pattern.{alert.pattern}", say["kind." + alert.kind])
    return f"{say['kind.' + alert.kind]}: {what}, {say('tile.since', time=text.date(alert.since_ms))}"


def _facts(meter: PlantMeter, now: Any, text: Text) -> str:
    parts = (
        [text.words("m.rated", kw=f"{text.number(meter.rated_kw, 0 if meter.rated_kw % 1 == 0 else 1)}\u00a0kW")] if meter.rated_kw else []
    )
    if now is not None:
        parts += [now.profile, now.bus] if now.profile else []
        parts += [text.words("m.every", every=text.age(now.every_ms / 1000))] if now.every_ms else []
    parts.append(text.words["m.source." + meter.source])
    return " · ".join(part for part in parts if part)


def _heading(choice: Choice, view: PlantView, text: Text) -> str:
    last_ms = choice.end_ms - 1
    if choice.range == "day":
        lead = text.words["m.today"] + ", " if choice.start_ms <= view.now_ms() < choice.end_ms else ""
        return lead + text.day(last_ms, inside=bool(lead), year=True)
    return f"{text.date(choice.start_ms)} – {text.date(last_ms, year=True)}"


def _step(choice: Choice, way: int, view: PlantView) -> str:
    days = RANGES[choice.range]
    last = choice.first + timedelta(days=days - 1 + way * days)
    today = local(view.zone, view.now_ms()).date()
    if way > 0 and choice.end_ms > view.now_ms():
        return ""
    return f"?range={choice.range}&day={min(last, today)}"


def _legend(data: charts.Chart, text: Text) -> list[tuple[str, str]]:
    say = text.words
    items = [("line", say["chart.measured"]), ("band", say["chart.expected"])]
    if data["estimated"][0]:
        items.append(("guess", say["chart.estimated"]))
    if data["gaps"]:
        items.append(("gap", say["chart.missing"]))
    if data["shutdowns"]:
        items.append(("shut", say["mw.legend"]))
    if data["events"]:
        items.append(("event", say["chart.waste"]))
    return items + [(f"c{n}", each["text"]) for n, each in enumerate(data["compare"], 1)]


def _table(span: Span, text: Text) -> list[tuple[str, str, str]]:
    """Return the chart as a table: hourly at most, so that it can be read aloud."""
    band = {point.start_ms: point for point in span.expected}
    every = 4 if span.step_ms == 900_000 else 1
    rows = []
    for each in span.intervals[::every]:
        point = band.get(each.start_ms)
        kw = each.import_wh * 3600 / (each.end_ms - each.start_ms)
        clock = (
            text.clock(each.start_ms)
            if span.end_ms - span.start_ms < 2 * DAY_MS
            else f"{text.date(each.start_ms)} {text.clock(each.start_ms)}"
        )
        rows.append((clock, text.power(kw).value, text.band(point.lo / 1000, point.hi / 1000) if point else NONE))
    return rows


async def csv(request: Request) -> Response:
    """Answer `/meters/{id}/day.csv`: what the chart shows, times in UTC."""
    site: Site = request.app.state.site
    view, choice = site.view, choose(request, site.view)
    if choice is None:
        return Response("no such meter\n", 404, media_type="text/plain")
    span = await view.span(choice.meter.id, choice.start_ms, choice.end_ms, tail=False)
    band = {point.start_ms: point for point in span.expected}
    out = io.StringIO()
    rows = csv_writer.writer(out, lineterminator="\n")
    rows.writerow(["start", "import_kwh", "mean_kw", "expected_kw", "lo_kw", "hi_kw", "cost", "coverage", "quality"])
    for each in span.intervals:
        point = band.get(each.start_ms)
        kw = each.import_wh * 3600 / (each.end_ms - each.start_ms)
        expected = [f"{value / 1000:.3f}" for value in (point.w, point.lo, point.hi)] if point else ["", "", ""]
        rows.writerow(
            [
                rfc3339(each.start_ms),
                f"{each.import_wh / 1000:.4f}",
                f"{kw:.3f}",
                *expected,
                "" if each.cost is None else f"{each.cost:.2f}",
                f"{each.coverage:.3f}",
                each.quality,
            ]
        )
    name = f"{choice.meter.id}_{choice.first}_{choice.range}.csv"
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'})
