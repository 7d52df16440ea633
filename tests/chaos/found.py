"""What stands in the store and the state of a herd's plant, read without its processor."""

from __future__ import annotations

from pathlib import Path

from config.loader import load_plant
from driftwatt.readings import Quality
from processors.adapters import records
from processors.adapters.folder import plant_folder
from processors.adapters.sqlite import SqliteStore
from processors.adapters.state import SqliteState
from processors.pure import engine
from tests.chaos.coded import CODED
from tests.chaos.herd import Herd
from tests.chaos.stage import METERS

QUANTITIES = (*CODED, "active_power", "import_energy")


def stored_readings(herd: Herd) -> dict[int, dict[int, dict[str, float]]]:
    """Return all readings by meter and time, straight from the store."""
    found: dict[int, dict[int, dict[str, float]]] = {}
    if herd.store == "influxdb":
        for meter in range(1, METERS + 1):
            columns = ", ".join(f'"{name}"' for name in QUANTITIES)
            said = herd.influx(f"SELECT {columns} FROM readings WHERE \"meter\" = 'm{meter}'")
            assert said, "InfluxDB does not answer"
            rows = [row for series in said["results"][0].get("series", ()) for row in series["values"]]
            found[meter] = {
                row[0]: {name: value for name, value in zip(QUANTITIES, row[1:], strict=True) if value is not None} for row in rows
            }
        return found
    store = SqliteStore(data_folder(herd) / "store.sqlite3")
    for meter in range(1, METERS + 1):
        series = found.setdefault(meter, {})
        for name in QUANTITIES:
            for t_ms, value, _ in store.readings(f"m{meter}", name, 0, 2**53):
                series.setdefault(t_ms, {})[name] = value
    store.close()
    return found


def data_folder(herd: Herd) -> Path:
    """Return where the plant keeps its files."""
    file = herd.folder / "plant.toml"
    plant = load_plant(file).plant
    return plant_folder(file, plant.data_dir, plant.id)


def energies(herd: Herd) -> dict[int, float]:
    """Return the energy that the plant's state says each meter has counted, Wh."""
    state = SqliteState(data_folder(herd) / "state.sqlite3")
    parts = state.load().parts
    state.close()
    found = {}
    for meter in range(1, METERS + 1):
        account = engine.restore(parts[f"m{meter}"]).energy.account if f"m{meter}" in parts else None
        found[meter] = account.totals[0] if account else 0.0
    return found


def doubted(herd: Herd) -> frozenset[tuple[int, int]]:
    """Return (meter, time) of the readings whose time is marked as uncertain; with an embedded store only."""
    if herd.store == "influxdb":
        return frozenset()
    store = SqliteStore(data_folder(herd) / "store.sqlite3")
    found = frozenset(
        (meter, t_ms)
        for meter in range(1, METERS + 1)
        for t_ms, _, doubt in store.readings(f"m{meter}", "active_power", 0, 2**53)
        if doubt & Quality.CLOCK_UNCERTAIN
    )
    store.close()
    return found


def dates(herd: Herd, *, until_ms: int) -> int:
    """Return how many readings of an embedded store are dated before an instant, while its processor runs."""
    with records.counting(data_folder(herd) / "store.sqlite3") as count:
        return sum(count(f"m{meter}", 0, until_ms) for meter in range(1, METERS + 1))
