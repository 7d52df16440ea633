"""A history as one page: every waste event with its picture. Plain HTML with inline SVG; it asks nothing of any server.

A picture shows one bar for each local day from four weeks before the event on: the base load (mean of the day's lowest quarter) where
that is what rose, else the mean power. Days of the event are filled, the dashed line is the median of the days before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, tzinfo
from html import escape
from typing import Any

from driftwatt.alerts import PATTERN_OF_CHANNEL
from processors.analyse_days import Days
from processors.pure.calendar import day_start_ms
from processors.pure.robust import median
from processors.web.text import NONE, Text, two_digits

BEFORE, MOST = 28, 120
LEAST_MISSING = 0.001
"""A share of missing time that the page speaks of."""
WIDTH, HEIGHT, LEFT, FOOT = 720, 168, 64, 20
_STYLE = """body{font:15px/1.45 system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif;color:#161b20}
body{max-width:760px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{margin:2.2rem 0 .4rem;font-size:1.1rem}table{border-collapse:collapse}
td,th{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top;font-weight:400}th{color:#434e58}
figure{margin:.8rem 0 0;break-inside:avoid}svg{width:100%;height:auto;display:block}.day{fill:#9dafbf}.waste{fill:#a64000}
.usual{stroke:#161b20;stroke-dasharray:5 3}.grid{stroke:#ccd3d9}text{font-size:11px;fill:#434e58}
.key{font-size:.9rem;color:#434e58;display:flex;gap:1.2rem;flex-wrap:wrap;margin-top:.3rem}.key svg{display:inline;width:20px;height:10px}
@media(max-width:600px){figure{overflow-x:auto}figure>svg{width:620px}}
@page{size:A4;margin:12mm}@media print{body{margin:0;max-width:none}}"""
Line = Mapping[str, Any]


def page(meter: str, lines: Sequence[Line], facts: Mapping[str, float], days: Days, text: Text) -> str:
    """Return the page. `lines` are those of the history, `facts` what its summary says."""
    say = text.words
    events: dict[str, list[Line]] = {}
    for line in lines:
        if line["type"] == "waste":
            events.setdefault(line["event"], []).append(line)
    doubts = [line for line in lines if line["type"] == "data" and line["state"] == "opened"]
    spans = [_date(text, ordinal, days.zone) for ordinal in (min(days.means), max(days.means))] if days.means else []
    told = say("an.lead", rows=text.number(facts["rows"]), days=text.number(facts["valid_days"]), n=str(len(events)))
    if facts["missing_share"] >= LEAST_MISSING:
        told += " " + say("an.missing", pct=text.percent(facts["missing_share"], 1))
    if _nested(list(events.values())):
        told += " " + say["an.nested"]
    told = f"{' – '.join(spans)}. {told}" if spans else told
    head = f"<h1>{escape(meter)}: {escape(say['an.title'])}</h1>\n<p>{escape(told)}</p>\n"
    body = "".join(_event(each, days, text) for each in events.values())
    reasons = [(_doubt(line, text), _day(text, line.get("since", line["at"]))) for line in doubts]
    doubtful = "".join(f"<li>{escape(reason)}, {day}</li>" for reason, day in reasons)
    yearly = _yearly([line for line in lines if line["type"] == "yearly"], text, days.zone)
    tail = f"<h2>{escape(say['an.doubts'])}</h2>\n<ul>{doubtful}</ul>\n" if doubts else ""
    title = escape(f"{meter} – {say['an.title']}")
    top = f'<!doctype html>\n<html lang="{text.lang}"><head><meta charset="utf-8"><title>{title}</title>'
    top += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    return f"{top}<style>{_STYLE}</style></head>\n<body>\n{head}{yearly}{body}{tail}</body></html>\n"


def _nested(events: Sequence[Sequence[Line]]) -> bool:
    """Tell whether an event began while an older one was open: the older one includes what the younger one counts."""
    return any(one[-1]["at"] > other[0]["since"] > one[0]["since"] for one in events for other in events)


def _doubt(line: Line, text: Text) -> str:
    if line["reason"] == "interval_changed":
        return text.words("an.interval_changed", **{name: f"{value:g}" for name, value in line["detail"].items()})
    return text.words.get(f"dq.{line['reason']}", line["reason"])


def _yearly(lines: Sequence[Line], text: Text, zone: tzinfo) -> str:
    """Return how the meter stood beside its first twelve months, one row a month; nothing before there were so many."""
    if not lines:
        return ""
    say, rows, priced = text.words, [], any("cost_per_month" in line for line in lines)
    for line in lines:
        half, kwh = (line["delta_kw_hi"] - line["delta_kw_lo"]) / 2, two_digits(line["kwh_per_month"])
        share = text.deviation(line["expected_kw"] + line["delta_kw"], line["expected_kw"]) or NONE
        day = _date(text, date.fromisoformat(line["to"]).toordinal(), zone)
        row = [day, f"{text.excess(line['delta_kw'])} ± {text.number(half, 1)}", share, f"≈ {text.signed(kwh)}"]
        rows.append([*row, str(text.about(line["cost_per_month"]["amount"])) if "cost_per_month" in line else NONE] if priced else row)
    heads = [say["an.yearly_month"], say["yr.kw"], "%", say["yr.kwh"], *([say["yr.money"]] if priced else [])]
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    year = [_date(text, date.fromisoformat(lines[0][key]).toordinal(), zone) for key in ("year_from", "year_to")]
    note = say("an.yearly_note", **{"from": year[0], "to": year[1]})
    return f"<h2>{escape(say['yr.since'])}</h2>\n<p>{escape(note)}</p>\n<table><tr>{head}</tr>{cells}</table>\n"


def _event(told: Sequence[Line], days: Days, text: Text) -> str:
    say, first, last = text.words, told[0], told[-1]
    pattern = say[f"pattern.{PATTERN_OF_CHANNEL[first['channel']]}"]
    ended = last["state"] == "closed" and last.get("reason") != "end_of_data"
    seen = next((row for row in last["evidence"] if row["channel"] == first["channel"]), {"actual_kw": None, "expected_kw": None})
    kw = {name: str(text.power(seen[f"{name}_kw"])) for name in ("actual", "expected")}
    rows = [
        (say["an.since"], _day(text, first["since"])),
        (say["an.told"], say("an.told_after", date=_day(text, first["at"]), n=str(first["days"]))),
        (say["an.excess"], say("an.against", excess=str(text.excess(last["delta_kw"])), **kw)),
        (say["an.energy"], _energy(text, last)),
        (say["an.ended"], say("an.ended_on", date=_day(text, last["at"])) if ended else say["an.open"]),
    ]
    if first["state"] != "opened":
        del rows[1]
    if "cost" in last and last["kwh"] > 0:
        rows.insert(
            -1, (say["an.cost"], f"{text.about(last['cost']['amount'])} ({escape(last['cost']['tariff'])}, {say['tou.before_vat']})")
        )
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{value}</td></tr>" for name, value in rows)
    title = f"{_day(text, first['since'])}: {pattern}{' · ' + say['an.provisional'] if first['provisional'] else ''}"
    return f"<h2>{escape(title)}</h2>\n<table>{cells}</table>\n{_picture(first, last, days, text)}"


def _energy(text: Text, line: Line) -> str:
    """Return the energy with its band; where that is wider than the figure says, in words."""
    band = f"{text.number(line['kwh_lo'])}–{text.energy(line['kwh_hi'])}"
    if line["kwh_lo"] <= 0:
        return text.words("an.energy_unsure", value=f"≈ {text.energy(line['kwh'])}", band=band)
    return f"≈ {text.energy(line['kwh'])} (90 %: {band})"


def _picture(first: Line, last: Line, days: Days, text: Text) -> str:
    say, which = text.words, 1 if first["channel"] == "base" else 0
    since, end = _ordinal(first["since"], days.zone), _ordinal(last["at"], days.zone)
    shown = [day for day in range(since - BEFORE, min(end, since + MOST) + 1) if day in days.means]
    if not shown:
        return ""
    values = {day: max(0.0, days.means[day][which]) for day in shown}
    before = [values[day] for day in shown if day < since]
    top, tall = max(1e-9, *values.values()), HEIGHT - FOOT
    step = (WIDTH - LEFT) / (shown[-1] - shown[0] + 1)
    bars = []
    for day, value in values.items():
        kind, high = "waste" if since <= day < end else "day", (tall - 8) * value / top
        place = f'x="{LEFT + (day - shown[0]) * step:.1f}" y="{tall - high:.1f}" width="{max(step - 1, 0.5):.1f}" height="{high:.1f}"'
        bars.append(f'<rect class="{kind}" {place}><title>{_date(text, day, days.zone)}: {text.power(value)}</title></rect>')
    lines = [f'<path class="grid" d="M{LEFT} {tall}H{WIDTH}M{LEFT} 8H{WIDTH}"/>']
    if before:
        y = tall - (tall - 8) * median(before) / top
        lines.append(f'<path class="usual" d="M{LEFT} {y:.1f}H{WIDTH}"/>')
    marks = f'<text x="0" y="12">{text.power(top)}</text><text x="0" y="{tall}">0 kW</text>'
    ticks = dict.fromkeys(day for day in (shown[0], since, shown[-1]) if day in values)
    dates = "".join(_tick(text, day, LEFT + (day - shown[0]) * step, days.zone) for day in ticks)
    name = say["an.bars_base" if which else "an.bars"]
    drawn = "".join((lines[0], *bars, *lines[1:], marks, dates))
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">{drawn}</svg>'
    keys = "".join(_key(say[word], kind) for word, kind in (("an.before", "day"), ("chart.waste", "waste"), ("an.median", "usual")))
    return f'<figure>{svg}<figcaption class="key"><b>{escape(name)}</b>{keys}</figcaption></figure>\n'


def _key(word: str, kind: str) -> str:
    sign = '<path class="usual" d="M0 5H20"/>' if kind == "usual" else f'<rect class="{kind}" width="20" height="10"/>'
    return f'<span><svg viewBox="0 0 20 10" aria-hidden="true">{sign}</svg> {escape(word)}</span>'


def _tick(text: Text, day: int, x: float, zone: tzinfo) -> str:
    anchor = ' text-anchor="end"' if x > WIDTH - 60 else ""
    return f'<text x="{min(x, WIDTH):.1f}" y="{HEIGHT - 5}"{anchor}>{_date(text, day, zone)}</text>'


def _date(text: Text, ordinal: int, zone: tzinfo) -> str:
    return text.date(day_start_ms(zone, date.fromordinal(ordinal)), year=True)


def _day(text: Text, instant: str) -> str:
    return text.date(datetime.fromisoformat(instant).timestamp() * 1000, year=True)


def _ordinal(instant: str, zone: tzinfo) -> int:
    return datetime.fromisoformat(instant).astimezone(zone).toordinal()
