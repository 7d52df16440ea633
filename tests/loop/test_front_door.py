"""`./run` without uv: an environment that was left half made is made anew. Python and pip are played by a script."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAYED = """#!/bin/bash
case "$*" in
  "-m venv --clear .venv")
    echo made anew >>calls
    rm -rf .venv; mkdir -p .venv/bin
    cp "$0" .venv/bin/python
    touch .venv/has-pip
    printf '#!/bin/bash\\necho started\\n' >.venv/bin/driftwatt; chmod +x .venv/bin/driftwatt ;;
  "-m pip "*) [ -e .venv/has-pip ] || { echo "No module named pip" >&2; exit 1; } ;;
esac
"""


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    return subprocess.run(
        ["bash", "run", "driftwatt"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.skipif(shutil.which("uv", path="/usr/bin:/bin") is not None, reason="uv stands beside the system's own tools")
def test_an_environment_that_was_interrupted_while_it_was_made_is_made_anew(tmp_path: Path) -> None:
    for name in ("run", "pyproject.toml", "uv.lock", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("bin", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    for file in (tmp_path / "bin/python3", tmp_path / ".venv/bin/python"):
        file.write_text(PLAYED, encoding="utf-8")
        file.chmod(0o755)
    first, second = _run(tmp_path), _run(tmp_path)
    assert (first.returncode, first.stdout) == (second.returncode, second.stdout) == (0, "started\n"), first.stderr
    assert (tmp_path / "calls").read_text(encoding="utf-8") == "made anew\n", "once: the second start finds all it needs"
