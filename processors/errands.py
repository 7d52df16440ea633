"""What commands may have done to a plant beside its pipeline. A closed list."""

from __future__ import annotations

from typing import Any

from driftwatt.errors import Refused
from processors import quarantine, rebuilding
from processors.pipeline import Pipeline
from processors.quarantine import Choice
from processors.rebuilding import Between

MAX_NAMES = 1000


async def obey(pipeline: Pipeline, request: dict[str, Any], between: Between) -> dict[str, Any]:
    """Do what a request asks for and return what came of it. Raises Refused for anything that is not on the list."""
    what = request.get("do")
    choice = Choice(_names(request.get("meters")), _names(request.get("reasons")))
    if what == "release":
        return (await between(lambda: quarantine.release(pipeline, choice))).told("released")
    if what == "drop":
        return (await between(lambda: quarantine.drop(pipeline, choice))).told("dropped")
    if what == "rebuild":
        return await _rebuild(pipeline, request, between)
    raise Refused(f"{str(what)[:40]!r} is nothing that this version does")


async def _rebuild(pipeline: Pipeline, request: dict[str, Any], between: Between) -> dict[str, Any]:
    """Make the states of some meters again, or compare; what came late before is judged first."""
    meters, from_ms = _names(request.get("meters")), request.get("from_ms")
    if not meters or not isinstance(from_ms, int | None):
        raise Refused("rebuild needs meters and, if any, an instant")
    done = []
    for meter in meters:
        await rebuilding.catch_up(pipeline, meter, between=between)
        compare = request.get("compare") is True
        done.append((await rebuilding.rebuild(pipeline, meter, from_ms=from_ms, between=between, compare=compare)).told())
    return {"rebuilt": done}


def _names(given: object) -> list[str] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > MAX_NAMES or not all(isinstance(name, str) for name in given):
        raise Refused("names are a list of texts")
    return given
