"""`driftwatt demo`: a small plant, run by the same commands that a real one runs, as child processes."""

from __future__ import annotations

import argparse
import re

from driftwatt.commands import Command
from driftwatt.errors import ConfigError, MissingExtra
from driftwatt.hosts import DEMO_PORT

_NEEDS = ("amqtt", "starlette", "numpy")
_DURATION = re.compile(r"(\d+)(s|m|h)")


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, metavar="P", help=f"port of the page (default: {DEMO_PORT}, or a free one when it is taken)")
    parser.add_argument("--for", dest="duration", metavar="DURATION", help="end by itself, counted from the page being up: 120s, 10m, 2h")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another plant (default: %(default)s)")
    parser.add_argument("--keep", metavar="DIR", help="run in this empty folder and leave it there, to look at it afterwards")


def _run(arguments: argparse.Namespace) -> int:
    from importlib.util import find_spec

    from driftwatt.stage import Stage

    for module in _NEEDS:
        if find_spec(module) is None:
            raise MissingExtra("all", module)
    duration_s = seconds(arguments.duration) if arguments.duration else None
    if arguments.port is not None and not 0 <= arguments.port <= 65535:
        raise ConfigError("--port is out of range", found=str(arguments.port), allowed="0 … 65535")
    with Stage(port=arguments.port, seed=arguments.seed, keep=arguments.keep, as_json=arguments.json) as stage:
        return stage.play(duration_s)


def seconds(text: str) -> float:
    """Return the seconds in a duration such as `120s`. Raises ConfigError."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ConfigError("--for is not understood", found=repr(text), allowed="120s, 10m, 2h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


DEMO = Command(
    name="demo",
    summary="Run a small plant on this machine and show it in a browser.",
    examples="  driftwatt demo\n  driftwatt demo --for 120s      # ends by itself with a summary\n  driftwatt demo --port 9000",
    configure=_configure,
    run=_run,
)
