"""`driftwatt report`: energy, money, CO₂e, peaks, waste and verified savings of a month, as files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from driftwatt.clock import SystemClock
from driftwatt.commands import Command

ABOUT = """\
Writes PLANT_MONTH.html (two A4 pages, prints from any browser, needs no network), .csv and .json into a folder, or one
of them where --out names a file. Reads the plant's store from beside: works while the processor runs and when it does not.
--json prints the object to standard output instead, for scripts.

"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = ABOUT + (parser.epilog or "")
    parser.add_argument("file", type=Path, metavar="PLANT.toml")
    parser.add_argument("--month", required=True, metavar="YYYY-MM", help="a month that has begun")
    parser.add_argument("-o", "--out", type=Path, metavar="PATH", default=Path(), help="folder, or a .html, .csv or .json file")
    parser.add_argument("--lang", choices=("vi", "en"), help="language of the pages; default: the plant's")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object, write nothing")


def _run(arguments: argparse.Namespace) -> int:
    from processors.report import Wish, as_object, write

    wish = Wish(arguments.month, arguments.lang)
    if arguments.json:
        print(json.dumps(as_object(arguments.file, wish, clock=SystemClock()), ensure_ascii=False, allow_nan=False))
        return 0
    for path in write(arguments.file, wish, arguments.out, clock=SystemClock()):
        print(path)
    return 0


REPORT = Command(
    name="report",
    summary="Write the monthly report of a plant as HTML, CSV and JSON.",
    examples="  driftwatt report plant.toml --month 2026-11 --out reports/\n"
    "  driftwatt report plant.toml --month 2026-11 --lang en -o november.html\n"
    "  driftwatt report plant.toml --month 2026-11 --json | jq .total.kwh",
    configure=_arguments,
    run=_run,
    extra="processor",
)
