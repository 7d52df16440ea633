"""The demo as a newcomer runs it, to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(400)
def test_the_demo_finds_its_hidden_waste_loses_nothing_and_cleans_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "driftwatt", "demo", "--for", "120s", "--json"],
        capture_output=True,
        text=True,
        timeout=360,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["lost"], told["balanced"], told["good"]) == (0, True, True)
    assert told["committed"] == told["stored"] > 20_000
    assert told["imported"] == 12 * 96 * 46
    found = {label["meter"]: label["found"]["pattern"] for label in told["hidden"] if label["found"]}
    assert found["compressor-3"] == "off_hours"
    # The recorded steel plant works on days that are holidays here; nobody labelled its real load, nor the incomer that carries it.
    assert {other["meter"] for other in told["others"]} <= {"furnace-1", "incomer"}
    assert told["figures"]["collect_mb"] <= 60
    assert told["figures"]["process_mb"] <= 120
    assert list(tmp_path.iterdir()) == []
