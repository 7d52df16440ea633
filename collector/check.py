"""`driftwatt check`: is a file right, and what will it cost the lines, the outbox and the flash."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from driftwatt.commands import Command

if TYPE_CHECKING:
    from collector.checking import Finding


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="edge.toml, plant.toml, or a profile, tariff, calendar or factor file")
    parser.add_argument(
        "--live", action="store_true", help="talk to the meters: wrong profile, word order, CTs, scales, unit ids, a second master"
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="with --live: compare energy with power for so long (%(default)s)"
    )
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
            print(as_text(finding, brief=arguments.live), file=sys.stderr if finding.errors else sys.stdout)
    code = max(finding.exit_code for finding in findings)
    return code if code or not arguments.live else _live(findings, arguments.seconds, as_json=arguments.json)


def _live(findings: list[Finding], seconds: float, *, as_json: bool) -> int:
    from collector.site.live import check_live
    from config.edge import EdgeFile
    from driftwatt.errors import ConfigError

    edges = [finding for finding in findings if isinstance(finding.content, EdgeFile)]
    if not edges:
        raise ConfigError("--live needs a file that names meters", found="none", allowed="an edge.toml")
    if not 0 <= seconds <= 3600:
        raise ConfigError("--seconds is out of range", found=f"{seconds:g}", allowed="0 to 3600")
    right = [check_live(finding.file, finding.content, seconds, as_json=as_json) for finding in edges]
    return 0 if all(right) else 1


CHECK = Command(
    name="check",
    summary="Check configuration files; show what an edge will ask, and what that costs.",
    examples="  driftwatt check edge.toml\n  driftwatt check edge.toml plant.toml --json\n  driftwatt check edge.toml --live --seconds 30",
    configure=_arguments,
    run=_run,
)
