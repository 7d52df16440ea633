"""`driftwatt rebuild`: the derived state made again from what is stored; or compared with the running one, byte for byte."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from driftwatt.commands import Command

ABOUT = """\
A meter's state follows from a snapshot, the readings stored since, and what people answered since. rebuild makes it again from the
last snapshot before --from (without --from: from the last one). Intervals that come out different, after late readings or a
corrected CT ratio in plant.toml, are written as the next revision; readings are never touched. --compare changes nothing and tells
whether state and intervals are what follows from the store: exit 1 where they are not.
Works through the running processor, and without one where none runs; then a store that cannot be used for 20 s ends it.

"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = ABOUT + (parser.epilog or "")
    parser.add_argument("file", type=Path, metavar="PLANT.toml")
    parser.add_argument("--from", dest="begin", metavar="T", help="RFC 3339, or a date in the plant's zone")
    parser.add_argument("--meter", metavar="M", help="only this meter")
    parser.add_argument("--compare", action="store_true", help="change nothing; exit 1 when anything differs")
    parser.add_argument("--json", action="store_true", help="JSON Lines: one object a meter, the last one is the total")


def _run(arguments: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from config.loader import load_plant
    from driftwatt.errors import ConfigError
    from processors.pure.export import instant

    plant = load_plant(arguments.file)
    from_ms = instant(arguments.begin, ZoneInfo(plant.plant.timezone), "--from") if arguments.begin else None
    listed = [meter.id for meter in plant.meter]
    if arguments.meter not in (None, *listed):
        raise ConfigError("no such meter is listed", key="--meter", found=arguments.meter, allowed=", ".join(listed))
    total = {"meters": 0, "readings": 0, "revised": 0, "differ": 0}
    meters = [arguments.meter] if arguments.meter else listed
    for done in _asked(arguments, meters, from_ms):
        total["meters"] += 1
        total["readings"] += done["readings"]
        total["revised"] += done["revised"]
        total["differ"] += not done["equal"] or bool(arguments.compare and done["revised"])
        _tell(done, total["meters"], len(meters), arguments)
    if arguments.json:
        print(json.dumps({"total": total, "equal": not total["differ"]}))
    else:
        verdict = f"{total['differ']} differ" if total["differ"] else "all equal, byte for byte"
        done_word = "would be revised" if arguments.compare else "revised"
        print(f"{total['meters']} meters, {total['readings']} readings: {verdict}; {total['revised']} intervals {done_word}")
    return 1 if arguments.compare and total["differ"] else 0


def _asked(arguments: argparse.Namespace, meters: list[str], from_ms: int | None) -> Iterator[dict[str, Any]]:
    """Ask a running processor meter by meter, so that it tells how far it is; a plant that is down is opened only once."""
    from driftwatt.clock import SystemClock
    from processors.app import errand, is_running

    groups = [[meter] for meter in meters] if is_running(arguments.file) else [meters]
    for group in groups:
        request = {"do": "rebuild", "meters": group, "from_ms": from_ms, "compare": arguments.compare}
        yield from errand(arguments.file, request, clock=SystemClock())["rebuilt"]


def _tell(done: dict[str, Any], count: int, total: int, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps(done), flush=True)
        return
    if not done["equal"] or done["revised"] or done["note"]:
        state = "state equal" if done["equal"] else "state differs"
        print(f"{done['meter']}: {state}, {done['revised']} intervals differ" + (f"; {done['note']}" if done["note"] else ""))
    if sys.stderr.isatty():
        print(f"\r{count} of {total} meters", end="\n" if count == total else "", file=sys.stderr, flush=True)


REBUILD = Command(
    name="rebuild",
    summary="Make the derived state again from what is stored, or compare it with the running one.",
    examples="  driftwatt rebuild plant.toml --compare\n  driftwatt rebuild plant.toml --from 2026-10-05 --meter compressor-1",
    configure=_arguments,
    run=_run,
    extra="processor",
)
