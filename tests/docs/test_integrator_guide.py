"""The commands in docs/integrator.md are run in order in one folder; what the page shows of their output is what they print.

The bus of the page is a gateway of simulated meters, two of them set up or wired wrongly until the page says `mended`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.daemons import running
from tests.support.odd_meters import OddMeter, gateway, meter, reversed_ct

ROOT = Path(__file__).parents[2]
Told = list[tuple[str, int, str]]
BUS = "192.0.2.77:502"
GUIDE = ROOT / "docs" / "integrator.md"


def _commands() -> list[tuple[str, int, list[str]]]:
    """Return (command, exit code, lines shown) of every prompt of the page, and ("", 0, []) where the meters are mended."""
    found: list[tuple[str, int, list[str]]] = []
    for block, mended in re.findall(r"```console\n(.*?)```|(<!-- mended -->)", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        if mended:
            found.append(("", 0, []))
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, code = line[2:].partition("  # exit ")
                found.append((command, int(code or 0), []))
            else:
                found[-1][2].append(line)
    return found


def _shows(shown: list[str], printed: str) -> bool:
    """Tell whether the output is what is shown; `…` stands for anything, alone on a line for any lines."""
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in shown)
    return re.fullmatch(pattern, printed) is not None


def _meters() -> dict[int, OddMeter]:
    return {1: meter(), 2: meter(swapped="words"), 3: meter(twist=reversed_ct(2)), 4: meter("eastron-sdm120", watts=4000.0)}


def _run(command: str, folder: Path, port: int) -> tuple[int, str]:
    """Return exit code and output of a command of the page, whose gateway is really at `port`."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    words = ["bash", "-c", command.replace(BUS, f"127.0.0.1:{port}")]
    outcome = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return outcome.returncode, (outcome.stdout + outcome.stderr).replace(f"127.0.0.1:{port}", BUS)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run the page from top to bottom, and give (command, exit code, output) of each command, and of a last look at the books."""
    folder, meters = tmp_path_factory.mktemp("guide"), _meters()
    for name in ("edge.toml", "plant.toml"):
        shutil.copy(ROOT / "config" / "examples" / name, folder)
    shutil.copy(ROOT / "config" / "meters" / "_blueprint.toml", folder / "own-meter.toml")
    out = []
    with gateway(meters) as port, ExitStack() as background:
        for command, _, _ in _commands():
            if command.endswith(" &"):
                background.enter_context(running(*command.removesuffix(" &").split()[1:-1], str(folder / "site.toml")))
                _wait_for_readings(folder, port)
                out.append((command, 0, ""))
            elif command:
                out.append((command, *_run(command, folder, port)))
            else:
                meters |= {2: meter(), 3: meter()}
        out.append(("", *_run("driftwatt ledger site.toml --json", folder, port)))
    return out


def _wait_for_readings(folder: Path, port: int) -> None:
    for _ in range(60):
        code, printed = _run("driftwatt status site.toml", folder, port)
        if code == 0 and printed.count("state ok") == len(_meters()):
            return
    raise AssertionError(printed)


def test_every_command_of_the_guide_does_what_the_page_shows(told: Told) -> None:
    commands = [each for each in _commands() if each[0]]
    assert len(commands) >= 16
    for (command, code, shown), (_, exit_code, printed) in zip(commands, told[:-1], strict=True):
        assert exit_code == code, (command, printed)
        assert _shows(shown, printed), (command, printed)


def test_the_ladder_from_an_unknown_bus_to_a_running_collector_has_less_than_ten_rungs(told: Told) -> None:
    commands = [command for command, _, _ in told]
    assert commands.index("driftwatt status site.toml") < 9
    days = [json.loads(line) for line in told[-1][2].splitlines()]
    assert {day["meter"] for day in days if day.get("committed")} == {"meter-1", "meter-2", "meter-3", "meter-4"}
    assert days[-1]["balanced"] is True
