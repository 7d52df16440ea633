"""Collector, processor and broker die once each by SIGKILL; the store then holds exactly what the meters served."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.plant_herd import herd


@pytest.mark.timeout(240)
def test_a_sigkill_of_collector_processor_and_broker_loses_nothing_and_invents_nothing(tmp_path: Path) -> None:
    with herd(tmp_path) as plant:
        for name in ("collect", "process", "broker"):
            before = plant.stored()
            plant.kill(name)
            began = time.monotonic()
            plant.wait(f"readings are stored again after {name}", lambda low=before: plant.stored() > low + 24, within_s=60)
            print(f"{name} killed: two more cycles stored after {time.monotonic() - began:.1f} s")
        verdict = plant.settle()
    print(verdict.line())
    assert verdict.kills == {"collect": 1, "process": 1, "broker": 1}
    assert verdict.committed > 100
    assert (verdict.lost, verdict.foreign, verdict.balanced) == (0, 0, True)
