"""`driftwatt check`: is a file right, and what will it cost the lines, the outbox and the flash."""

from __future__ import annotations

import argparse

from driftwatt.commands import Command


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="edge.toml, plant.toml, or a profile, tariff, calendar or factor file")
    parser.add_argument("--json", action="store_true", help="one JSON object per file")


def _run(arguments: argparse.Namespace) -> int:
    from collector.checking import check_files

    return check_files(arguments.files, as_json=arguments.json)


CHECK = Command(
    name="check",
    summary="Check configuration files; show what an edge will ask, and what that costs.",
    examples="  driftwatt check edge.toml\n  driftwatt check edge.toml plant.toml --json",
    configure=_arguments,
    run=_run,
)
