"""An edge box has none of the plant's packages: a command that needs them says what installs them, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from driftwatt.__main__ import commands
from tests.support.daemons import write_plant

NEEDED = ("numpy", "starlette", "uvicorn", "influxdb_client", "apscheduler", "holidays", "jinja2", "amqtt")
WITHOUT = f"import sys; sys.modules.update(dict.fromkeys({NEEDED})); from driftwatt.__main__ import main; sys.exit(main(sys.argv[1:]))"
SPAN = ["--from", "2026-10-05", "--to", "2026-10-06"]
MORE = {
    "export": ["--table", "readings", *SPAN],
    "quarantine": ["list"],
    "backup": ["copy"],
    "replay": SPAN,
    "report": ["--month", "2026-10"],
}
OF_A_PLANT = ["process", "status", "ledger", "audit", "backup", "replay", "rebuild", "export", "quarantine", "report"]


def without(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT, *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", OF_A_PLANT)
def test_a_command_about_a_plant_says_what_installs_the_missing_package(command: str, tmp_path: Path) -> None:
    done = without(command, str(write_plant(tmp_path, "mqtt://127.0.0.1:1")), *MORE.get(command, []), cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stderr.endswith("is not installed; install it with: pip install 'driftwatt[processor]'\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "words"), [("analyse", ["--out", "-", "x.csv"]), ("broker", ["--listen", "127.0.0.1:0"]), ("demo", [])]
)
def test_so_does_every_other_command_that_needs_one(command: str, words: list[str], tmp_path: Path) -> None:
    done = without(command, *words, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1


def test_commands_of_an_edge_need_none_of_them() -> None:
    assert {name for name, command in commands().items() if command.extra} == {
        "analyse", "broker", "export", "process", "quarantine", "rebuild", "report",
    }  # fmt: skip
