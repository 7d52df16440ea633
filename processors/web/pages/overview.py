"""The first screen: is something wrong, where, what does it cost, what do I press."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from config.plant import PlantMeter
from processors.view import PlantView, Span
from processors.web import alert_text, charts
from processors.web.alert_text import Card
from processors.web.fields import counts, is_first_run
from processors.web.pages import first
from processors.web.site import Site, Visit
from processors.web.text import Text

MORE_ROWS = 4


@dataclass(frozen=True, slots=True)
class AreaGroup:
    """An area and its meters, as the page shows them."""

    id: str
    name: str
    meters: tuple[PlantMeter, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line under the cards."""

    kind: str
    icon: str
    text: str
    href: str
    side: str = ""


def area_groups(view: PlantView) -> list[AreaGroup]:
    """Return the areas in the file's order; the incomers are in none, meters without area come last by themselves."""
    shown = [meter for meter in view.plant.meter if meter not in view.incomers or not meter.feeds]
    groups = [AreaGroup(area.id, area.name, tuple(meter for meter in shown if meter.area == area.id)) for area in view.plant.area]
    return [group for group in groups if group.meters]


def loose_meters(view: PlantView) -> tuple[PlantMeter, ...]:
    """Return meters that belong to no area and are no incomer with feeders."""
    known = {meter.id for group in area_groups(view) for meter in group.meters}
    return tuple(meter for meter in view.plant.meter if meter.id not in known and not (meter in view.incomers and meter.feeds))


def needs_action(view: PlantView, text: Text, visit: Visit) -> dict[str, Any]:
    """Return the costliest open alert as a card, the others as lines, then what waits quietly."""
    alerts = view.book.alerts()
    wanting = alert_text.wanting(alerts)
    cards: list[Card] = [alert_text.card(view, text, each, may_act=visit.may_act) for each in wanting[:1]]
    rows = [_row(view, text, each) for each in wanting[1 : 1 + MORE_ROWS]]
    if len(wanting) > 1 + MORE_ROWS:
        rows.append(Row("waste", "i-next", f"+{len(wanting) - 1 - MORE_ROWS}", "/alerts"))
    shelved = sum(each.state == "shelved" for each in alerts)
    acked = sum(each.state == "acked" for each in alerts)
    quiet = [text.words("al.shelved_n", n=str(shelved))] if shelved else []
    quiet += [text.words("al.acked_n", n=str(acked))] if acked else []
    if quiet:
        rows.append(Row("", "s-shelved", " · ".join(quiet), "/alerts"))
    windows = sum(each.runs(view.clock.now_ms()) for each in view.book.maintenance())
    if windows:
        rows.append(Row("", "s-clock", text.words("mw.running_n", n=str(windows)), "/maintenance"))
    warm, doubt = counts(alerts)
    newest = max((now.reading.t_ms for now in view.board.snapshot().meters.values() if now.reading), default=0)
    calm = text.words("al.calm", age=text.age_text(newest, view.now_ms())) if newest else text.words["live.none"]
    return {"action_cards": cards, "action_rows": rows, "warm": warm, "doubt": doubt, "calm": calm}


def _row(view: PlantView, text: Text, alert: Any) -> Row:
    money = alert_text.per_day(text, alert)
    title = alert_text.title(view, text, alert)
    return Row(
        alert.kind,
        alert_text.icon(alert),
        title,
        f"/alerts/{alert.id}",
        str(money) if money else text.moment(alert.since_ms, view.now_ms()),
    )


def profile(view: PlantView, text: Text) -> charts.Chart:
    """Return the plant's load profile of today."""
    spans = [view.today[meter.id] for meter in view.incomers if meter.id in view.today]
    span = charts.added(spans) if spans else Span("", *view.day_bounds(view.now_ms()), loaded_ms=0)
    return charts.chart(view, text, span, limit_kw=view.plant.tariff.contract_kw, tariff=True)


def legend(view: PlantView, text: Text) -> list[tuple[str, str]]:
    """Return the signs of the load profile; the tariff's only where it has periods."""
    say = text.words
    items = [("line", say["chart.measured"]), ("band", say["chart.expected"])]
    if view.tariff is not None and view.tariff.schedules:
        items += [(period, say[f"tou.legend.{period}"]) for period in ("off_peak", "normal", "peak")]
    return items


async def overview(request: Request) -> Response:
    """Answer `/`."""
    site: Site = request.app.state.site
    view, visit = site.view, site.visit(request)
    if is_first_run(view):
        return await first.first_run(request)
    price = view.tariff.price_at(view.now_ms()) if view.tariff else None
    groups = area_groups(view)
    loose = loose_meters(view)
    return site.page(
        request,
        "overview.html",
        page="overview",
        section="overview",
        profile=profile(view, visit.text),
        legend_items=legend(view, visit.text),
        areas=groups,
        loose=loose,
        doubt_title=visit.text.words("doubt.inputs", names=alert_text.doubts(visit.text, price.unconfirmed)) if price else "",
        **needs_action(view, visit.text, visit),
        **sheets(view, visit.text),
    )


def sheets(view: PlantView, text: Text) -> dict[str, Any]:
    """Return what the sheets offer: until when to shelve, what may have been done."""
    now_ms = view.clock.now_ms()
    six, day = 6 * 3_600_000, 86_400_000
    tonight = next(start + six for start in (view.day_bounds(now_ms, days=n)[0] for n in (0, 1)) if start + six > now_ms)
    weekday = text.local(now_ms).weekday()
    monday = view.day_bounds(now_ms, days=7 - weekday)[0] + six
    longest = now_ms + 7 * day - 60_000

    def told(t_ms: int) -> str:
        return f"{text.clock(t_ms)} {text.weekday(t_ms, inside=True)}, {text.date(t_ms)}"

    choices = [(key, t_ms, told(t_ms)) for key, t_ms in (("tonight", tonight), ("next_week", min(monday, longest)), ("max", longest))]
    chips = [text.words[f"fixed.chip.{key}"] for key in ("repaired", "timer", "switched", "replaced", "told")]
    repaired = text.local(now_ms).replace(second=0, microsecond=0, tzinfo=None).isoformat(timespec="minutes")
    return {"shelve_choices": choices, "fixed_chips": chips, "repaired": repaired, "ten_s": f"10\u00a0{text.words['age.s']}"}
