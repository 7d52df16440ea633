"""`driftwatt audit`: who did what to a plant."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from driftwatt.commands import Command
from driftwatt.extras import needing

DAY_MS = 86_400_000


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="PLANT.toml")
    parser.add_argument("--days", type=int, default=30, metavar="N", help="the newest N days (default 30)")
    parser.add_argument("--json", action="store_true", help="JSON Lines")


def _run(arguments: argparse.Namespace) -> int:
    with needing("processor"):
        from processors.adapters import records
    from config.loader import load_plant
    from driftwatt.clock import SystemClock
    from processors.adapters.folder import state_of

    state = state_of(arguments.file, load_plant(arguments.file))
    for deed in records.deeds(state, SystemClock().now_ms() - arguments.days * DAY_MS):
        if arguments.json:
            print(json.dumps(asdict(deed), ensure_ascii=False))
        else:
            moment = datetime.fromtimestamp(deed.at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            print(f"{moment}  {deed.who:16}  {deed.what:16}  {deed.detail}")
    return 0


AUDIT = Command(
    name="audit",
    summary="Show who did what: answers, sign-ins, releases, replays, changes of the file.",
    examples="  driftwatt audit plant.toml\n  driftwatt audit plant.toml --days 365 --json",
    configure=_arguments,
    run=_run,
)
