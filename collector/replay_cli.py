"""`driftwatt replay`: what an edge keeps of a stretch of time is sent to the plant again.

Of an edge file the running collector is asked and its progress shown; where none runs, this process sends. Of a plant file the edge
is asked over the broker. Who answers is found by entry point, group `driftwatt.replay`, as with `status`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from driftwatt.commands import Command

ABOUT = """\
Useful after a plant lost stored readings: a database restored from an old copy, a disk that was replaced. Only acknowledged rows
that the edge still keeps (outbox.tail) are sent; the plant stores those that it lacks, judges that time again and counts them as
replayed, beside the books. Rows that it has stay as they are.

"""


def instant_ms(text: str) -> int:
    """Return UTC ms of an RFC 3339 instant, or of the first moment of a UTC date."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not an instant (found {text!r}; allowed: 2026-10-05T06:00:00+07:00, or a UTC date)") from None
    if moment.tzinfo is None and len(text) > len("2026-10-05"):
        raise argparse.ArgumentTypeError(f"an instant without its offset (found {text!r}; allowed: 2026-10-05T06:00:00+07:00)")
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = ABOUT + (parser.epilog or "")
    parser.add_argument("file", type=Path, metavar="FILE", help="edge.toml or plant.toml")
    parser.add_argument("--from", dest="from_ms", type=instant_ms, required=True, metavar="T", help="RFC 3339, or a UTC date")
    parser.add_argument("--to", dest="to_ms", type=instant_ms, required=True, metavar="T", help="the end, not included")
    parser.add_argument("--edge", metavar="ID", help="with a plant file: which edge is asked")
    parser.add_argument("--json", action="store_true", help="JSON Lines: progress about once a second, the last one when it is done")


def _run(arguments: argparse.Namespace) -> int:
    from collector.status_cli import handler, kind_of
    from driftwatt.errors import ConfigError

    if arguments.from_ms >= arguments.to_ms:
        raise ConfigError("the span is empty", key="--to", allowed="later than --from; the end itself is not included")
    steps: Iterator[dict[str, Any]] = handler("driftwatt.replay", kind_of(arguments.file))(
        arguments.file, arguments.from_ms, arguments.to_ms, edge=arguments.edge
    )
    last: dict[str, Any] = {}
    bar = sys.stderr.isatty() and not arguments.json
    for last in steps:
        if arguments.json:
            print(json.dumps(last), flush=True)
        elif bar and last.get("total"):
            print(f"\rreplay {last['sent']} of {last['total']} rows", end="", file=sys.stderr, flush=True)
    if bar and last.get("total"):
        print(file=sys.stderr)
    if not arguments.json:
        print(last.get("note") or f"{last.get('sent', 0)} of {last.get('total', 0)} rows sent again")
    return 1 if last.get("running") else 0


REPLAY = Command(
    name="replay",
    summary="Send what an edge keeps of a stretch of time to the plant again.",
    examples="  driftwatt replay edge.toml --from 2026-10-05T06:00:00+07:00 --to 2026-10-05T14:00:00+07:00\n"
    "  driftwatt replay plant.toml --edge hall-a --from 2026-10-05 --to 2026-10-06",
    configure=_arguments,
    run=_run,
)
