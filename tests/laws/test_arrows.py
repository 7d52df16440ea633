"""The house keeps its arrows: who may import whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_module_imports_against_an_arrow() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    outcome = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_the_edge_starts_without_numpy_influxdb_client_or_a_web_framework() -> None:
    code = (
        "import sys, collector.app, collector.cli;"
        "heavy = {'numpy', 'influxdb_client', 'starlette', 'uvicorn', 'jinja2', 'amqtt', 'apscheduler'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
