"""The inbox: what is wasted now, and every alert by what it waits for."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from driftwatt.alerts import Alert
from processors.pure import savings, waste_sums
from processors.view import PlantView
from processors.web import alert_text, report_rows
from processors.web.pages.overview import sheets
from processors.web.site import Site, Visit
from processors.web.text import Figure, Text
from processors.web.words import fold

TABS: dict[str, tuple[str, ...]] = {
    "waste": ("waste",),
    "limit": ("limit",),
    "data": ("data", "device"),
    "all": ("waste", "limit", "data", "device"),
}
GROUPS = ("unacked", "cleared_unacked", "acked", "shelved", "verifying", "small", "suppressed", "closed")
RUNNING = ("unacked", "acked", "shelved")
CLOSED_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the inbox."""

    id: str
    kind: str
    state: str
    icon: str
    title: str
    under: str
    since: str
    since_under: str
    delta: str
    rate: str
    rate_under: str
    so_far: str
    so_far_under: str
    said: str
    said_under: str
    act: str


@dataclass(frozen=True, slots=True)
class Head:
    """One of the manager's figures."""

    title: str
    figure: Figure
    note: str


async def alerts(request: Request) -> Response:
    """Answer `/alerts`; `tab`, `area` and `q` narrow the list."""
    site: Site = request.app.state.site
    view, visit = site.view, site.visit(request)
    text = visit.text
    tab = request.query_params.get("tab", "waste")
    tab = tab if tab in TABS else "waste"
    asked, area = request.query_params.get("q", "")[:80], request.query_params.get("area", "")
    every = view.book.alerts()
    return site.page(
        request,
        "alerts.html",
        page="alerts",
        section="alerts",
        heads=heads(view, text, every),
        tabs=[(each, text.words[f"al.tab.{each}"], _waiting(every, each)) for each in TABS],
        tab=tab,
        areas=view.plant.area,
        area=area,
        asked=asked,
        groups=_groups(view, visit, [each for each in every if each.kind in TABS[tab]], asked=asked, area=area, tab=tab),
        advice=_advice(view, text) if tab == "waste" else [],
        **sheets(view, text),
    )


def _waiting(alerts: Sequence[Alert], tab: str) -> int | None:
    return (
        None
        if tab == "all"
        else sum(each.kind in TABS[tab] and each.state in {"unacked", "cleared_unacked"} and not each.below_floor for each in alerts)
    )


def heads(view: PlantView, text: Text, alerts: Sequence[Alert]) -> list[Head]:
    """Return the four figures: wasted now, found this month, money so far, how fast people answer."""
    say, now_ms = text.words, view.now_ms()
    waste = [each for each in alerts if each.kind == "waste" and each.state != "suppressed"]
    running, counts = [each for each in waste if each.state in RUNNING], running_shares(view, alerts)
    kw = sum(counts[each.id] * (alert_text.excess_kw(each) or 0.0) for each in running)
    month = sum(counts[each.id] * each.per_month_cost.value for each in running if each.per_month_cost)
    local = text.local(now_ms)
    found = [each for each in waste if (text.local(each.opened_ms).year, text.local(each.opened_ms).month) == (local.year, local.month)]
    shelved, closed = sum(each.state == "shelved" for each in found), sum(each.state == "closed" for each in found)
    so_far = sum(counts[each.id] * each.cost.value for each in running if each.cost)
    energy = sum(counts[each.id] * each.excess_kwh.value for each in running if each.excess_kwh)
    acks = [each.ack_at_ms - each.opened_ms for each in alerts if each.ack_at_ms]
    parts = say("al.found_parts", open=str(len(found) - shelved - closed), shelved=str(shelved), closed=str(closed))
    return [
        Head(say["al.wasting"], text.power(kw), say("al.month_if", money=_bare(text, month)) if month else ""),
        Head(say("al.found_month", month=str(local.month)), Figure(str(len(found)), ""), parts),
        Head(say["al.so_far_open"], text.about(so_far), f"≈ {text.energy(energy)} · {say['tou.before_vat']}"),
        Head(
            say["al.median_ack"],
            Figure(text.duration(statistics.median(acks) / 1000) if acks else "—", ""),
            say("al.median_of", n=str(len(acks))) if acks else say["al.median_none"],
        ),
    ]


def _bare(text: Text, amount: float) -> str:
    return str(text.about(amount)).removeprefix("≈ ")


