"""`driftwatt analyse`: history as CSV in, waste events as JSON Lines out."""

from __future__ import annotations

import argparse
from pathlib import Path

from driftwatt.commands import Command

ABOUT = """\
Input: CSV with a header; columns timestamp (ISO 8601 with Z or offset, start of the interval) and value, optional
temp (°C), holiday (0/1), production, quality (good, estimated, missing, suspect). Rows in ascending order.
Exit code 0 also when waste was found, 1 for input that cannot be read (line and reason on stderr), 2 for usage.

"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = ABOUT + (parser.epilog or "")
    parser.add_argument("files", nargs="*", type=Path, metavar="IN", help="one CSV per meter")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="every *.csv of this folder")
    parser.add_argument("--series", type=Path, metavar="FILE", help='JSON: {"<file stem>": {"tz": "Europe/London", "freq": "15min"}}')
    parser.add_argument("--out", required=True, metavar="OUT", help="folder; with one IN also a file, or - for standard output")
    parser.add_argument("--tz", default="Asia/Ho_Chi_Minh", help="time zone of the site (default %(default)s)")
    parser.add_argument("--interval", metavar="LENGTH", help="15min, 1h …; default: the most frequent distance of rows")
    parser.add_argument("--unit", choices=("kwh", "kw"), default="kwh", help="of value: energy in the interval, or its mean power")
    parser.add_argument("--threshold", type=float, default=6.0, metavar="H", help="score above which waste is told (default %(default)s)")
    parser.add_argument("--meter", metavar="NAME", help="name of the meter; default: the file's stem")
    answers = parser.add_mutually_exclusive_group()
    answers.add_argument("--answers", type=Path, metavar="FILE", help='JSON Lines: {"event": …, "at": …, "answer": "known"}')
    answers.add_argument("--auto-answer", metavar="AFTER", help="answer every event `known` so long after it was told, such as 72h")
    parser.add_argument("--calendar", metavar="FILE", help="holidays, swap days and shifts, a file or a shipped name")
    parser.add_argument("--tariff", metavar="FILE", help="dated prices, a file or a shipped name")
    parser.add_argument("--factors", metavar="FILE", help="dated emission factors, a file or a shipped name")
    parser.add_argument("--state-in", type=Path, metavar="FILE", help="go on from this snapshot")
    parser.add_argument("--state-out", type=Path, metavar="FILE", help="write a snapshot and end without a summary")
    parser.add_argument("--until", metavar="TS", help="take only rows that start before this instant")
    parser.add_argument("--html", type=Path, metavar="DIR", help="also a report with pictures per meter, one page each, into this folder")
    parser.add_argument("--lang", choices=("vi", "en"), default="en", help="of the report (default %(default)s)")
    parser.add_argument("--jobs", type=int, metavar="N", help="so many files at once; default: one per core")


def _run(arguments: argparse.Namespace) -> int:
    from processors.analyse import run

    return run(arguments)


ANALYSE = Command(
    name="analyse",
    summary="Find the waste in recorded interval data: CSV in, JSON Lines out.",
    examples=(
        "  driftwatt analyse year.csv --out -\n"
        "  driftwatt analyse press-1.csv --unit kw --out press-1.jsonl --tariff vn-2025-manufacturing-22-110kv --factors vn-grid\n"
        "  driftwatt analyse --dir meters --series series.json --auto-answer 72h --out events"
    ),
    configure=_arguments,
    run=_run,
    extra="processor",
)
