"""Everything on a page that lives: one flat table of finished texts, rendered first by the server, then streamed.

A key stands in the HTML as `data-text`, `data-bar`, `data-state` or `data-at`; the stream carries the same keys with
new values, so that the browser neither computes nor formats a figure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from driftwatt.alerts import Alert
from processors.pure.board import Progress, Snapshot
from processors.pure.maintenance import Maintenance
from processors.view import PlantView
from processors.web.figures import DOUBTFUL, Fields, MeterFigure, meter_figure
from processors.web.kpis import plant_fields
from processors.web.plant_figure import plant_figure
from processors.web.text import Text
from processors.web.tiles import area_fields, rest_fields, tile_fields

TOLD = {"commit_failed": "device.commit_failed", "bus_down": "device.bus_down", "clock_unsynced": "device.clock"}
"""What an edge says of itself that puts the numbers of the page in doubt: alarm code and its words, the worst first."""


def fields(view: PlantView, text: Text) -> Fields:
    """Return every live field of every page in one language. Reads memory only."""
    snapshot, alerts = view.board.snapshot(), view.book.alerts()
    figures = [meter_figure(view, snapshot, alerts, meter) for meter in view.meters.values()]
    table: Fields = {
        "now": view.clock.now_ms(),
        "alerts.rev": _revision(alerts, view.book.maintenance()),
        "first": int(not is_first_run(view)),
    }
    table |= _frame(view, text, snapshot, figures, alerts)
    table |= plant_fields(view, text, plant_figure(view, figures))
    for figure in figures:
        table |= {f"t.{figure.meter.id}.{key}": value for key, value in tile_fields(view, text, figure).items()}
    table |= area_fields(view, text, figures)
    return table | rest_fields(view, text, figures)


def _revision(alerts: Sequence[Alert], windows: Sequence[Maintenance]) -> str:
    told = sorted(f"{each.id} {each.state} {each.updated_ms} {len(each.history)}" for each in alerts)
    told += sorted(f"{each.id} {each.until_ms}" for each in windows)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]


def is_first_run(view: PlantView) -> bool:
    """Tell whether nothing is known yet: no reading of a listed meter, nothing stored, no past being filled in."""
    snapshot = view.board.snapshot()
    known = any(now.reading for now in snapshot.meters.values()) or any(span.intervals or span.base for span in view.today.values())
    return not known and not view.has_past and snapshot.progress is None


def counts(alerts: Sequence[Alert]) -> tuple[int, int]:
    """Return how many alerts want a person: waste and limits, data and devices."""
    waiting = [each for each in alerts if each.state in {"unacked", "cleared_unacked"} and not each.below_floor]
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
    if snapshot.progress is not None and view.staged:
        return _filling(text, snapshot.progress, f"progress.{snapshot.progress.phase}", "fill")
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
    if snapshot.progress is not None:
        return _filling(text, snapshot.progress, f"progress.real_{snapshot.progress.phase}", "late")
    told = next(((key, each.edge) for code, key in TOLD.items() for each in snapshot.edges.values() if code in each.alarms), None)
    if told is not None:
        key, name = told
        return {"banner.state": "doubt", "banner.text": say(key, edge=name), "banner.more": say[f"{key}_more"], "banner.pct": 0}
    if not snapshot.store_ok or snapshot.store_lag_s > 60:
        sentence = say("banner.store_behind", duration=text.duration(snapshot.store_lag_s))
        return {"banner.state": "doubt", "banner.text": sentence, "banner.more": "", "banner.pct": 0}
    return {"banner.state": "", "banner.text": "", "banner.more": "", "banner.pct": 0}


def _filling(text: Text, progress: Progress, key: str, state: str) -> Fields:
    percent = text.percent(progress.done / progress.total) if progress.total else ""
    sentence = text.words(key, pct=percent)
    if progress.from_ms and progress.to_ms:
        sentence += " " + text.words("progress.span", **{"from": text.date(progress.from_ms), "to": text.date(progress.to_ms)})
    width = 100 * progress.done // progress.total if progress.total else 0
    return {"banner.state": state, "banner.text": sentence, "banner.more": text.words[f"{key}_note"], "banner.pct": width}
