"""What commands may have done to a plant between two cycles of its pipeline. A closed list."""

from __future__ import annotations

from typing import Any

from driftwatt.errors import Refused
from processors import quarantine
from processors.pipeline import Pipeline
from processors.quarantine import Choice

MAX_NAMES = 1000


async def obey(pipeline: Pipeline, request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks for and return what came of it. Raises Refused for anything that is not on the list."""
    what = request.get("do")
    choice = Choice(_names(request.get("meters")), _names(request.get("reasons")))
    if what == "release":
        return (await quarantine.release(pipeline, choice)).told("released")
    if what == "drop":
        return (await quarantine.drop(pipeline, choice)).told("dropped")
    raise Refused(f"{str(what)[:40]!r} is nothing that this version does")


def _names(given: object) -> list[str] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > MAX_NAMES or not all(isinstance(name, str) for name in given):
        raise Refused("names are a list of texts")
    return given
