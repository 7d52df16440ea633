"""What the commands of an integrator say to a wrong request: one line that names what is wrong, and an exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftwatt.__main__ import main
from tests.support.daemons import write_plant

EDGE = """
[edge]
id = "hall-a"
data_dir = "data"
[broker]
url = "mqtt://127.0.0.1:1"
[[bus]]
id = "line-1"
url = "tcp://127.0.0.1:1"
[[bus.meter]]
id = "m1"
unit = 1
profile = "eastron-sdm120"
"""
SPAN = ["--from", "2026-10-05", "--to", "2026-10-06"]
BACKWARDS = ["--from", "2026-10-06", "--to", "2026-10-05"]
OF_BOTH = ["ledger", "audit", "replay", "backup"]
OF_A_PLANT = ["rebuild", "quarantine", "export"]
MORE = {"replay": SPAN, "export": ["--table", "readings", *SPAN], "quarantine": ["list"], "backup": ["copy"]}
NEVER_RAN = [*((name, kind) for name in ("ledger", "audit", "backup") for kind in ("edge", "plant")), ("replay", "edge")]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    edge = tmp_path / "edge.toml"
    edge.write_text(EDGE, encoding="utf-8")
    return {"edge": str(edge), "plant": str(write_plant(tmp_path, "mqtt://127.0.0.1:1"))}


@pytest.mark.parametrize(("command", "kind"), NEVER_RAN)
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["", "json"])
def test_what_never_ran_is_told_as_that(
    command: str, kind: str, more: list[str], files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, files[kind], *MORE.get(command, []), *more]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "never ran" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("command", OF_A_PLANT)
def test_a_plant_that_never_ran_has_nothing_to_work_on(command: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, files["plant"], *MORE.get(command, [])]) == 1
    said = capsys.readouterr().err
    assert "never ran" in said or "nothing was stored yet" in said


@pytest.mark.parametrize("command", OF_A_PLANT)
def test_an_edge_file_in_place_of_a_plant_file_is_named(command: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, files["edge"], *MORE.get(command, [])]) == 2
    assert "edge.toml: is another kind of file (found a file of the edge kind; allowed: plant)" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["replay", "export"])
@pytest.mark.parametrize("kind", ["edge", "plant"])
def test_a_span_that_ends_before_it_begins_is_refused_with_its_key(
    command: str, kind: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    if (command, kind) == ("export", "edge"):
        return
    table = ["--table", "readings"] if command == "export" else []
    assert main([command, files[kind], *table, *BACKWARDS]) == 2
    assert "driftwatt: --to: the span is empty" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["ledger", "audit"])
@pytest.mark.parametrize("days", ["0", "-1", "seven"])
def test_a_number_of_days_is_at_least_one(command: str, days: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, files["plant"], f"--days={days}"])
    assert left.value.code == 2
    assert f"--days: is not a number of days (found '{days}'; allowed: 1 or more)" in capsys.readouterr().err


def test_a_meter_that_is_not_listed_is_told_with_those_that_are(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rebuild", files["plant"], "--meter", "m9"]) == 2
    assert "driftwatt: --meter: no such meter is listed (found m9; allowed: m1, m2)" in capsys.readouterr().err


def test_an_edge_can_only_be_asked_for_itself(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", files["edge"], *SPAN, "--edge", "hall-b"]) == 2
    assert "--edge: is not the edge of this file (found hall-b; allowed: hall-a)" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", *OF_BOTH, *OF_A_PLANT])
def test_a_file_that_is_not_there_is_named(command: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "gone.toml", *MORE.get(command, [])]) == 2
    assert "driftwatt: gone.toml: cannot be read (found No such file or directory)" in capsys.readouterr().err
