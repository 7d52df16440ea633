"""What commands may have done to a plant beside its pipeline. A closed list."""

from __future__ import annotations

import json
from typing import Any

from driftwatt.errors import Refused
from driftwatt.topics import topic
from driftwatt.wire import Control, Span, to_bytes
from processors import quarantine, rebuilding
from processors.pipeline import Pipeline
from processors.quarantine import Choice
from processors.rebuilding import Between

MAX_NAMES = 1000


async def obey(pipeline: Pipeline, request: dict[str, Any], between: Between) -> dict[str, Any]:
    """Do what a request asks for, note it in the audit log and return what came of it. Raises Refused for anything else."""
    done = await _obey(pipeline, request, between)
    if not request.get("compare"):
        asked = {key: value for key, value in request.items() if key != "do" and value is not None}
        await pipeline.people.audit("command", str(request["do"]), json.dumps({"asked": asked, "done": done}, separators=(",", ":")))
    return done


async def _obey(pipeline: Pipeline, request: dict[str, Any], between: Between) -> dict[str, Any]:
    what = request.get("do")
    choice = Choice(_names(request.get("meters")), _names(request.get("reasons")))
    if what == "release":
        return (await between(lambda: quarantine.release(pipeline, choice))).told("released")
    if what == "drop":
        return (await between(lambda: quarantine.drop(pipeline, choice))).told("dropped")
    if what == "rebuild":
        return await _rebuild(pipeline, request, between)
    if what == "replay":
        return _replay(pipeline, request)
    raise Refused(f"{str(what)[:40]!r} is nothing that this version does")


def _replay(pipeline: Pipeline, request: dict[str, Any]) -> dict[str, Any]:
    """Ask an edge to send a stretch of time again. Raises Refused for an edge that was never heard of, and while the broker is away."""
    edge, from_ms, to_ms = request.get("edge"), request.get("from_ms"), request.get("to_ms")
    known = pipeline.board.snapshot().edges
    edge = next(iter(known)) if edge is None and len(known) == 1 else edge
    if not isinstance(edge, str) or edge not in known:
        raise Refused(f"no such edge was heard of; known: {', '.join(sorted(known)) or 'none'}")
    if not isinstance(from_ms, int) or not isinstance(to_ms, int) or from_ms >= to_ms:
        raise Refused("replay needs a stretch of time")
    if not pipeline.link.publish(topic(edge, "ctl"), to_bytes(Control(Span(from_ms, to_ms)))):
        raise Refused("the broker cannot be reached")
    return {"asked": edge}


async def _rebuild(pipeline: Pipeline, request: dict[str, Any], between: Between) -> dict[str, Any]:
    """Make the states of some meters again, or compare; what came late before is judged first."""
    meters, from_ms = _names(request.get("meters")), request.get("from_ms")
    if not meters or not isinstance(from_ms, int | None):
        raise Refused("rebuild needs meters and, if any, an instant")
    if pipeline.storing.trouble:
        raise Refused(f"the store cannot be used: {pipeline.storing.trouble}")
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
