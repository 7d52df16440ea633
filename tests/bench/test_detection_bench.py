"""Detection on recorded loads with faults put in, through the real command; figures beside their goals.

The cases are not part of the repository. A folder of them has one CSV a case, `series.json` (see `driftwatt analyse --series`), and
`manifest.json`: a list of cases with id, twin (the same load without the fault), fault, mag, onset, end and kwh. The environment names it:

    DRIFTWATT_BENCH=/path/to/cases ./run bench -k recorded_loads

Answers `known` come after 72 h; alarms of a meter closer than 72 h are one. Found is a fault whose meter alarms after the onset and within
60 days, more than a day from any alarm of its twin. Clean windows are those in which the twin is silent. Numbers are rounded to two
digits before means are taken, as the tables of docs/detection.md are.
"""

from __future__ import annotations

import json
import os
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from driftwatt.__main__ import main

CASES = os.environ.get("DRIFTWATT_BENCH", "")
INJECTED = ("creep", "offon", "step", "slip", "weekend1", "eff")
IN_DATA = ("stuck", "ctrev", "rollover")
ONE_ALARM, SAME, WARM_UP = timedelta(hours=72), timedelta(days=1), timedelta(days=56)
MONTH_DAYS = 30.4


@dataclass(frozen=True)
class Alarm:
    """The first event of an alarm: when it was told, and its final energy (value, low, high)."""

    at: datetime
    kwh: tuple[float, float, float] | None


@dataclass(frozen=True)
class Outcome:
    """What became of one case; times in days, `error`, `half` and `covered` in shares of the true energy."""

    fault: str
    clean: bool
    delay: float | None
    wasteful: bool
    error: float | None = None
    half: float | None = None
    covered: bool | None = None


def alarms(file: Path, kind: str) -> list[Alarm]:
    """Return the alarms of a kind in the order in which they were told."""
    told: dict[str, datetime] = {}
    energy: dict[str, tuple[float, float, float]] = {}
    for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
        if line["type"] == kind and "event" in line:
            if line["state"] == "opened":
                told[line["event"]] = datetime.fromisoformat(line["at"])
            if "kwh" in line:
                energy[line["event"]] = line["kwh"], line["kwh_lo"], line["kwh_hi"]
    found: list[Alarm] = []
    last: datetime | None = None
    for event, at in sorted(told.items(), key=lambda each: each[1]):
        if last is None or at - last > ONE_ALARM:
            found.append(Alarm(at, energy.get(event)))
        last = at
    return found


def outcome(case: dict[str, Any], folder: Path, twin: Sequence[Alarm]) -> Outcome:
    onset, end = datetime.fromisoformat(case["onset"]), datetime.fromisoformat(case["end"])
    file, in_data = folder / f"{case['id']}.jsonl", case["fault"] in IN_DATA
    wasteful = [a for a in alarms(file, "waste") if onset <= a.at <= end and all(abs(a.at - t.at) > SAME for t in twin)]
    own = [a for a in alarms(file, "data") if onset <= a.at <= end] if in_data else wasteful
    clean = not any(onset <= each.at <= end for each in twin)
    if not own:
        return Outcome(name(case), clean, None, bool(wasteful))
    delay, truth, kwh = (own[0].at - onset) / timedelta(days=1), case["kwh"], own[0].kwh
    if kwh is None or truth <= 0:
        return Outcome(name(case), clean, delay, bool(wasteful))
    value, low, high = kwh
    return Outcome(name(case), clean, delay, bool(wasteful), abs(value / truth - 1), (high - low) / 2 / truth, covered=low <= truth <= high)


def name(case: dict[str, Any]) -> str:
    return f"{case['fault']} {case['mag']:g}"


