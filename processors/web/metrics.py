"""`/metrics` for Prometheus: a few gauges, written by hand."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from processors.pure.gauges import of_edges
from processors.web.fields import counts
from processors.web.site import Site


async def metrics(request: Request) -> Response:
    """Answer in the text exposition format 0.0.4."""
    site: Site = request.app.state.site
    view = site.view
    board = view.board.snapshot()
    warm, doubt = counts(view.book.alerts())
    lines: list[str] = []

    def gauge(name: str, told: str, rows: list[tuple[str, float]]) -> None:
        lines.extend([f"# HELP driftwatt_{name} {told}", f"# TYPE driftwatt_{name} gauge"])
        lines.extend(f"driftwatt_{name}{labels} {value:g}" for labels, value in rows)

    now_ms = view.now_ms()
    newest = [(f'{{meter="{meter}"}}', now.reading) for meter, now in board.meters.items() if now.reading]
    gauge("meter_age_seconds", "Age of the newest reading.", [(label, (now_ms - reading.t_ms) / 1000) for label, reading in newest])
    powers = [(label, view.power_w(reading)) for label, reading in newest]
    gauge("active_power_watts", "Active power, ratio and sign applied.", [(label, watts) for label, watts in powers if watts is not None])
    for told in (*of_edges(board.edges.values(), view.clock.now_ms()), *(await site.gauges() if site.gauges else ())):
        gauge(told.name, told.told, list(told.rows))
    gauge("alerts_waiting", "Alerts that nobody has acknowledged.", [('{kind="waste_limit"}', warm), ('{kind="data_device"}', doubt)])
    gauge("broker_connected", "1 while the broker is connected.", [("", float(board.broker_connected))])
    gauge("store_lag_seconds", "How far the store is behind.", [("", board.store_lag_s)])
    gauge("page_streams", "Open live streams.", [("", site.hub.streams)])
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")
