"""`/api/v1/openapi.json`: the JSON routes, described by hand and kept true by a test."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from driftwatt import __version__
from driftwatt.alerts import ACK_REASONS, DISMISS_REASONS

Json = dict[str, Any]
TEXT: Json = {"type": "string"}
TIME: Json = {"type": "string", "description": "RFC 3339 with a zone, or milliseconds since 1970"}


def _query(name: str, told: str, schema: Json | None = None, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "description": told, "schema": schema or TEXT}


def _get(summary: str, *parameters: Json, kind: str = "application/json") -> Json:
    good = {"description": "The answer.", "content": {kind: {}}}
    return {
        "get": {
            "summary": summary,
            "parameters": list(parameters),
            "responses": {"200": good, "400": {"description": "A parameter is wrong."}},
        }
    }


ALERT: Json = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"}}
SPAN = (_query("from", "Start; today by default.", TIME), _query("to", "End, not included.", TIME))


def _post(summary: str, properties: Json, required: list[str]) -> Json:
    return _said(summary, properties | {"note": {"type": "string", "maxLength": 500}}, required, of="alert", parameters=[ALERT])


def _said(summary: str, properties: Json, required: list[str], *, of: str, parameters: list[Json]) -> Json:
    schema: Json = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    token = {"name": "X-CSRF-Token", "in": "header", "required": True, "schema": TEXT}
    return {
        "post": {
            "summary": summary,
            "parameters": [*parameters, token],
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": {
                "200": {"description": f"The {of} as it is now."},
                "400": {"description": "The body is wrong."},
                "403": {"description": "Not this page's token, or not permitted."},
                "404": {"description": f"No such {of}."},
                "409": {"description": f"The state of the {of} does not allow it."},
            },
        }
    }


def document() -> Json:
    """Return the OpenAPI 3.1 document."""
    undo: Json = {"undo": {"type": "boolean"}}
    paths: Json = {
        "/api/v1/live": _get("The newest value, state and expected band of every meter."),
        "/api/v1/meters": _get("The metering points of the plant."),
        "/api/v1/history": _get(
            "Readings of one quantity, thinned with minima and maxima kept; power comes with its expected band.",
            _query("meter", "Meter id.", required=True),
            _query("quantity", "A quantity; active_power by default."),
            *SPAN,
            _query("points", "At most so many points, 2 to 5000.", {"type": "integer", "minimum": 2, "maximum": 5000}),
        ),
        "/api/v1/energy": _get(
            "Closed energy intervals of a meter or an area.",
            _query("meter", "Meter id, unless an area is given."),
            _query("area", "Area id."),
            _query("by", "Length of the intervals.", {"type": "string", "enum": ["15m", "1h", "1d"]}),
            *SPAN,
        ),
        "/api/v1/alerts": _get("Alerts, the newest first.", _query("state", "States, separated by commas.")),
        "/api/v1/alerts/{id}": _get("One alert.", ALERT),
        "/api/v1/alerts/{id}/ack": _post(
            "Acknowledge; undo within 10 s.", {"reason": {"type": "string", "enum": list(ACK_REASONS)}, **undo}, []
        ),
        "/api/v1/alerts/{id}/shelve": _post(
            "Put aside for at most 7 days; undo ends it.", {"reason": TEXT, "until_ms": {"type": "integer"}, **undo}, []
        ),
        "/api/v1/alerts/{id}/comment": _post("Add a note.", {}, ["note"]),
        "/api/v1/alerts/{id}/dismiss": _post(
            "Close as no waste.", {"reason": {"type": "string", "enum": list(DISMISS_REASONS)}}, ["reason"]
        ),
        "/api/v1/alerts/{id}/fixed": _post(
            "Close as mended; `repaired` is when, in plant time or RFC 3339, where that was earlier than now.", {"repaired": TEXT}, []
        ),
        "/api/v1/maintenance": _get("Maintenance windows set on the page, the latest first.")
        | _said(
            "Set a maintenance window: one area (`*` is the plant) or some meters, from now or later, in plant time or RFC 3339.",
            {"area": TEXT, "meters": {"type": "array", "items": TEXT}, "from": TEXT, "to": TEXT, "reason": TEXT},
            ["from", "to", "reason"],
            of="window",
            parameters=[],
        ),
        "/api/v1/maintenance/{id}/end": _said("End a window now, or take it back.", {}, [], of="window", parameters=[ALERT]),
        "/api/v1/events": _get("Live fields of the page as server-sent events.", kind="text/event-stream"),
    }
    return {"openapi": "3.1.0", "info": {"title": "driftwatt", "version": __version__}, "paths": paths}


async def openapi(_: Request) -> Response:
    """Answer `/api/v1/openapi.json`."""
    return JSONResponse(document())
