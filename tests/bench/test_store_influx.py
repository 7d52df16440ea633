"""The InfluxDB writer beside curl: the same points on the same real server, in one run, turn by turn."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

from driftwatt.readings import Reading
from processors.adapters.influx import REQUEST_LINES, InfluxStore, Server
from processors.pure import lines
from tests.support.servers import InfluxServer

SHARE, ROUNDS, POINTS = 0.8, 5, 20_000
T = 1_790_000_000_000
FIELDS = [
    f"{name}_l{phase}"
    for name in ("voltage", "current", "active_power", "reactive_power", "apparent_power", "power_factor")
    for phase in (1, 2, 3)
]
FIELDS += ["active_power", "import_energy"]


def readings(round_number: int) -> list[Reading]:
    chance = random.Random(round_number)
    return [
        Reading(
            f"m{at % 200:03}", T + round_number * 10**7 + at // 200 * 10_000, {name: round(chance.uniform(1, 400), 3) for name in FIELDS}
        )
        for at in range(POINTS)
    ]


def test_the_writer_reaches_four_fifths_of_what_curl_does_with_prepared_bytes(tmp_path: Path, need: Callable[[str, object], None]) -> None:
    """Curl sends bodies that lie ready in files, over one connection; the writer makes its lines and sends them."""
    curl = shutil.which("curl")
    need("curl", curl)
    server = InfluxServer(tmp_path)
    server.start()
    ours, theirs = [], []
    try:
        for database in ("ours", "theirs"):
            server.create(database)
        with closing(InfluxStore(Server(server.url, "ours"), "plant-1")) as store:
            for number in range(ROUNDS):
                points = readings(number)
                config = []
                said = list(lines.reading_lines("plant-1", points))
                for at in range(0, POINTS, REQUEST_LINES):
                    body = tmp_path / f"body-{at}"
                    body.write_bytes("\n".join(said[at : at + REQUEST_LINES]).encode())
                    config.append(
                        f'url = "{server.url}/api/v2/write?bucket=theirs&precision=ms"\nrequest = POST\ndata-binary = "@{body}"\n'
                        'header = "Content-Type: text/plain"\nfail\nsilent\nwrite-out = "%{http_code}\\n"\n'
                    )
                (tmp_path / "curl.cfg").write_text("next\n".join(config), encoding="utf-8")
                for work in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
                    began = time.perf_counter()
                    if work == "ours":
                        store.write_readings(points)
                        ours.append(POINTS / (time.perf_counter() - began))
                    else:
                        done = subprocess.run([curl or "", "-K", str(tmp_path / "curl.cfg")], capture_output=True, text=True, check=True)
                        theirs.append(POINTS / (time.perf_counter() - began))
                        assert done.stdout.split() == ["204"] * (POINTS // REQUEST_LINES)
    finally:
        server.kill()
    # The first round of either pays for new series and new connections.
    share = median(ours[1:]) / median(theirs[1:])
    print(f"writer {median(ours[1:]):.0f} points/s, curl {median(theirs[1:]):.0f}: {share:.0%}, at least {SHARE:.0%}")
    assert share >= SHARE
