"""One edge and one plant as people run them: what a plant lost comes back by command, and what it judged is what is stored."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.daemons import free_port, running, write_plant

EDGE = """
[edge]
id = "hall-a"
data_dir = "data"
clock = "trust"
[broker]
url = "{broker}"
[outbox]
max_bytes = "16MB"
keep = "1h"
commit_every = "200ms"
[[bus]]
id = "line-1"
url = "tcp://127.0.0.1:{port}"
timeout = "1s"
[[bus.meter]]
id = "m1"
unit = 1
profile = "eastron-sdm630"
every = "250ms"
[[bus.meter]]
id = "m2"
unit = 2
profile = "eastron-sdm630"
every = "250ms"
"""


def driftwatt(*words: object) -> tuple[int, list[dict[str, object]]]:
    done = subprocess.run(
        [sys.executable, "-m", "driftwatt", *map(str, words), "--json"], capture_output=True, text=True, check=False, timeout=90
    )
    assert not done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def until(true: Callable[[], object], within_s: float = 40) -> None:
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.2)


def total(file: Path) -> dict[str, int]:
    return driftwatt("ledger", file)[1][-1]["total"]  # type: ignore[return-value]


def test_replay_rebuild_ledger_and_audit_through_running_daemons(tmp_path: Path) -> None:
    port = free_port()
    with (
        running("broker", "--listen", "127.0.0.1:0") as broker,
        running("simulate", "--meters", "2", "--listen", f"tcp://127.0.0.1:{port}") as meters,
    ):
        meters.line()
        address = broker.line().rpartition(" ")[2]
        plant = write_plant(tmp_path, address)
        edge = tmp_path / "edge.toml"
        edge.write_text(EDGE.format(broker=address, port=port))
        store = tmp_path / "data" / "plant-bench" / "store.sqlite3"
        with running("process", str(plant)) as process, running("collect", str(edge)) as collect:
            process.line()
            until(lambda: store.exists() and total(plant).get("stored", 0) > 100)
            process.process.kill()
            process.process.wait()
            time.sleep(1)
            lost = total(plant)["stored"]
            for file in store.parent.glob("store.sqlite3*"):
                file.unlink()
            with running("process", str(plant)) as again:
                again.line()
                assert driftwatt("ledger", plant)[0] == 1, "the books know that stored readings are missing"
                code, steps = driftwatt("replay", edge, "--from", "2020-01-01", "--to", "2090-01-01")
                assert code == 0
                assert steps[-1]["sent"] == steps[-1]["total"]
                until(lambda: driftwatt("ledger", plant)[0] == 0)
                assert total(plant)["replayed"] >= lost > 100
                until(lambda: driftwatt("rebuild", plant, "--compare")[0] == 0)
                code, told = driftwatt("rebuild", plant, "--compare", "--from", "2020-01-01")
                assert (code, told[-1]["equal"]) == (0, True)
                assert told[0]["readings"] > 50  # type: ignore[operator]
                code, asked = driftwatt("replay", plant, "--edge", "hall-a", "--from", "2020-01-01", "--to", "2090-01-01")
                assert (code, asked[-1]["asked"]) == (0, "hall-a")
                assert {"command replay", "processor started"} <= {f"{deed['who']} {deed['what']}" for deed in driftwatt("audit", plant)[1]}
                assert collect.end() == 0
                code, told = driftwatt("replay", edge, "--from", "2020-01-01", "--to", "2090-01-01")
                assert (code, told[-1]["running"]) == (0, False), "without a collector the command sends by itself"
                assert told[-1]["sent"] == told[-1]["total"]
                until(lambda: driftwatt("ledger", plant)[0] == 0)
                assert driftwatt("ledger", edge)[0] == 0
                assert again.end() == 0
