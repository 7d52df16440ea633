"""`driftwatt collect`: the daemon of the edge box."""

from __future__ import annotations

import argparse
from pathlib import Path

from driftwatt.commands import Command


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="EDGE.toml")
    parser.add_argument("--once", action="store_true", help="poll each meter once, wait until the plant has it, leave")
    parser.add_argument("-v", "--verbose", action="store_true", help="log repetitions and details as well")
    parser.add_argument("--stride-from", type=int, metavar="MS", help=argparse.SUPPRESS)
    parser.add_argument("--stride", type=float, default=300.0, metavar="S", help=argparse.SUPPRESS)
    parser.add_argument("--stride-file", type=Path, metavar="PATH", help=argparse.SUPPRESS)


def _run(arguments: argparse.Namespace) -> int:
    from collector.app import run
    from driftwatt.adapters import logs
    from driftwatt.clock import Clock, StridingClock, SystemClock

    logs.setup(verbose=arguments.verbose)
    clock: Clock = SystemClock()
    if arguments.stride_from is not None and arguments.stride_file is not None:
        clock = StridingClock(arguments.stride_from, stride_s=arguments.stride, shared=arguments.stride_file)
    return run(arguments.file, clock=clock, once=arguments.once)


COLLECT = Command(
    name="collect",
    summary="Read the meters of an edge, keep every reading until the plant has it.",
    examples="  driftwatt collect edge.toml\n  driftwatt collect edge.toml --once",
    configure=_arguments,
    run=_run,
)
