"""`driftwatt analyse` on small histories: input.csv in, expected.jsonl or expected-error.txt out.

`options.txt` of a case holds further arguments. After a meant change of the method, look at the difference and
write the expected files anew with DRIFTWATT_WRITE_CASES=1.
"""

from __future__ import annotations

import gzip
import json
import os
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from driftwatt.__main__ import main
from driftwatt.readings import Quality
from processors.analyse_days import Days
from processors.pure.csv_rows import Row
from tests.support.loads import ZONE, Load, nights_on

CASES = Path(__file__).parent / "analyse"
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())
WRITE = "DRIFTWATT_WRITE_CASES" in os.environ
Capture = pytest.CaptureFixture[str]


def _options(case: Path) -> list[str]:
    file = case / "options.txt"
    return [word.replace("CASE", str(case)) for word in file.read_text(encoding="utf-8").split()] if file.exists() else []


@pytest.mark.parametrize("name", NAMES)
def test_a_case_gives_what_it_should(name: str, tmp_path: Path, capsys: Capture) -> None:
    case, out = CASES / name, tmp_path / "out.jsonl"
    code = main(["analyse", str(case / "input.csv"), "--meter", name, "--out", str(out), *_options(case)])
    said = capsys.readouterr().err.replace(str(case / "input.csv"), "input.csv")
    expected, wrong = case / "expected.jsonl", case / "expected-error.txt"
    if WRITE:
        (expected if code == 0 else wrong).write_text(out.read_text(encoding="utf-8") if code == 0 else said, encoding="utf-8")
    if wrong.exists():
        assert (code, said) == (1, wrong.read_text(encoding="utf-8"))
        assert not out.exists()
    else:
        assert (code, said) == (0, "")
        assert out.read_bytes() == expected.read_bytes()


def _written(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["timestamp,value", *rows]) + "\n", encoding="utf-8")
    return path


def _wasteful(seed: int = 5) -> list[str]:
    return [f"{_iso(each.start_ms)},{each.import_wh / 1000:.5g}" for each in Load(seed, quarters=4).intervals(64, nights_on(7.0, 40.9))]


def _iso(t_ms: int) -> str:
    from processors.pure.event_lines import iso

    return iso(t_ms).replace(".000", "")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_history_cut_anywhere_and_carried_on_writes_the_same_bytes(tmp_path: Path) -> None:
    rows = _wasteful()
    whole = tmp_path / "whole.jsonl"
    csv = _written(tmp_path / "m.csv", rows)
    assert main(["analyse", str(csv), "--auto-answer", "72h", "--out", str(whole)]) == 0
    pieces = b""
    cuts = [0, 17, 41 * 24 + 7, 44 * 24, len(rows)]
    for n, (a, b) in enumerate(pairwise(cuts)):
        part, out, state = _written(tmp_path / f"m{n}.csv", rows[a:b]), tmp_path / f"{n}.jsonl", tmp_path / "state"
        more = ["--interval", "1h"] if n == 0 else ["--state-in", str(state)]
        more += ["--state-out", str(state)] if b < len(rows) else []
        assert main(["analyse", str(part), "--meter", "m", "--auto-answer", "72h", "--out", str(out), *more]) == 0
        pieces += out.read_bytes()
    assert pieces == whole.read_bytes()
    assert any(line["type"] == "waste" for line in _lines(whole))


def test_the_same_file_may_be_taken_up_where_it_was_left(tmp_path: Path) -> None:
    csv, state = _written(tmp_path / "m.csv", _wasteful()), str(tmp_path / "state")
    until = _iso(next(iter(Load(5).intervals(1))).start_ms + 42 * 86_400_000)
    outs = [tmp_path / f"{n}.jsonl" for n in range(3)]
    assert main(["analyse", str(csv), "--out", str(outs[0])]) == 0
    assert main(["analyse", str(csv), "--until", until, "--state-out", state, "--out", str(outs[1])]) == 0
    assert main(["analyse", str(csv), "--state-in", state, "--out", str(outs[2])]) == 0
    assert outs[1].read_bytes() + outs[2].read_bytes() == outs[0].read_bytes()


