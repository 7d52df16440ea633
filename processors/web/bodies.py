"""What the JSON side reads out of the bodies of requests."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from processors.pure.calendar import wall_ms


class BadRequestError(Exception):
    """A parameter is wrong; the text says which and what is allowed."""


def body_of(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. Raises BadRequestError."""
    try:
        content = json.loads(body or b"{}")
        json.dumps(content, ensure_ascii=False).encode()  # half a character, written as an escape, can be read but not kept
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise BadRequestError("the body is not a JSON object")
    return content


def wall_time(text: object, name: str, zone: ZoneInfo) -> int:
    """Return an instant: RFC 3339, or a wall-clock time of the plant without zone. Raises BadRequestError."""
    try:
        parsed = datetime.fromisoformat(text) if isinstance(text, str) and len(text) <= 40 else None
        if parsed is not None and 1970 < parsed.year < 2100:
            return wall_ms(zone, parsed) if parsed.tzinfo is None else int(parsed.timestamp() * 1000)
    except ValueError:
        pass
    raise BadRequestError(f"{name}: a time of the plant such as 2027-02-03T18:00, or RFC 3339")
