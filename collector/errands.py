"""What commands may have done by a running collector. A closed list."""

from __future__ import annotations

from typing import Any

from collector.forwarder import Forwarder
from driftwatt.errors import Refused
from driftwatt.wire import Span


async def obey(forwarder: Forwarder, request: dict[str, Any], *, now_s: float) -> dict[str, Any]:
    """Do what a request asks for and return what came of it. Raises Refused for anything that is not on the list."""
    what = request.get("do")
    if what == "replaying":
        return forwarder.replaying.progress.told()
    if what == "replay":
        from_ms, to_ms = request.get("from_ms"), request.get("to_ms")
        if not isinstance(from_ms, int) or not isinstance(to_ms, int):
            raise Refused("replay needs from_ms and to_ms")
        progress = forwarder.replaying.ask(Span(from_ms, to_ms), now_s=now_s, asked_by="a person", limited=False)
        forwarder.wake()
        return progress.told()
    raise Refused(f"{str(what)[:40]!r} is nothing that this version does")