def test_an_empty_value_and_a_missing_row_write_the_same_bytes(tmp_path: Path) -> None:
    rows = _wasteful()
    holes = set(range(900, 960)) | set(range(0, len(rows), 37))
    outs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    kept = [[row for n, row in enumerate(rows) if n not in holes], [f"{r.split(',')[0]}," if n in holes else r for n, r in enumerate(rows)]]
    for out, each in zip(outs, kept, strict=True):
        assert main(["analyse", str(_written(tmp_path / "m.csv", each)), "--out", str(out)]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_folder_gives_the_same_bytes_with_one_worker_and_with_two(tmp_path: Path) -> None:
    for seed in (5, 6, 7):
        _written(tmp_path / f"m{seed}.csv", _wasteful(seed))
    (tmp_path / "series.json").write_text('{"m5": {"tz": "Asia/Ho_Chi_Minh", "freq": "1h"}}', encoding="utf-8")
    for jobs in ("1", "2"):
        more = ["--series", str(tmp_path / "series.json"), "--jobs", jobs]
        assert main(["analyse", "--dir", str(tmp_path), "--out", str(tmp_path / jobs), *more]) == 0
    for seed in (5, 6, 7):
        one, two = (tmp_path / jobs / f"m{seed}.jsonl" for jobs in ("1", "2"))
        assert one.read_bytes() == two.read_bytes()
        assert _lines(one)[-1]["type"] == "summary"


def test_answers_of_people_change_what_is_said(tmp_path: Path) -> None:
    csv, out, answers = _written(tmp_path / "m.csv", _wasteful()), tmp_path / "out.jsonl", tmp_path / "answers.jsonl"
    assert main(["analyse", str(csv), "--out", str(out)]) == 0
    opened = next(line for line in _lines(out) if line["type"] == "waste")
    answer = {"event": opened["event"], "at": opened["at"].replace("T", "T").replace(".000", ""), "answer": "new_normal"}
    answers.write_text(json.dumps(answer) + "\n", encoding="utf-8")
    assert main(["analyse", str(csv), "--answers", str(answers), "--out", str(out)]) == 0
    mine = [line for line in _lines(out) if line["type"] == "waste" and line["event"] == opened["event"]]
    assert [line["state"] for line in mine] == ["opened", "closed"]
    assert mine[-1]["reason"] == "new_normal"


def test_an_answer_to_an_event_that_never_was_is_said(tmp_path: Path, capsys: Capture) -> None:
    csv, answers = _written(tmp_path / "m.csv", _wasteful()), tmp_path / "answers.jsonl"
    answers.write_text('{"event": "feed", "at": "2026-09-01T00:00:00Z", "answer": "known"}\n', encoding="utf-8")
    assert main(["analyse", str(csv), "--answers", str(answers), "--out", str(tmp_path / "out.jsonl")]) == 0
    assert f"{answers}: no event feed was open" in capsys.readouterr().err
    answers.write_text('\n{"event": "feed", "at": "2026-09-01 00:00", "answer": "known"}\n', encoding="utf-8")
    assert main(["analyse", str(csv), "--answers", str(answers), "--out", str(tmp_path / "out.jsonl")]) == 2
    said = capsys.readouterr().err
    assert f"{answers}:2: at: timestamp '2026-09-01 00:00' has neither Z nor an offset" in said


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"timestamp;value\n2026-07-06T00:00:00Z;4,5\n", "cells are separated by commas"),
        ("timestamp,value\n2026-07-06T00:00:00Z,4\n".encode("utf-16"), "save it as CSV UTF-8"),
    ],
)
def test_a_file_that_a_spreadsheet_wrote_in_its_own_way_is_said_so(content: bytes, problem: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    assert main(["analyse", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out.jsonl")]) == 1
    assert problem in capsys.readouterr().err


def test_doubt_in_the_data_is_neither_learned_nor_judged(tmp_path: Path) -> None:
    rows = _wasteful()
    at = 41 * 24
    plain = rows[:at]
    doubtful = [f"{row},estimated" if n >= at else f"{row},good" for n, row in enumerate(rows)]
    file, out = tmp_path / "m.csv", tmp_path / "out.jsonl"
    file.write_text("timestamp,value,quality\n" + "\n".join(doubtful) + "\n", encoding="utf-8")
    assert main(["analyse", str(file), "--out", str(out)]) == 0
    assert [line for line in _lines(out) if line["type"] == "waste"] == []
    assert _lines(out)[-1]["valid_days"] == len(plain) // 24
    assert Quality.ESTIMATED


def test_the_report_shows_every_event_with_a_picture_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    csv, out = _written(tmp_path / "press <1>.csv", _wasteful()), tmp_path / "out.jsonl"
    assert main(["analyse", str(csv), "--auto-answer", "72h", "--out", str(out), "--html", str(tmp_path / "pages")]) == 0
    page = (tmp_path / "pages" / "press <1>.html").read_text(encoding="utf-8")
    events = {line["event"] for line in _lines(out) if line["type"] == "waste"}
    assert page.count("<figure>") == len(events) > 0
    assert page.count('class="waste"') > 10
    assert "press &lt;1&gt;: waste in recorded data" in page
    assert main(["analyse", str(csv), "--auto-answer", "72h", "--out", str(out), "--html", str(tmp_path / "pages"), "--lang", "vi"]) == 0
    assert "lãng phí trong dữ liệu đã ghi" in (tmp_path / "pages" / "press <1>.html").read_text(encoding="utf-8")
    assert not any(word in page for word in ("http", "src=", "url(", "<script", "@import"))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "nothing to analyse"),
        (["m.csv", "--tz", "Mars/Olympus"], "no such time zone"),
        (["m.csv", "--auto-answer", "soon"], "not a length of time"),
        (["m.csv", "--until", "yesterday"], "not ISO 8601"),
        (["m.csv", "n.csv", "--state-in", "s"], "go with one file"),
        (["m.csv", "--tariff", "nowhere"], "nowhere"),
        (["m.csv", "--interval", "7min"], "intervals must divide an hour"),
        (["m.csv", "--threshold", "0"], "--threshold: must be above 0"),
        (["m.csv", "--jobs", "-3"], "--jobs: must be above 0"),
    ],
)
def test_wrong_usage_is_said_in_one_line(arguments: list[str], problem: str, tmp_path: Path, capsys: Capture) -> None:
    assert main(["analyse", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert problem in capsys.readouterr().err


def test_a_snapshot_of_something_else_is_refused(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "s").write_bytes(b"nothing")
    csv = _written(tmp_path / "m.csv", _wasteful()[:30])
    assert main(["analyse", str(csv), "--state-in", str(tmp_path / "s"), "--out", str(tmp_path / "out")]) == 2
    assert "not a snapshot" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said_and_the_others_are_analysed(tmp_path: Path, capsys: Capture) -> None:
    csv = _written(tmp_path / "m.csv", _wasteful()[:60])
    assert main(["analyse", str(tmp_path / "none.csv"), str(csv), "--jobs", "1", "--out", str(tmp_path / "out")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert (tmp_path / "out" / "m.jsonl").exists()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2026-07-06T01:00:00Z,4e15", "line 3: value '4e15' is beyond what a meter counts"),
        ("2026-07-06T01:00:00Z,inf", "line 3: value 'inf' is not a number"),
        ("2026-07-06T01:00:00Z,4,5", "line 3: has 3 cells, 2 columns are named; is there a decimal comma?"),
        ("2026-07-06T01:00:00Z," + "9" * 70_000, "line 3: is longer than 65536 characters"),
        ("2026-13-06T01:00:00Z,4", "line 3: timestamp '2026-13-06T01:00:00Z' is not ISO 8601"),
        ("1926-07-06T01:00:00Z,4", "line 3: timestamp '1926-07-06T01:00:00Z' lies before 1970"),
        ("2026-07-06T25:00:00Z,4", "line 3: timestamp '2026-07-06T25:00:00Z' is not ISO 8601"),
    ],
)
def test_a_row_that_cannot_be_is_named_with_its_line(row: str, problem: str, tmp_path: Path, capsys: Capture) -> None:
    csv = _written(tmp_path / "m.csv", ["2026-07-06T00:00:00Z,4", row, "2026-07-06T02:00:00Z,4"])
    assert main(["analyse", str(csv), "--out", str(tmp_path / "out.jsonl")]) == 1
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_an_interval_that_is_longer_than_the_rows_stand_apart_is_refused(tmp_path: Path, capsys: Capture) -> None:
    csv = _written(tmp_path / "m.csv", [f"2026-07-06T00:{quarter:02d}:00Z,4" for quarter in (0, 15, 30, 45)])
    assert main(["analyse", str(csv), "--interval", "1h", "--out", str(tmp_path / "out.jsonl")]) == 1
    assert "line 2: rows are mostly 15 minutes apart, not 60 as --interval says" in capsys.readouterr().err
    assert main(["analyse", str(csv), "--interval", "5min", "--out", str(tmp_path / "out.jsonl")]) == 0


def test_a_comma_at_the_end_of_a_row_is_no_value(tmp_path: Path) -> None:
    csv = _written(tmp_path / "m.csv", ["2026-07-06T00:00:00Z,4,", "2026-07-06T01:00:00Z,4,"])
    assert main(["analyse", str(csv), "--out", str(tmp_path / "out.jsonl")]) == 0


def test_gaps_and_mixed_intervals_are_taken_as_they_are(tmp_path: Path) -> None:
    rows = [f"2026-07-{6 + n // 24:02d}T{n % 24:02d}:00:00Z,4" for n in range(96) if not 30 <= n < 60]
    halves = sorted([*rows, *(row.replace(":00:00Z,4", ":30:00Z,2") for row in rows[-10:])])
    out = tmp_path / "out.jsonl"
    assert main(["analyse", str(_written(tmp_path / "m.csv", halves)), "--out", str(out)]) == 0
    last = _lines(out)[-1]
    assert (last["type"], last["rows"], last["valid_days"]) == ("summary", 76, 1)


def test_a_file_that_goes_from_quarter_hours_to_hours_names_the_line(tmp_path: Path) -> None:
    quarters = [f"{_iso(n * 900_000)},1" for n in range(96)]
    hours = [f"{_iso(96 * 900_000 + n * 3_600_000)},4" for n in range(24)]
    file, out = _written(tmp_path / "mixed.csv", [*quarters, *hours]), tmp_path / "out.jsonl"
    assert main(["analyse", str(file), "--meter", "mixed", "--out", str(out)]) == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    changed = [line for line in lines if line.get("reason") == "interval_changed"]
    assert [line["detail"] for line in changed] == [{"line": 99, "minutes": 60.0, "before": 15.0}]


@pytest.mark.parametrize(("first", "then"), [(1, 4), (4, 1)])
def test_the_page_of_a_file_whose_interval_changes_says_so_and_how_much_is_missing(first: int, then: int, tmp_path: Path) -> None:
    """4 kW throughout; hours among quarter-hours are too long for what the file began with, and missing."""
    half = 20 * 96
    rows = [f"{_iso(n * 900_000)},{per}" for part, per in ((range(half), first), (range(half, 2 * half), then)) for n in part[::per]]
    file, out = _written(tmp_path / "m.csv", rows), tmp_path / "out.jsonl"
    assert main(["analyse", str(file), "--out", str(out), "--html", str(tmp_path)]) == 0
    share = _lines(out)[-1]["missing_share"]
    assert share == pytest.approx(0.0 if first == 4 else 0.375, abs=0.01)
    page = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert f"interval of {15 * then} min instead of {15 * first} from line {half // first + 3} on" in page
    assert ("Missing: 37." in page) == (first == 1)
    days = Days(ZONE, kwh=True, step_ms=900_000 * first)
    taken = [Row(0, n * 900_000, float(per)) for part, per in ((range(half), first), (range(half, 2 * half), then)) for n in part[::per]]
    assert list(days.watch(taken)) == taken
    assert set(days.means.values()) == {(4.0, 4.0)}
    assert len(days.means) == (39 if first == 4 else 19)


def test_the_page_of_a_piece_counts_its_rows_and_says_only_of_what_opened_in_it_when_it_was_told(tmp_path: Path) -> None:
    csv, state = _written(tmp_path / "m.csv", _wasteful()), str(tmp_path / "s")
    common = ["--html", str(tmp_path), "--out", str(tmp_path / "out.jsonl")]
    assert main(["analyse", str(csv), *common, "--until", "2026-08-25T00:00:00Z", "--state-out", state]) == 0
    piece = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert "1,206 rows, 50 valid days; waste events: 1." in piece
    assert "<th>Told</th>" in piece
    assert main(["analyse", str(csv), *common, "--state-in", state]) == 0
    assert "<th>Told</th>" not in (tmp_path / "m.html").read_text(encoding="utf-8")


def test_what_opens_in_the_recorded_steel_year_is_above_what_it_should_be(tmp_path: Path) -> None:
    csv, out = tmp_path / "steel.csv", tmp_path / "out.jsonl"
    csv.write_bytes(gzip.decompress(files("collector.simulator").joinpath("data/steel_2018.csv.gz").read_bytes()))
    assert main(["analyse", str(csv), "--tz", "Asia/Seoul", "--auto-answer", "72h", "--out", str(out)]) == 0
    told = [line for line in _lines(out) if line["type"] == "waste"]
    assert {line["state"] for line in told} >= {"opened", "closed"}
    assert all(line["delta_kw"] > 0 for line in told)


def test_the_page_says_when_events_overlap_that_they_must_not_be_added_up(tmp_path: Path) -> None:
    csv = _written(
        tmp_path / "m.csv", [f"{_iso(each.start_ms)},{each.import_wh / 1000:.5g}" for each in Load(5, quarters=4).intervals(90, _twice)]
    )
    assert main(["analyse", str(csv), "--auto-answer", "72h", "--out", str(tmp_path / "o"), "--html", str(tmp_path)]) == 0
    assert "they must not be added up" in (tmp_path / "m.html").read_text(encoding="utf-8")
    single = _written(tmp_path / "m.csv", _wasteful()[: 55 * 24])
    assert main(["analyse", str(single), "--out", str(tmp_path / "o"), "--html", str(tmp_path)]) == 0
    assert "they must not be added up" not in (tmp_path / "m.html").read_text(encoding="utf-8")


def _twice(day: float, usual: float, running: bool) -> float:  # noqa: FBT001 – a Fault
    return nights_on(7.0, 40.9)(day, usual, running) + nights_on(9.0, 62.9)(day, usual, running)
