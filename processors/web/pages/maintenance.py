"""Maintenance windows: one is set, those that run, those to come, those that are over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from config.plant import Closed
from processors.pure.calendar import wall_ms
from processors.pure.maintenance import Maintenance
from processors.view import PlantView
from processors.web.alert_text import who
from processors.web.maintenance_api import WHOLE_PLANT
from processors.web.site import Site
from processors.web.text import Text

OVER_SHOWN = 30
USUAL_HOURS = 4
FILE_DAYS = 400
"""Shutdowns of the plant file that ended so many days ago are listed no more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One window. `act` is the word of the button, empty where there is none; `state` is `running`, `coming` or `over`."""

    id: str
    state: str
    names: str
    span: str
    length: str
    reason: str
    by: str
    act: str = ""
    from_ms: int = 0


async def maintenance(request: Request) -> Response:
    """Answer `/maintenance`; `?meter=` chooses one in the form."""
    site: Site = request.app.state.site
    view, visit = site.view, site.visit(request)
    text, now_ms = visit.text, view.clock.now_ms()
    rows = [_row(view, text, each, now_ms) for each in view.book.maintenance()]
    rows += [each for closed in view.plant.calendar.closed if (each := _written(view, text, closed, now_ms))]
    groups = []
    for state in ("running", "coming", "over"):
        found = sorted((row for row in rows if row.state == state), key=lambda row: row.from_ms, reverse=state == "over")
        groups.append((text.words[f"mw.group.{state}"], found[:OVER_SHOWN]))
    begin = text.local(now_ms).replace(second=0, microsecond=0, tzinfo=None)
    return site.page(
        request,
        "maintenance.html",
        page="maintenance",
        section="meters",
        back="/meters",
        groups=[group for group in groups if group[1]],
        chosen=request.query_params.get("meter", ""),
        whole=WHOLE_PLANT,
        areas=view.plant.area,
        meters=view.plant.meter,
        first=begin.isoformat(timespec="minutes"),
        last=(begin + timedelta(hours=USUAL_HOURS)).isoformat(timespec="minutes"),
    )


def _row(view: PlantView, text: Text, window: Maintenance, now_ms: int) -> Row:
    state = "over" if window.over(now_ms) else "running" if window.runs(now_ms) else "coming"
    by = who(text, window.by)
    if window.ended_ms is not None:
        word = "mw.taken_back" if window.until_ms == window.from_ms else "mw.ended_early"
        by += " · " + text.words(word, person=who(text, window.ended_by), time=text.moment(window.ended_ms, now_ms))
    until_ms = window.to_ms if window.until_ms == window.from_ms else window.until_ms
    act = {"running": "mw.end", "coming": "mw.take_back"}.get(state, "")
    names = _names(view, text, window.area, window.meters)
    return Row(window.id, state, names, *_span(text, window.from_ms, until_ms), window.reason, by, act, window.from_ms)


def _written(view: PlantView, text: Text, closed: Closed, now_ms: int) -> Row | None:
    """Return a shutdown of the plant file; None for one of long ago."""
    from_ms, to_ms = wall_ms(view.zone, closed.from_), wall_ms(view.zone, closed.to)
    if to_ms < now_ms - FILE_DAYS * 86_400_000:
        return None
    state = "over" if to_ms <= now_ms else "running" if from_ms <= now_ms else "coming"
    names = _names(view, text, WHOLE_PLANT if "*" in closed.meters else "", closed.meters)
    return Row("", state, names, *_span(text, from_ms, to_ms), closed.note, text.words["mw.from_file"], "", from_ms)


def _span(text: Text, from_ms: int, to_ms: int) -> tuple[str, str]:
    """Return from when to when, and for how long."""
    first, last = text.clock(from_ms), f"{text.clock(to_ms)} {text.day(to_ms, inside=True)}"
    if text.local(from_ms).date() != text.local(to_ms).date():
        first += " " + text.day(from_ms, inside=True)
    return f"{first} – {last}", text.duration((to_ms - from_ms) / 1000)


def _names(view: PlantView, text: Text, area: str, meters: tuple[str, ...]) -> str:
    if area == WHOLE_PLANT:
        return text.words["mw.whole"]
    if area:
        return next((each.name for each in view.plant.area if each.id == area), area)
    return ", ".join(view.meters[each].name if each in view.meters else each for each in meters)
