"""Processes are killed at random instants, and the store is compared with what the meters served."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.plant_herd import herd, mosquitto_program

SHORT = os.environ.get("DRIFTWATT_CHAOS_SHORT") == "1"
SECONDS = 60 if SHORT else 600
SEED = int(os.environ.get("DRIFTWATT_CHAOS_SEED", "1"))
VICTIMS = ("collect", "process", "broker")


@pytest.mark.timeout(SECONDS + 300)
def test_random_kills_lose_nothing_invent_nothing_and_leave_the_books_balanced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], need: Callable[[str, object], None]
) -> None:
    need("mosquitto", mosquitto_program())
    dice = random.Random(SEED)
    with herd(tmp_path, mosquitto=True) as plant:
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            time.sleep(dice.uniform(0.2, 3.0))  # the instant of the kill is the random input, not a wait for a result
            plant.kill(dice.choice(VICTIMS))
        verdict = plant.settle()
    with capsys.disabled():
        print(f"\nseed {SEED}, {SECONDS} s; {verdict.line()}")
    assert all(verdict.kills[name] >= 3 for name in VICTIMS)
    assert verdict.committed > 100
    assert (verdict.lost, verdict.foreign, verdict.balanced) == (0, 0, True)