def false_alarms(cases: Sequence[dict[str, Any]], source: Path, folder: Path, kind: str) -> float:
    """Return the alarms of clean loads per meter and month, after the first eight weeks."""
    count, months = 0, 0.0
    for case in cases:
        if case["fault"] == "none":
            rows = (source / f"{case['id']}.csv").read_text(encoding="utf-8").splitlines()
            first, last = (datetime.fromisoformat(rows[at].split(",")[0]) for at in (1, -1))
            count += sum(each.at >= first + WARM_UP for each in alarms(folder / f"{case['id']}.jsonl", kind))
            months += (last - first - WARM_UP).days / MONTH_DAYS
    return count / months


def share(outcomes: Sequence[Outcome], within: float) -> float:
    return round(sum(each.delay is not None and each.delay <= within for each in outcomes) / max(1, len(outcomes)), 2)


def rows_of(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, dict[str, float]]]:
    by_fault = defaultdict(list)
    for each in outcomes:
        by_fault[each.fault].append(each)
    for fault, mine in sorted(by_fault.items()):
        clean = [each for each in mine if each.clean]
        row = {"recall60": share(mine, 60), "r14": share(mine, 14), "c60": share(clean, 60), "c14": share(clean, 14)}
        for key in ("delay", "error", "half", "covered"):
            values = [getattr(each, key) for each in mine if getattr(each, key) is not None]
            middle = statistics.fmean if key == "covered" else statistics.median
            row[key] = round(middle(values), 2) if values else float("nan")
        row["waste"] = round(statistics.fmean(each.wasteful for each in mine), 2)
        yield fault, row


def judged(source: Path, folder: Path) -> list[tuple[str, float, float, float]]:
    """Print the table and return figures with the least and the most that they should be."""
    cases = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    twins = {case["id"]: alarms(folder / f"{case['id']}.jsonl", "waste") for case in cases if case["fault"].startswith("none")}
    outcomes = [outcome(case, folder, twins[case["twin"]]) for case in cases if "twin" in case]
    table = dict(rows_of(outcomes))
    print(f"\n{'fault':20s}" + "".join(f"{column:>10s}" for column in next(iter(table.values()))))
    for fault, row in table.items():
        print(f"{fault:20s}" + "".join(f"{value:10.2f}" for value in row.values()))
    mean = {key: statistics.fmean(row[key] for fault, row in table.items() if fault.split()[0] in INJECTED) for key in row}
    known = [each for each in outcomes if each.error is not None]
    return [
        ("found within 60 days", mean["recall60"], 0.0, 1.0),
        ("found within 14 days", mean["r14"], 0.0, 1.0),
        ("clean windows, found within 60 days", mean["c60"], 0.73, 1.0),
        ("clean windows, found within 14 days", mean["c14"], 0.40, 1.0),
        ("false alarms per meter-month", false_alarms(cases, source, folder, "waste"), 0.28, 0.38),
        ("kWh: median absolute error", statistics.median(each.error for each in known if each.error is not None), 0.0, 0.30),
        ("kWh: 90 % band covers", statistics.fmean(bool(each.covered) for each in known), 0.85, 0.95),
        ("kWh: median half-width", statistics.median(each.half for each in known if each.half is not None), 0.0, 1.0),
        *(
            (f"found as fault of the data: {fault}", row["recall60"], 0.95, 1.0)
            for fault, row in table.items()
            if fault.split()[0] in IN_DATA
        ),
        ("false data alerts per meter-month", false_alarms(cases, source, folder, "data"), 0.0, 0.05),
    ]


@pytest.mark.skipif(not CASES, reason="DRIFTWATT_BENCH names no folder of cases")
def test_waste_is_found_on_recorded_loads(tmp_path: Path) -> None:
    source = Path(CASES)
    out = ["--auto-answer", "72h", "--out", str(tmp_path)]
    assert main(["analyse", "--dir", CASES, "--series", str(source / "series.json"), *out]) == 0
    figures = judged(source, tmp_path)
    for what, figure, least, most in figures:
        print(f"{what:50s} {figure:8.3f}   goal {least:g} to {most:g}")
    assert [(what, figure) for what, figure, least, most in figures if not least <= figure <= most] == []
