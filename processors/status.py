"""How a plant does, and its books: told by the running processor, readable by anybody, also when it does not run."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.loader import load_plant
from config.plant import PlantFile
from driftwatt import __version__
from driftwatt.clock import SystemClock
from driftwatt.errors import ConfigErrors
from processors.adapters import records
from processors.adapters.folder import STATE, STORE, folder_of, plant_folder, read_status, state_of
from processors.alarms import Alarm
from processors.pipeline import Pipeline
from processors.pure import books

DAY_MS = 86_400_000
ALARM_LASTS_MS = 10 * 60_000
"""An alarm that nothing renewed for this long is over."""


def describe(plant: PlantFile, pipeline: Pipeline, *, started_ms: int, inbox: tuple[int, int]) -> dict[str, Any]:
    """Return the status of the running processor; `inbox` is (bytes waiting, messages let go)."""
    now_ms = pipeline.clock.now_ms()
    board = pipeline.board.snapshot()
    alerts = pipeline.people.alerts()
    return {
        "role": "plant",
        "id": plant.plant.id,
        "version": __version__,
        "written_ms": now_ms,
        "uptime_s": (now_ms - started_ms) // 1000,
        "broker": {"url": plant.broker.url, "connected": board.broker_connected},
        "edges": [
            {"id": edge.edge, "online": edge.online, "since_ms": edge.since_ms, "last_ms": edge.last_ms, "hours_left": edge.hours_left}
            for edge in board.edges.values()
        ],
        "store": {"kind": plant.store.kind, "ok": board.store_ok, "lag_s": round(board.store_lag_s, 1)},
        "inbox": {"bytes": inbox[0], "let_go": inbox[1]},
        "alerts": {
            "open": sum(alert.state not in ("closed", "suppressed") for alert in alerts),
            "unacked": sum(alert.state == "unacked" for alert in alerts),
        },
        "unlisted": sorted(reading.meter for reading in board.unlisted),
        "alarms": [{"code": code, "since_ms": alarm.since_ms, "text": alarm.text} for code, alarm in sorted(lasting(pipeline).items())],
    }


def lasting(pipeline: Pipeline) -> dict[str, Alarm]:
    """Return the alarms that stand now."""
    now_ms = pipeline.clock.now_ms()
    found = {code: alarm for code, alarm in pipeline.alarms.items() if now_ms - alarm.last_ms < ALARM_LASTS_MS}
    found |= pipeline.standing
    storing, keeping = pipeline.storing, pipeline.keeping
    if storing.trouble:
        found["store_refuses" if storing.refused else "store_down"] = Alarm(storing.since_ms, now_ms, storing.trouble)
    if keeping.trouble:
        found["commit_failed"] = Alarm(keeping.since_ms, now_ms, keeping.trouble)
    if not pipeline.board.broker_connected:
        found["broker_down"] = Alarm(pipeline.board.broker_since_ms, now_ms, "the broker cannot be reached")
    return found


def plant_status(file: Path) -> dict[str, Any]:
    """Return the status of the plant that `file` describes; `running` tells whether its processor runs. Raises ConfigErrors.

    A file that went wrong while its processor runs does not hide how that one is doing.
    """
    try:
        folder: Path | None = folder_of(file, load_plant(file))
        wrong: ConfigErrors | None = None
    except ConfigErrors as error:
        folder, wrong = _folder_named(file), error
    status = read_status(folder) if folder else {}
    if wrong is not None and not status.get("running"):
        raise wrong
    assert folder is not None
    if "role" not in status:
        return {
            "role": "plant",
            "id": folder.name.removeprefix("plant-"),
            "running": status["running"],
            "note": "never ran with this data_dir",
        }
    n, size = records.quarantine_size(folder / STATE)
    return {**status, "quarantine": {"n": n, "bytes": size}}


def _folder_named(file: Path) -> Path | None:
    """Return the data folder that a faulty file names, None when even that cannot be read from it."""
    try:
        plant = tomllib.loads(file.read_text(encoding="utf-8-sig"))["plant"]
        return plant_folder(file, Path(plant.get("data_dir", "data")), str(plant["id"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def plant_ledger(file: Path, days: int = 7) -> list[dict[str, Any]]:
    """Return the books of the plant, one object per meter and UTC day, the newest `days` of them. Raises ConfigErrors, Unavailable.

    With the embedded store every line is compared with the readings that are really there, as long as they are kept.
    """
    plant = load_plant(file)
    folder = state_of(file, plant).parent
    known = records.newest_days(folder / STATE, days)
    if not known:
        return []
    owners = {meter.id: meter.edge for meter in plant.meter}
    lines = books.ledger(records.book_rows(folder / STATE, known[0]), records.edge_lines(folder / STATE, known[0]), owners)
    if plant.store.kind == "sqlite":
        kept_from_ms = SystemClock().now_ms() - round(plant.store.raw_retention * 1000)
        with records.counting(folder / STORE) as count:
            for line in lines:
                _compare(line, count, kept_from_ms)
    return lines


def plant_audit(file: Path, from_ms: int) -> list[dict[str, Any]]:
    """Return who did what to the plant since an instant, oldest first. Raises ConfigErrors, Unavailable where it never ran."""
    return [asdict(deed) for deed in records.deeds(state_of(file, load_plant(file)), from_ms)]


def plant_files(file: Path) -> tuple[str, list[Path]]:
    """Return the id of the plant and its databases in the order to copy them; none when it never ran. Raises ConfigErrors.

    State before store: a copy of the store may hold more than the state's checkpoint, which costs a resend; less would be a loss.
    """
    plant = load_plant(file)
    folder = folder_of(file, plant)
    names = (STATE, STORE) if plant.store.kind == "sqlite" else (STATE,)
    return plant.plant.id, [folder / name for name in names if (folder / name).exists()]


def _compare(line: dict[str, Any], count: Callable[[str, int, int], int], kept_from_ms: int) -> None:
    start = datetime.strptime(line["day"], "%Y-%m-%d").replace(tzinfo=UTC)
    from_ms = int(start.timestamp() * 1000)
    if from_ms < kept_from_ms:
        return
    line["in_store"] = count(line["meter"], from_ms, from_ms + DAY_MS)
    # The store is read after the books, so that it may hold more than they say, never less.
    missing = line["stored"] + line.get("imported", 0) - line["in_store"]
    if missing > 0:
        line["missing"] = missing
        line["stored"] -= missing
