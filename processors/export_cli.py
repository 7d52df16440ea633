"""`driftwatt export`: what is stored, as CSV or JSON Lines on standard output."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from driftwatt.commands import Command
from driftwatt.errors import ConfigError

TABLES = ("readings", "energy_15m", "energy_1h", "energy_1d", "expected_15m", "drivers_1h", "events")
ABOUT = """\
Readings come as long rows meter,t_ms,quantity,value,quality, the rest as wide rows with t_ms = start of the interval.
Times are UTC milliseconds. --from is included, --to is not; both are RFC 3339, or a date in the plant's zone.
Reads beside the running processor and disturbs it in nothing.

"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = ABOUT + (parser.epilog or "")
    parser.add_argument("file", type=Path, metavar="PLANT.toml")
    parser.add_argument("--table", required=True, choices=TABLES, metavar="NAME", help=", ".join(TABLES))
    parser.add_argument("--meter", metavar="M", help="only this meter (or driver); default: all that are stored")
    parser.add_argument("--from", dest="begin", required=True, metavar="T", help="first instant, or date")
    parser.add_argument("--to", dest="end", required=True, metavar="T", help="instant, or date, where the span ends")
    parser.add_argument("--format", choices=("csv", "jsonl", "parquet"), default="csv", help="default %(default)s")
    parser.add_argument("--all-revs", action="store_true", help="corrected intervals with every revision, not only the newest")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.format == "parquet":
        needed = "pyarrow (60 MB), which no extra of this version installs"
        raise ConfigError("parquet is not written by this version; it would need " + needed, key="--format", allowed="csv, jsonl")
    from processors.export import Wish, run

    wish = Wish(arguments.table, arguments.begin, arguments.end, arguments.meter, arguments.format, arguments.all_revs)
    run(arguments.file, wish, sys.stdout, bar=sys.stderr.isatty())
    return 0


EXPORT = Command(
    name="export",
    summary="Print what is stored as CSV or JSON Lines, while the processor runs and when it does not.",
    examples="  driftwatt export plant.toml --table energy_1d --from 2026-11-01 --to 2026-12-01 > november.csv\n"
    "  driftwatt export plant.toml --table readings --meter compressor-1 --from 2026-11-25T06:00:00+07:00"
    " --to 2026-11-25T07:00:00+07:00 --format jsonl",
    configure=_arguments,
    run=_run,
    extra="processor",
)
