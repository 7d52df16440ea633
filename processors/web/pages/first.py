"""The page before the first reading: three commands, the state of the system, unlisted meters ready to paste."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from driftwatt import __version__
from driftwatt.readings import Reading
from processors.view import PlantView
from processors.web.site import Site
from processors.web.text import Text

STEPS = (
    ("scan", 'driftwatt scan "rtu:///dev/ttyUSB0?baud=9600&format=8N1" --units 1-32'),
    ("check", "driftwatt check edge.toml --live"),
    ("collect", "driftwatt collect edge.toml"),
)


def block(reading: Reading) -> str:
    """Return the `[[meter]]` block of a meter that plant.toml does not list."""
    return f'[[meter]]\nid = "{reading.meter}"\nname = "{reading.meter}"\n'


def health(view: PlantView, text: Text) -> list[tuple[str, str, str]]:
    """Return (sign, what, how) of server, broker and collectors."""
    say, board = text.words, view.board.snapshot()
    names = ", ".join(edge.edge for edge in board.edges.values() if edge.online)
    since = text.clock(board.started_ms or view.now_ms())
    broker = say("first.broker_ok" if board.broker_connected else "first.broker_no", url=board.broker)
    edges = say("first.edges_ok", names=names) if names else say("first.waiting", time=since)
    return [
        ("s-tick", say["first.server"], say("first.server_ok", version=__version__)),
        ("s-tick" if board.broker_connected else "s-clock", say["first.broker"], broker),
        ("s-tick" if names else "s-clock", say["term.edge"], edges),
    ]


async def first_run(request: Request) -> Response:
    """Answer `/` while no listed meter has ever reported."""
    site: Site = request.app.state.site
    text = site.visit(request).text
    blocks = "\n".join(block(reading) for reading in site.view.board.snapshot().unlisted)
    return site.page(
        request,
        "first.html",
        page="first",
        section="overview",
        steps=STEPS,
        health=health(site.view, text),
        blocks=blocks,
    )
