"""`driftwatt quarantine`: what was set aside and why; let it go into the store after all, or drop it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftwatt.commands import Command

if TYPE_CHECKING:
    from processors.pure.commit import Aside

PAGE_ROWS = 1000
ABOUT = """\
list shows what is set aside: groups for people, every row with its bytes with --json.
release feeds rows again through intake, store and books; what still cannot be taken stays. Exit 1 when nothing could.
drop forgets rows for good; the books go on counting them as quarantined.
Works through the running processor, and without one where none runs. --meter - means what belongs to no known meter.

"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = ABOUT + (parser.epilog or "")
    parser.add_argument("file", type=Path, metavar="PLANT.toml")
    parser.add_argument("action", choices=("list", "release", "drop"))
    parser.add_argument("--meter", metavar="M", help="only rows of this meter")
    parser.add_argument("--reason", metavar="R", help="only rows set aside for this reason, such as unknown_meter")
    parser.add_argument("--json", action="store_true", help="JSON: one object, or with list one object a row")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        return _list(arguments)
    from driftwatt.clock import SystemClock
    from processors.app import errand

    request: dict[str, Any] = {"do": arguments.action}
    request |= {"meters": [arguments.meter]} if arguments.meter else {}
    request |= {"reasons": [arguments.reason]} if arguments.reason else {}
    said = errand(arguments.file, request, clock=SystemClock())
    done = said["released" if arguments.action == "release" else "dropped"]
    if arguments.json:
        print(json.dumps(said))
    else:
        print(f"{arguments.action}: {done} rows" + "".join(f"; {n} stay: {why}" for why, n in said["kept"].items()))
    return 1 if said["kept"] and not done else 0


def _list(arguments: argparse.Namespace) -> int:
    groups: dict[tuple[str, str, str], list[Any]] = {}
    for row in _rows(arguments.file):
        if (arguments.meter and row.meter != arguments.meter) or (arguments.reason and row.reason != arguments.reason):
            continue
        if arguments.json:
            print(json.dumps(asdict(row), ensure_ascii=False))
            continue
        group = groups.setdefault((row.reason, row.edge, row.meter), [0, row.at_ms, row.at_ms, ""])
        group[0], group[2], group[3] = group[0] + 1, row.at_ms, row.detail
    for (reason, edge, meter), (count, first_ms, last_ms, detail) in sorted(groups.items()):
        print(f"{count:6d}  {reason:14}  edge {edge or '–'}  meter {meter}  {_when(first_ms)} … {_when(last_ms)}  {detail[:100]}")
    if not groups and not arguments.json:
        print("nothing is set aside")
    return 0


def _rows(file: Path) -> Iterator[Aside]:
    from config.loader import load_plant
    from processors.adapters import records
    from processors.adapters.folder import state_of

    state, after = state_of(file, load_plant(file)), 0
    while page := records.quarantined(state, after, PAGE_ROWS):
        yield from page
        after = page[-1].number


def _when(t_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


QUARANTINE = Command(
    name="quarantine",
    summary="Show what was set aside and why, release it into the store after all, or drop it.",
    examples="  driftwatt quarantine plant.toml list\n  driftwatt quarantine plant.toml release --meter compressor-4\n"
    "  driftwatt quarantine plant.toml drop --reason future --json",
    configure=_arguments,
    run=_run,
    extra="processor",
)
