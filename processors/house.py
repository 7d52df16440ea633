"""The store of a plant: opened as its file asks, and kept tidy at night."""

from __future__ import annotations

import logging
from pathlib import Path
from zoneinfo import ZoneInfo

from config.plant import PlantFile
from driftwatt.adapters.bells import Bells
from driftwatt.clock import rfc3339
from driftwatt.errors import ConfigError
from processors.adapters.folder import Folder
from processors.adapters.sqlite import SqliteStore
from processors.pipeline import Pipeline
from processors.ports import SeriesStore

log = logging.getLogger(__name__)

HOUSE_KEEPING_AT = (3, 10)
"""Local time, when plants are quiet."""


def open_store(plant: PlantFile, folder: Path, data: Folder) -> SeriesStore:
    """Return the store that the plant file asks for. Raises ConfigError, Unavailable."""
    chosen = plant.store
    if chosen.kind == "sqlite":
        return SqliteStore(data.store)
    bucket = chosen.bucket or chosen.database
    if not chosen.url or not bucket:
        raise ConfigError("an InfluxDB store needs url and bucket (or database)", key="store", found=f"url {chosen.url}, bucket {bucket}")
    from processors.adapters.influx import InfluxStore, Server  # noqa: PLC0415 - 28 MB that only plants with InfluxDB need

    token = chosen.token.reveal(folder) if chosen.token else ""
    return InfluxStore(Server(chosen.url, bucket, chosen.org, token, chosen.server), plant.plant.id)


async def keep_house(pipeline: Pipeline, timezone: str, retention_s: float) -> None:
    """Let the embedded store remove, pack and shrink in short steps between writes, now and every night."""
    store, bells = pipeline.store, Bells(ZoneInfo(timezone))
    if not isinstance(store, SqliteStore):
        return
    rung = bells.every_day(*HOUSE_KEEPING_AT)
    bells.start()
    try:
        while True:
            before_ms = pipeline.clock.now_ms() - round(retention_s * 1000)
            while await pipeline.storing.until_done(store.keep_house, pipeline.clock.now_ms(), before_ms):
                pass
            await pipeline.keeping.until_done(pipeline.state.forget_past, before_ms)
            log.info("the store is tidy: days that are over are packed, readings are kept from %s on", rfc3339(before_ms))
            await rung.wait()
            rung.clear()
    finally:
        bells.stop()
