"""The commands in docs/integrator.md are run in order in one folder; what the page shows of their output is what they print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "integrator.md"


def _commands() -> list[tuple[str, int, list[str]]]:
    """Return (command, exit code, lines shown) of every prompt of the page."""
    found: list[tuple[str, int, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
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


def test_every_command_of_the_guide_does_what_the_page_shows(tmp_path: Path) -> None:
    for name in ("edge.toml", "plant.toml"):
        shutil.copy(ROOT / "config" / "examples" / name, tmp_path)
    shutil.copy(ROOT / "config" / "meters" / "_blueprint.toml", tmp_path / "own-meter.toml")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    commands = _commands()
    assert len(commands) >= 8
    for command, code, shown in commands:
        outcome = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        printed = outcome.stdout + outcome.stderr
        assert outcome.returncode == code, (command, printed)
        assert _shows(shown, printed), (command, printed)
