"""The JSON side: live values, meters, history, energy, alerts and answers, the stream."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from driftwatt.alerts import ACK_REASONS, DISMISS_REASONS, Alert
from driftwatt.clock import rfc3339
from driftwatt.errors import Refused, Unavailable
from driftwatt.quantities import QUANTITIES
from processors.pure.document import document
from processors.view import DAY_MS, Answer, AnswerWord, PlantView
from processors.web.bodies import BadRequestError, body_of, wall_time
from processors.web.figures import meter_figure
from processors.web.hub import TooManyStreamsError
from processors.web.site import Site, refusal
from processors.web.text import Text
from processors.web.thin import Row, thin

log = logging.getLogger(__name__)
MAX_SPAN_MS, MAX_POINTS, MAX_NOTE = 400 * DAY_MS, 5000, 500
PIECE_MS, LATEST_MS = 2 * DAY_MS, 4_102_444_800_000
VERBS: dict[str, AnswerWord] = {"ack": "ack", "shelve": "shelve", "comment": "comment", "dismiss": "dismiss", "fixed": "fixed"}
ALERT_ID = re.compile(r"[0-9a-f]{16}")


def when(request: Request, name: str, default_ms: int) -> int:
    """Return a time parameter, RFC 3339 or integer milliseconds, as an instant from 1970 to 2100. Raises BadRequestError."""
    text = request.query_params.get(name)
    if text is None:
        return default_ms
    if re.fullmatch(r"\d{1,15}", text):
        return min(int(text), LATEST_MS)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise BadRequestError(f"{name}: allowed are RFC 3339 with a zone, or milliseconds since 1970")
    return min(max(int(parsed.timestamp() * 1000), 0), LATEST_MS)


def window(request: Request, view: PlantView) -> tuple[int, int]:
    """Return `from` and `to` in ms, today by default. Raises BadRequestError."""
    start_ms, end_ms = view.day_bounds(view.now_ms())
    start_ms, end_ms = when(request, "from", start_ms), when(request, "to", end_ms)
    if not start_ms < end_ms <= start_ms + MAX_SPAN_MS:
        raise BadRequestError("from must be before to, and the span at most 400 days")
    return start_ms, end_ms


def known_meter(request: Request, view: PlantView) -> str:
    """Return the meter parameter. Raises BadRequestError."""
    meter = request.query_params.get("meter", "")
    if meter not in view.meters:
        raise BadRequestError(f"meter: {meter[:80]!r} is not listed")
    return meter


async def live(request: Request) -> Response:
    """Answer `/api/v1/live`: the newest of every meter."""
    view: PlantView = request.app.state.site.view
    snapshot, alerts = view.board.snapshot(), view.book.alerts()
    rows = []
    for meter in view.meters.values():
        figure = meter_figure(view, snapshot, alerts, meter)
        expected = figure.expected
        rows.append(
            {
                "meter": meter.id,
                "state": figure.state,
                "t": rfc3339(figure.t_ms) if figure.t_ms else None,
                "active_power_w": None if figure.kw is None else figure.kw * 1000,
                "expected_w": expected.w if expected else None,
                "lo_w": expected.lo if expected else None,
                "hi_w": expected.hi if expected else None,
                "today_kwh": figure.kwh,
                "alert": figure.alert.id if figure.alert else None,
            }
        )
    return JSONResponse({"now": rfc3339(view.now_ms()), "meters": rows})


async def meters(request: Request) -> Response:
    """Answer `/api/v1/meters`: the metering points of the plant file."""
    view: PlantView = request.app.state.site.view
    fields = ("id", "name", "area", "kind", "rated_kw", "edge", "feeds", "source", "source_note")
    return JSONResponse({"meters": [{name: getattr(meter, name) for name in fields} for meter in view.meters.values()]})


async def history(request: Request) -> Response:
    """Answer `/api/v1/history`: readings thinned to at most `points`, minima and maxima kept; power with its band."""
    view: PlantView = request.app.state.site.view
    meter, (start_ms, end_ms) = known_meter(request, view), window(request, view)
    quantity = request.query_params.get("quantity", "active_power")
    if quantity not in QUANTITIES:
        raise BadRequestError(f"quantity: {quantity[:80]!r} is unknown")
    wish = request.query_params.get("points", "1000")
    if not wish.isdecimal() or not 2 <= int(wish) <= MAX_POINTS:
        raise BadRequestError(f"points: allowed is 2 to {MAX_POINTS}")
    rows = await _thinned(view, meter, quantity, (start_ms, end_ms), int(wish))
    answer: dict[str, Any] = {"meter": meter, "quantity": quantity, "unit": QUANTITIES[quantity].unit, "points": rows}
    if quantity == "active_power":
        span = await view.span(meter, start_ms, end_ms, tail=False)
        answer["expected"] = [[point.start_ms, point.w, point.lo, point.hi] for point in span.expected]
    return JSONResponse(answer)


async def _thinned(view: PlantView, meter: str, quantity: str, span: tuple[int, int], points: int) -> list[Row]:
    """Return the thinned readings of a span of any length. A long one is read in pieces: a year of seconds does not fit into memory."""
    starts = range(span[0], span[1], PIECE_MS)
    share = max(4, points // len(starts))
    rows: list[Row] = []
    for start_ms in starts:
        piece = await view.readings(meter, quantity, start_ms, min(start_ms + PIECE_MS, span[1]))
        rows += piece if len(starts) == 1 else thin(piece, share)
    return thin(rows, points)


async def energy(request: Request) -> Response:
    """Answer `/api/v1/energy`: closed intervals of a meter, or the sum of an area."""
    view: PlantView = request.app.state.site.view
    start_ms, end_ms = window(request, view)
    by, area = request.query_params.get("by", "1h"), request.query_params.get("area")
    if by not in {"15m", "1h", "1d"}:
        raise BadRequestError("by: allowed are 15m, 1h, 1d")
    ids = [meter.id for meter in view.meters.values() if meter.area == area] if area else [known_meter(request, view)]
    if not ids:
        raise BadRequestError(f"area: {str(area)[:80]!r} has no meters")
    rows: dict[int, dict[str, Any]] = {}
    for meter in ids:
        for each in await view.intervals(by, meter, start_ms, end_ms):
            row = rows.setdefault(
                each.start_ms, {"start_ms": each.start_ms, "end_ms": each.end_ms, "import_wh": 0.0, "cost": 0.0, "coverage": 1.0, "q": 0}
            )
            row["import_wh"] += each.import_wh
            row["cost"] = None if each.cost is None or row["cost"] is None else row["cost"] + each.cost
            row["coverage"] = min(row["coverage"], each.coverage)
            row["q"] |= each.quality
    return JSONResponse({"by": by, "meters": ids, "intervals": [rows[start] for start in sorted(rows)]})


async def alerts(request: Request) -> Response:
    """Answer `/api/v1/alerts`: every alert, or those in the states asked for."""
    view: PlantView = request.app.state.site.view
    states = {state for state in request.query_params.get("state", "").split(",") if state}
    found = [each for each in view.book.alerts() if not states or each.state in states]
    return JSONResponse({"alerts": [document(each) for each in sorted(found, key=lambda each: -each.opened_ms)]})


async def alert(request: Request) -> Response:
    """Answer `/api/v1/alerts/{id}`."""
    view: PlantView = request.app.state.site.view
    found = view.alert(request.path_params["id"])
    return refusal(404, "not_found", "there is no such alert") if found is None else JSONResponse(document(found))


async def answer(request: Request) -> Response:
    """Answer `POST /api/v1/alerts/{id}/{verb}`: what a person says, checked, journaled, applied."""
    site: Site = request.app.state.site
    visit = site.visit(request)
    say = visit.text.words
    if (no := site.may_not_act(request, visit)) is not None:
        return no
    verb = VERBS.get(request.path_params["verb"])
    if verb is None or not ALERT_ID.fullmatch(request.path_params["id"]):
        return refusal(404, "not_found", say["err.page"])
    said = _said(
        await request.body(), verb, request.path_params["id"], by=visit.person.name, at_ms=site.view.clock.now_ms(), zone=site.view.zone
    )
    try:
        changed = await site.view.book.answer(said)
    except KeyError:
        return refusal(404, "not_found", say["err.page"])
    except Refused as refused:
        told = _not_possible(visit.text, said, site.view.alert(said.alert))
        return JSONResponse({"error": "not_possible", "message": told, "detail": str(refused)}, 409)
    return JSONResponse(document(changed))


def _not_possible(text: Text, said: Answer, current: Alert | None) -> str:
    """Return why an answer was refused: somebody was first, the time of a repair cannot be, or the alert has moved on."""
    if current is not None and said.what == "ack" and current.state == "acked" and current.ack_by and current.ack_at_ms:
        return text.words("ack.already", person=current.ack_by, time=text.clock(current.ack_at_ms))
    if current is not None and said.repaired_ms is not None and not current.since_ms <= said.repaired_ms <= said.at_ms:
        return text.words("err.repair", time=text.moment(current.since_ms, said.at_ms))
    return text.words["err.not_possible"]


def _said(body: bytes, verb: AnswerWord, alert_id: str, *, by: str, at_ms: int, zone: ZoneInfo) -> Answer:
    """Return the answer in a body. Raises BadRequestError."""
    content = body_of(body)
    reason, note, until = content.get("reason", ""), content.get("note", ""), content.get("until_ms")
    if not isinstance(reason, str) or not isinstance(note, str) or len(note) > MAX_NOTE or len(reason) > 40:
        raise BadRequestError(f"reason and note are texts, the note at most {MAX_NOTE} characters")
    if content.get("undo") is True and verb in {"ack", "shelve"}:
        return Answer(alert_id, "undo" if verb == "ack" else "unshelve", by, at_ms)
    if verb == "ack" and reason not in ACK_REASONS:
        raise BadRequestError(f"reason: allowed are {', '.join(ACK_REASONS)}")
    if verb == "dismiss" and reason not in DISMISS_REASONS:
        raise BadRequestError(f"reason: allowed are {', '.join(DISMISS_REASONS)}")
    if verb == "shelve" and (not isinstance(until, int) or isinstance(until, bool) or not at_ms < until <= at_ms + 7 * DAY_MS):
        raise BadRequestError("until_ms: a time within the next 7 days")
    if verb == "comment" and not note.strip():
        raise BadRequestError("note: missing")
    repaired_ms = wall_time(content["repaired"], "repaired", zone) if verb == "fixed" and content.get("repaired") else None
    return Answer(alert_id, verb, by, at_ms, reason, note.strip(), until if verb == "shelve" else None, repaired_ms)


async def events(request: Request) -> Response:
    """Answer `/api/v1/events`: the stream of live fields. A returning tab gets the whole table, whatever it missed."""
    site: Site = request.app.state.site
    origin = request.headers.get("sec-fetch-site", "same-origin")
    if origin not in {"same-origin", "none"}:
        return refusal(403, "cross_site", "the stream is for this page only")
    address = request.client.host if request.client else ""
    try:
        stream = site.hub.listen(site.visit(request).text.lang, address)
    except TooManyStreamsError:
        return JSONResponse({"error": "busy", "message": "too many open streams"}, 503, headers={"Retry-After": "10"})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def healthz(_: Request) -> Response:
    """Answer `/healthz`: the process runs."""
    return JSONResponse({"ok": True})


async def readyz(request: Request) -> Response:
    """Answer `/readyz`: broker connected and store answering."""
    board = request.app.state.site.view.board.snapshot()
    ready = board.broker_connected and board.store_ok
    return JSONResponse({"ok": ready, "broker": board.broker_connected, "store": board.store_ok}, 200 if ready else 503)


__all__ = ["BadRequestError", "Unavailable", "refusal"]