def group_of(alert: Alert) -> str:
    """Return the group of the inbox that an alert stands in."""
    if alert.below_floor and alert.state in {"unacked", "cleared_unacked"}:
        return "small"
    return "verifying" if alert.state == "closed" and savings.followed(alert) else alert.state


def _groups(
    view: PlantView, visit: Visit, alerts: Sequence[Alert], *, asked: str, area: str, tab: str
) -> list[tuple[str, str, list[Line]]]:
    text, wanted, counts = visit.text, fold(asked), running_shares(view, view.book.alerts())
    groups = []
    for state in GROUPS:
        if state == "suppressed" and tab != "all":
            continue
        found = [each for each in alerts if group_of(each) == state and (not area or each.area == area)]
        found.sort(
            key=lambda each: (
                (-(each.per_day.get("cost", 0.0)), -each.opened_ms) if state != "closed" else (-(each.cleared_ms or each.updated_ms), 0)
            )
        )
        rows = [line(view, visit, each, counts) for each in found[: CLOSED_SHOWN if state == "closed" else 500]]
        rows = [row for row in rows if wanted in fold(f"{row.title} {row.under}")]
        if rows:
            groups.append((state, f"{text.words['al.group.' + state]} ({len(rows)})", rows))
    return groups


def running_shares(view: PlantView, alerts: Sequence[Alert]) -> dict[str, float]:
    """Return which share of each running waste alert counts in the sums above the list, by id."""
    waste = [each for each in alerts if each.kind == "waste" and each.state != "suppressed"]
    return waste_sums.shares((each for each in waste if each.state in RUNNING), view.feeds, waste)


def line(view: PlantView, visit: Visit, alert: Alert, counts: Mapping[str, float]) -> Line:
    """Return an alert as a row: nothing cut, the last person and reason named."""
    text = visit.text
    more = alert_text.excess_kw(alert)
    under = [alert_text.area_name(view, alert)]
    if alert.actual_kw is not None:
        under.append(f"{text.power(alert.actual_kw)}, {alert_text.normally(text, alert)}")
    under += [text.words["rep.counted_elsewhere"]] if report_rows.elsewhere(alert, counts) else []
    rate = alert_text.per_day(text, alert)
    kwh = alert.per_day.get("kwh")
    until = alert.cleared_ms or view.now_ms()
    days = max(1, round((until - alert.since_ms) / 86_400_000 + 0.49))
    closed = alert.state in {"closed", "cleared_unacked"}
    act = {"unacked": "ack", "cleared_unacked": "ack", "shelved": "unshelve"}.get(alert.state, "see") if visit.may_act else "see"
    return Line(
        id=alert.id,
        kind=alert.kind,
        state=alert.state,
        icon=alert_text.icon(alert),
        title=alert_text.title(view, text, alert),
        under=" · ".join(part for part in under if part),
        since=text.moment(alert.since_ms, view.now_ms()),
        since_under=text.duration((until - alert.since_ms) / 1000)
        if closed or days < 2
        else text.words("al.night_n" if alert.pattern == "off_hours" else "al.day_n", n=str(days)),
        delta="" if more is None else str(text.excess(more)),
        rate="–" if closed or rate is None else str(rate),
        rate_under="" if closed or not kwh else f"{text.energy(kwh)}{_band(text, alert, kwh)}",
        so_far=text.words["al.voided"] if alert_text.voided(alert) else str(text.about(alert.cost.value)) if alert.cost else "",
        so_far_under=f"{text.energy(alert.excess_kwh.value)} {alert_text.spread(text, alert.excess_kwh)}" if alert.excess_kwh else "",
        said=alert_text.state_text(view, text, alert),
        said_under=alert_text.last_word(text, alert),
        act=act,
    )


def _band(text: Text, alert: Alert, kwh: float) -> str:
    """Return the band of the energy of a day."""
    whole = alert.excess_kwh
    if whole is None or whole.value <= 0:
        return ""
    scale = kwh / whole.value
    return f" ({text.number(whole.low * scale)}–{text.number(whole.high * scale)})"


def _advice(view: PlantView, text: Text) -> list[str]:
    return [
        text.words(
            "advice.night", date=text.date(each.since_ms), meter=view.meters[each.meter].name, actual=str(text.power(each.actual_kw))
        )
        for each in reversed(view.board.snapshot().advice)
        if each.meter in view.meters
    ][:5]
