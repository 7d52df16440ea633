"""The monthly report: two A4 pages for the manager, and the same as CSV."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from driftwatt.alerts import Alert
from processors.pure import monthly
from processors.pure.calendar import day_start_ms, local
from processors.pure.monthly import PERIODS, Account
from processors.view import PlantView
from processors.web import alert_text, last_year, report_rows, specific
from processors.web.report_rows import Month
from processors.web.site import Site
from processors.web.text import NONE, Text

ASKED = re.compile(r"(\d{4})-(\d{2})")
OLDEST = date(2000, 1, 1)
WIDTH, HEIGHT, LEFT, FOOT = 720, 170, 30, 18


def chosen(asked: str, today: date) -> date:
    """Return the first day of the month that is asked for, of this one for anything else.

    >>> chosen("2026-10", date(2026, 11, 19)), chosen("2031-01", date(2026, 11, 19)), chosen("x", date(2026, 11, 19))
    (datetime.date(2026, 10, 1), datetime.date(2026, 11, 1), datetime.date(2026, 11, 1))
    """
    match = ASKED.fullmatch(asked)
    this = today.replace(day=1)
    if match is None or not 1 <= int(match[2]) <= 12:
        return this
    return min(this, max(OLDEST, date(max(1, int(match[1])), int(match[2]), 1)))


def following(first: date) -> date:
    """Return the first day of the next month."""
    return (first + timedelta(days=32)).replace(day=1)


async def month_of(view: PlantView, first: date) -> Month:
    """Return a month's accounts from the store. Raises Unavailable."""
    start_ms, end_ms = day_start_ms(view.zone, first), day_start_ms(view.zone, following(first))
    until_ms = max(start_ms, min(end_ms, view.now_ms()))
    roots = {meter.id for meter in view.incomers}
    accounts = {meter: await _account(view, meter, start_ms, until_ms, fine=meter in roots) for meter in view.meters}
    before = (first - timedelta(days=1)).replace(day=1)
    earlier = [await _account(view, meter, day_start_ms(view.zone, before), start_ms, fine=True) for meter in roots]
    return Month(
        first=first,
        start_ms=start_ms,
        end_ms=end_ms,
        until_ms=until_ms,
        meters=accounts,
        plant=monthly.added([accounts[root] for root in roots]),
        before=monthly.added(earlier),
        expected_kwh=await _expected(view, roots, start_ms, until_ms),
        alerts=monthly.found_in(view.book.alerts(), start_ms, end_ms),
    )


async def _account(view: PlantView, meter: str, start_ms: int, end_ms: int, *, fine: bool) -> Account:
    intervals = await view.intervals("15m", meter, start_ms, end_ms)
    return await asyncio.to_thread(monthly.account, intervals, view.policies[meter].calendar, view.tariff, fine=fine)


async def _expected(view: PlantView, roots: set[str], start_ms: int, until_ms: int) -> float | None:
    """Return the energy that was expected in the quarter-hours that are stored, None where less than nine tenths had an expectation."""
    total, known, asked = 0.0, 0, 0
    for root in roots:
        points = {each.start_ms: each.w for each in (await view.expected(root, start_ms, until_ms))}
        for each in await view.intervals("15m", root, start_ms, until_ms):
            asked += 1
            if each.start_ms in points:
                known += 1
                total += points[each.start_ms] * (each.end_ms - each.start_ms) / 3.6e9
    return total if asked and known >= 0.9 * asked else None


async def reports(request: Request) -> Response:
    """Answer `/reports`; `month` is `YYYY-MM`."""
    site: Site = request.app.state.site
    view, text = site.view, site.visit(request).text
    today = local(view.zone, view.now_ms()).date()
    first = chosen(request.query_params.get("month", ""), today)
    month = await month_of(view, first)
    ready = following(first)
    return site.page(
        request,
        "report.html",
        page="report",
        section="reports",
        previous=f"?month={(first - timedelta(days=1)):%Y-%m}",
        next=f"?month={ready:%Y-%m}" if ready <= today else "",
        **await content(view, text, month),
    )


async def content(view: PlantView, text: Text, month: Month) -> dict[str, Any]:
    """Return what stands on the two pages, in words. Raises Unavailable."""
    source, doubts = report_rows.versions(view, text, month)
    return {
        "title": title(text, month.first),
        "span": text.words("rep.span", **{"from": text.date(month.start_ms, year=True), "to": text.date(month.until_ms - 1, year=True)}),
        "made": text.words("rep.made", time=f"{text.clock(view.now_ms())} {text.date(view.now_ms(), year=True)}"),
        "unfinished": month.until_ms < month.end_ms,
        "month": f"{month.first:%Y-%m}",
        "heads": report_rows.heads(view, text, month),
        "findings": report_rows.findings(view, text, month),
        "chart": bars(text, month),
        "areas": report_rows.areas(view, text, month),
        "tariff": report_rows.tariff(view, text, month),
        "source": source,
        "doubts": alert_text.doubts(text, doubts),
        "peaks": report_rows.peaks(view, text, month),
        "shifts": report_rows.shifts(text, month),
        "waste": report_rows.waste(view, text, month, view.now_ms()),
        "quality": report_rows.quality(view, text, month),
        "specific": await _specific(view, text, month),
        "last_year": last_year.rows(view, text, month.until_ms),
        "sign": text.words["rep.sign"].split(" / "),
    }


