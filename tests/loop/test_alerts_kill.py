"""A processor that is killed with open, acknowledged, shelved and repaired alerts and maintenance windows: the same ones afterwards."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from driftwatt.clock import SystemClock, rfc3339
from driftwatt.readings import Reading
from driftwatt.wire import row_bytes
from processors.status import plant_ledger
from tests.support.daemons import PLANT, free_port, running
from tests.support.loads import DAY_MS, Load

METERS = ("m1", "m2", "m3", "m4")
DAYS, FIRST_FAULT, APART = 68, 48, 4
KW = 8.0


def history(folder: Path) -> Path:
    """Write quarter-hours of four meters of which one after the other begins to waste."""
    now_ms = SystemClock().now_ms()
    first_ms = now_ms - now_ms % DAY_MS - DAYS * DAY_MS - 7 * 3_600_000
    rows: list[tuple[int, bytes]] = []
    for n, meter in enumerate(METERS):
        broken = FIRST_FAULT + n * APART
        wh = 1e6
        for each in Load(n).intervals(DAYS, lambda at, *_, since=broken: KW * (at >= since), first_ms=first_ms):
            wh += each.import_wh
            rows.append((each.end_ms, row_bytes(Reading(meter, each.end_ms, {"active_power": 4 * each.import_wh, "import_energy": wh}))))
    file = folder / "history.jsonl"
    file.write_bytes(b"\n".join(row for _, row in sorted(rows, key=lambda row: row[0])))
    return file


def plant(folder: Path) -> Path:
    text = PLANT.format(broker=f"mqtt://127.0.0.1:{free_port()}", store='kind = "sqlite"', web=free_port())
    text += "".join(f'[[meter]]\nid = "{meter}"\nname = "{meter}"\n' for meter in METERS[2:])
    file = folder / "plant.toml"
    file.write_text(text, encoding="utf-8")
    return file


@contextmanager
def life(*words: str) -> Iterator[str]:
    """Run a processor that is killed (SIGKILL) at the end; gives the address of its page."""
    with running("process", *words) as daemon:
        yield daemon.line().removeprefix("page: ").rstrip("/")


def alerts(page: str) -> dict[str, dict[str, Any]]:
    with urllib.request.urlopen(f"{page}/api/v1/alerts", timeout=10) as answer:
        return {each["id"]: each for each in json.load(answer)["alerts"]}


def waste(page: str, count: int, within_s: float = 90) -> dict[str, dict[str, Any]]:
    """Return a waste alert of each meter that waits for people, once all of them have one."""
    until_s = time.monotonic() + within_s
    while True:
        found = sorted(
            (each for each in alerts(page).values() if each["kind"] == "waste" and each["state"] == "unacked"),
            key=lambda each: str(each["opened"]),
        )
        first = {each["meter"]: each for each in reversed(found)}
        if len(first) == count:
            return first
        assert time.monotonic() < until_s, [(each["meter"], each["pattern"], each["state"]) for each in alerts(page).values()]
        time.sleep(0.3)


def all_read(file: Path, within_s: float = 90) -> None:
    """Wait until the whole history is judged: afterwards no alert moves by itself."""
    until_s = time.monotonic() + within_s
    while (read := sum(line["imported"] for line in plant_ledger(file, days=2 * DAYS))) != len(METERS) * DAYS * 96:
        assert time.monotonic() < until_s, read
        time.sleep(0.3)


def say(page: str, path: str, **content: object) -> dict[str, Any]:
    with urllib.request.urlopen(page, timeout=10) as answer:
        token = re.search(r'name="csrf" content="([0-9a-f]{64})"', answer.read().decode())
        cookie = answer.headers["set-cookie"].split(";")[0]
    assert token
    headers = {"Cookie": cookie, "X-CSRF-Token": token[1], "Content-Type": "application/json"}
    request = urllib.request.Request(f"{page}/api/v1/{path}", json.dumps(content).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
        told: dict[str, Any] = json.load(answer)
    return told


def windows(page: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{page}/api/v1/maintenance", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["windows"]
    return found


def test_alerts_and_what_people_said_of_them_survive_a_kill(tmp_path: Path) -> None:
    file = plant(tmp_path)
    with life(str(file), "--history", str(history(tmp_path))) as page:
        waste(page, len(METERS))
        all_read(file)
        first = waste(page, len(METERS))
        until_ms = SystemClock().now_ms() + 3 * DAY_MS
        say(page, f"alerts/{first['m2']['id']}/ack", reason="checking", note="đi xem")
        say(page, f"alerts/{first['m3']['id']}/shelve", until_ms=until_ms, reason="planned", note="chờ nhà thầu")
        say(page, f"alerts/{first['m4']['id']}/fixed", note="sửa van")
        say(page, "maintenance", meters=["m1"], reason="đại tu", **{"from": rfc3339(until_ms), "to": rfc3339(until_ms + DAY_MS)})
        taken_back = say(page, "maintenance", area="*", reason="nhầm", **{"from": rfc3339(until_ms), "to": rfc3339(until_ms + DAY_MS)})
        say(page, f"maintenance/{taken_back['id']}/end")
        before, planned = alerts(page), windows(page)
    for _ in range(2):
        with life(str(file)) as page:
            after = alerts(page)
            assert after == before
            assert windows(page) == planned
    mine = {meter: after[each["id"]] for meter, each in first.items()}
    assert {meter: each["state"] for meter, each in mine.items()} == {"m1": "unacked", "m2": "acked", "m3": "shelved", "m4": "closed"}
    assert mine["m2"]["ack"]["note"] == "đi xem"
    assert mine["m4"]["closed_reason"] == "fixed"
    assert sorted(each["reason"] for each in planned if each["to"] > each["from"]) == ["đại tu"]
    assert mine["m4"]["verified_saving"]["state"] == "verifying"
