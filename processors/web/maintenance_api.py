"""The JSON side of maintenance windows: what is planned, a new one, one ended early."""

from __future__ import annotations

import re
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from driftwatt.clock import rfc3339
from driftwatt.errors import Refused
from processors.pure.maintenance import LONGEST_REASON, Maintenance
from processors.view import PlantView
from processors.web.bodies import BadRequestError, body_of, wall_time
from processors.web.site import Site, Visit, refusal

WINDOW_ID = re.compile(r"[0-9a-f]{16}")
WHOLE_PLANT = "*"


def document(window: Maintenance) -> dict[str, Any]:
    """Return a window as integrators read it; `to` is where it really ends."""
    return {
        "id": window.id,
        "meters": list(window.meters),
        "area": window.area,
        "from": rfc3339(window.from_ms),
        "to": rfc3339(window.until_ms),
        "reason": window.reason,
        "by": window.by,
        "set": rfc3339(window.set_ms),
        "ended_by": window.ended_by,
    }


async def windows(request: Request) -> Response:
    """Answer `GET /api/v1/maintenance`: every window set on the page, the latest first."""
    view: PlantView = request.app.state.site.view
    found = sorted(view.book.maintenance(), key=lambda each: (-each.from_ms, each.id))
    return JSONResponse({"windows": [document(each) for each in found]})


async def plan(request: Request) -> Response:
    """Answer `POST /api/v1/maintenance`: a new window, checked, kept, followed."""
    site: Site = request.app.state.site
    visit = site.visit(request)
    if (no := site.may_not_act(request, visit)) is not None:
        return no
    window = _asked(body_of(await request.body()), site.view, visit.person.name)
    try:
        return JSONResponse(document(await site.view.book.plan(window)))
    except Refused as refused:
        return _refused(visit, refused)


async def end(request: Request) -> Response:
    """Answer `POST /api/v1/maintenance/{id}/end`: over from now on, or taken back before it began."""
    site: Site = request.app.state.site
    visit = site.visit(request)
    if (no := site.may_not_act(request, visit)) is not None:
        return no
    name = request.path_params["id"]
    try:
        if not WINDOW_ID.fullmatch(name):
            raise KeyError(name)
        done = await site.view.book.end_plan(name, by=visit.person.name, at_ms=site.view.clock.now_ms())
    except KeyError:
        return refusal(404, "not_found", visit.text.words["err.page"])
    except Refused as refused:
        return _refused(visit, refused)
    return JSONResponse(document(done))


def _refused(visit: Visit, refused: Refused) -> Response:
    return refusal(409, str(refused), visit.text.words[f"mw.no.{refused}"])


def _asked(content: dict[str, Any], view: PlantView, by: str) -> Maintenance:
    """Return the window that a body asks for. Raises BadRequestError."""
    area, meters, reason = content.get("area", ""), content.get("meters", []), content.get("reason", "")
    if not isinstance(reason, str) or len(reason) > LONGEST_REASON:
        raise BadRequestError(f"reason: a text of at most {LONGEST_REASON} characters")
    if not isinstance(meters, list) or not all(isinstance(each, str) and each in view.meters for each in meters):
        raise BadRequestError("meters: a list of ids from the plant file")
    if area == WHOLE_PLANT:
        meters = list(view.meters)
    elif area:
        meters = [meter.id for meter in view.meters.values() if meter.area == area]
    from_ms, to_ms = (wall_time(content.get(name), name, view.zone) for name in ("from", "to"))
    told = str(area) if meters else ""
    return Maintenance(secrets.token_hex(8), tuple(meters), from_ms, to_ms, reason, by, view.clock.now_ms(), area=told)