async def _specific(view: PlantView, text: Text, month: Month) -> list[tuple[str, ...]]:
    """Return meter, units, kWh, kWh per unit now and in the month before, of the meters whose production is known."""
    found = []
    before = day_start_ms(view.zone, (month.first - timedelta(days=1)).replace(day=1))
    for meter in view.plant.meter:
        now = await specific.of(view, meter.id, month.start_ms, month.until_ms)
        if now is None:
            continue
        was = await specific.of(view, meter.id, before, month.start_ms)
        values = [text.number(each.value, 3) if each and each.value is not None else NONE for each in (now, was)]
        found.append((meter.name, text.number(now.units), text.number(month.meters[meter.id].kwh), *values))
    return found


def title(text: Text, first: date) -> str:
    """Return the heading of a month's report."""
    return text.words("rep.title", month=f"{first.month}/{first.year}")


def bars(text: Text, month: Month) -> dict[str, Any]:
    """Return the geometry of the chart: energy by day in MWh, one stack of tariff periods each."""
    days = (following(month.first) - month.first).days
    table = month.plant.by_day
    top_kwh = max((sum(row.values()) for row in table.values()), default=0.0) * 1.08 or 1.0
    step = (WIDTH - LEFT) / days
    stacks = []
    for day in range(1, days + 1):
        y, parts = float(HEIGHT - FOOT), []
        for period in PERIODS:
            height = table.get(day, {}).get(period, 0.0) / top_kwh * (HEIGHT - FOOT - 12)
            y -= height
            if height > 0.05:
                parts.append((period, round(y, 1), round(height, 1)))
        weekday = (month.first + timedelta(days=day - 1)).weekday()
        stacks.append((round(LEFT + (day - 1) * step, 1), day, weekday == 6, day in month.plant.approximate_days, parts, round(y - 3, 1)))
    unit = 10.0 ** len(str(int(top_kwh))) / 10
    grid = next(unit * share for share in (0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0) if top_kwh / (unit * share) < 5)
    lines = [
        (round(HEIGHT - FOOT - n * grid / top_kwh * (HEIGHT - FOOT - 12), 1), text.number(n * grid / 1000, 1 if grid % 1000 else 0))
        for n in range(5)
        if n * grid <= top_kwh
    ]
    return {
        "stacks": stacks,
        "lines": lines,
        "bar": round(step * 0.72, 1),
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "foot": HEIGHT - 4,
    }


async def as_csv(request: Request) -> Response:
    """Answer `/reports/{month}.csv`: one row per meter and one per waste event, plain numbers."""
    site: Site = request.app.state.site
    view = site.view
    first = chosen(request.path_params["month"], local(view.zone, view.now_ms()).date())
    month = await month_of(view, first)
    name = f"{view.plant.plant.id}_{first:%Y-%m}.csv"
    return Response(table(month), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'})


def table(month: Month) -> str:
    """Return the month as CSV."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["row", "id", "kwh", "off_peak_kwh", "normal_kwh", "peak_kwh", "cost", "co2e_kg", "coverage", "estimated_kwh", "state"])
    for meter, each in month.meters.items():
        parts = [f"{each.by_period.get(period, (0.0, 0.0))[0]:.3f}" for period in PERIODS]
        money = f"{each.cost:.2f}" if each.priced else ""
        rows.writerow(
            ["meter", meter, f"{each.kwh:.3f}", *parts, money, f"{each.co2e_kg:.3f}", f"{each.coverage(month.elapsed_s):.4f}",
             f"{each.estimated_kwh:.3f}", ""]
        )  # fmt: skip
    for alert in month.alerts:
        rows.writerow(["waste", alert.id, *_alert(alert), alert.state])
    return out.getvalue()


def _alert(alert: Alert) -> list[str]:
    energy = "" if alert.excess_kwh is None else f"{alert.excess_kwh.value:.3f}"
    money = "" if alert.cost is None else f"{alert.cost.value:.2f}"
    return [energy, "", "", "", money, "" if alert.co2e_kg is None else f"{alert.co2e_kg:.3f}", "", ""]
