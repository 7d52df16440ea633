"""`driftwatt check`: is a file right, and what will it cost the lines, the outbox and the flash."""

from __future__ import annotations

import argparse

from driftwatt.commands import Command


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="edge.toml, plant.toml, or a profile, tariff, calendar or factor file")
    parser.add_argument("--json", action="store_true", help="one JSON object per file")


def _run(arguments: argparse.Namespace) -> int:
    import sys
    from datetime import date

    from collector.check_text import as_json, as_text
    from collector.checking import check
    from driftwatt.clock import SystemClock, utc_day

    findings = check(arguments.files, date.fromisoformat(utc_day(SystemClock().now_ms())))
    for finding in findings:
        if arguments.json:
            print(as_json(finding))
        else:
            print(as_text(finding), file=sys.stderr if finding.errors else sys.stdout)
    return max(finding.exit_code for finding in findings)


CHECK = Command(
    name="check",
    summary="Check configuration files; show what an edge will ask, and what that costs.",
    examples="  driftwatt check edge.toml\n  driftwatt check edge.toml plant.toml --json",
    configure=_arguments,
    run=_run,
)
