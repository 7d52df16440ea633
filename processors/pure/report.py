"""A history as one page: every waste event with its picture. Plain HTML with inline SVG; it asks nothing of any server.

A picture shows the mean power of each local day from four weeks before the event on; days of the event are filled,
the line is the median of the days before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, tzinfo
from html import escape
from typing import Any

from processors.pure.robust import median

BEFORE, MOST = 28, 120
WIDTH, HEIGHT, LEFT, FOOT = 720, 160, 56, 18
_STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:760px;margin:2rem auto;padding:0 1rem;color:#1b2430}
table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}
figure{margin:.5rem 0 0}svg{width:100%;height:auto}h2{margin:2rem 0 .3rem;font-size:1.1rem}
.day{fill:#b9c4d0}.waste{fill:#c2571a}.usual{stroke:#1b2430;stroke-dasharray:4 3}text{font-size:11px;fill:#55606e}
.small{color:#55606e;font-size:.9rem}"""
Line = Mapping[str, Any]


def page(meter: str, lines: Sequence[Line], days: Mapping[int, float], zone: tzinfo) -> str:
    """Return the page. `lines` are those of the history, `days` the mean kW by local date (ordinal)."""
    events: dict[str, list[Line]] = {}
    for line in lines:
        if line["type"] == "waste":
            events.setdefault(line["event"], []).append(line)
    summary = next((line for line in lines if line["type"] == "summary"), {})
    doubts = [line for line in lines if line["type"] == "data" and line["state"] == "opened"]
    head = f"<h1>{escape(meter)}</h1>\n<p>{_count(len(events), 'waste event')}, {_count(len(doubts), 'doubt')} about the data"
    head += f"; {summary.get('rows', 0)} rows, {summary.get('valid_days', 0)} valid days.</p>\n"
    body = "".join(_event(told, days, zone) for told in events.values())
    doubtful = "".join(f"<li>{escape(line['reason'])}, {_day(line['since'], zone)}</li>" for line in doubts)
    tail = f"<h2>Doubts about the data</h2>\n<ul>{doubtful}</ul>\n" if doubts else ""
    top = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(meter)} – waste</title>'
    return f"{top}<style>{_STYLE}</style></head>\n<body>\n{head}{body}{tail}</body></html>\n"


def _event(told: Sequence[Line], days: Mapping[int, float], zone: tzinfo) -> str:
    first, last = told[0], told[-1]
    rows = [
        ("since", _day(first["since"], zone)),
        ("told", _day(first["at"], zone)),
        ("excess", f"{last['delta_kw']:.3g} kW on “{escape(first['channel'])}”"),
        ("energy", f"{_two(last['kwh'])} kWh (90 %: {_two(last['kwh_lo'])} to {_two(last['kwh_hi'])})"),
        ("ended", escape(last.get("reason", "open")) if last["state"] == "closed" else "open"),
    ]
    if "cost" in last:
        cost = last["cost"]
        rows.append(("cost", f"{_two(cost['amount'])} {escape(cost['currency'])} (tariff {escape(cost['tariff'])})"))
    cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    title = f"{_day(first['since'], zone)}: {escape(first['channel'])}{', provisional' if first['provisional'] else ''}"
    return f"<h2>{title}</h2>\n<table>{cells}</table>\n{_picture(first, last, days, zone)}"


def _picture(first: Line, last: Line, days: Mapping[int, float], zone: tzinfo) -> str:
    since, end = _ordinal(first["since"], zone), _ordinal(last["at"], zone)
    shown = [day for day in range(since - BEFORE, min(end, since + MOST) + 1) if day in days]
    if not shown:
        return ""
    before = [days[day] for day in shown if day < since]
    top = max(1e-9, *(days[day] for day in shown))
    span, tall = shown[-1] - shown[0] + 1, HEIGHT - FOOT
    step = (WIDTH - LEFT) / span
    bars = []
    for day in shown:
        kind, tip = "waste" if since <= day < end else "day", f"{date.fromordinal(day).isoformat()}: {days[day]:.3g} kW"
        x, high = LEFT + (day - shown[0]) * step, tall * max(0.0, days[day]) / top
        place = f'x="{x:.1f}" y="{tall - high:.1f}" width="{max(step - 1, 0.5):.1f}" height="{high:.1f}"'
        bars.append(f'<rect class="{kind}" {place}><title>{tip}</title></rect>')
    usual = ""
    if before:
        y = tall * (1 - max(0.0, median(before)) / top)
        usual = f'<line class="usual" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
    marks = f'<text x="0" y="11">{top:.3g} kW</text><text x="0" y="{tall}">0</text>'
    dates = "".join(
        f'<text x="{LEFT + (day - shown[0]) * step:.1f}" y="{HEIGHT - 4}">{date.fromordinal(day).isoformat()}</text>'
        for day in dict.fromkeys((shown[0], max(since, shown[0])))
    )
    name = f"Mean power per day from {date.fromordinal(shown[0]).isoformat()} on"
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">{"".join(bars)}{usual}{marks}{dates}</svg>'
    note = "Mean power per day; filled: the event; line: median of the days before."
    return f'<figure>{svg}<figcaption class="small">{note}</figcaption></figure>\n'


def _two(value: float) -> str:
    """Return a number with two significant digits, without an exponent."""
    return f"{float(f'{value:.2g}'):,.10g}".replace(",", " ")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _local(instant: str, zone: tzinfo) -> datetime:
    return datetime.fromisoformat(instant).astimezone(zone)


def _day(instant: str, zone: tzinfo) -> str:
    return _local(instant, zone).date().isoformat()


def _ordinal(instant: str, zone: tzinfo) -> int:
    return _local(instant, zone).toordinal()
