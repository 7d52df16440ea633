"""`driftwatt audit`: who did what to a plant, and what happened to an edge that somebody may ask about.

Who answers for a file is found by entry point, group `driftwatt.audit`; a handler takes the file and the instant from
which on it is asked, and returns objects with `at_ms`, `who`, `what` and `detail`, oldest first.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from collector.status_cli import handler, kind_of
from driftwatt.commands import Command, days

DAY_MS = 86_400_000


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="edge.toml or plant.toml")
    parser.add_argument("--days", type=days, default=30, metavar="N", help="the newest N days (default 30)")
    parser.add_argument("--json", action="store_true", help="JSON Lines")


def _run(arguments: argparse.Namespace) -> int:
    from driftwatt.clock import SystemClock

    from_ms = SystemClock().now_ms() - arguments.days * DAY_MS
    for deed in handler("driftwatt.audit", kind_of(arguments.file))(arguments.file, from_ms):
        if arguments.json:
            print(json.dumps(deed, ensure_ascii=False))
        else:
            moment = datetime.fromtimestamp(deed["at_ms"] / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            print(f"{moment}  {deed['who']:16}  {deed['what']:16}  {deed['detail']}")
    return 0


AUDIT = Command(
    name="audit",
    summary="Show who did what to a plant, and what edges report: clocks that were set, acknowledgements that nothing explains.",
    examples="  driftwatt audit plant.toml\n  driftwatt audit edge.toml\n  driftwatt audit plant.toml --days 365 --json",
    configure=_arguments,
    run=_run,
)
