"""`driftwatt process`: the daemon of the plant, pipeline and page in one process."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from driftwatt.commands import Command


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="PLANT.toml")
    parser.add_argument("--history", type=Path, metavar="FILE", help="import this file of readings first (JSON Lines, rows as on the wire)")
    parser.add_argument("--once", action="store_true", help="take what the broker and the edges have, then leave")
    parser.add_argument("-v", "--verbose", action="store_true", help="log repetitions and details as well")


def _run(arguments: argparse.Namespace) -> int:
    from driftwatt.adapters import logs
    from driftwatt.clock import SystemClock
    from processors.app import run

    logs.setup(verbose=arguments.verbose)
    return run(arguments.file, clock=SystemClock(), history=arguments.history, once=arguments.once, bar=sys.stderr.isatty())


PROCESS = Command(
    name="process",
    summary="Take the readings of all edges, store and judge them, show the page.",
    examples="  driftwatt process plant.toml\n  driftwatt process plant.toml --history last-year.jsonl",
    configure=_arguments,
    run=_run,
    extra="processor",
)
