"""The data folder of a plant: one processor at a time, and the file through which it tells how it is."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from config.plant import PlantFile
from driftwatt.errors import ConfigError, Unavailable

LOCK, STATUS, PASSWORD, STATE, STORE = "lock", "status.json", "broker.password", "state.sqlite3", "store.sqlite3"


class Folder:
    """`<data_dir>/plant-<id>`, held by this process until `close`. Raises ConfigError when another one holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock: IO[str] = (path / LOCK).open("a")
        except OSError as error:
            raise ConfigError("data folder cannot be used", file=str(path), found=error.strerror or str(error)) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ConfigError("another processor is using this folder", file=str(path)) from None

    @property
    def state(self) -> Path:
        """Where checkpoint, books, alerts and journal stay."""
        return self.path / STATE

    @property
    def store(self) -> Path:
        """Where the embedded store keeps its series."""
        return self.path / STORE

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Replace the status file in one step. Raises Unavailable."""
        fresh = self.path / f"{STATUS}.new"
        try:
            fresh.write_text(json.dumps(status, ensure_ascii=False), encoding="utf-8")
            fresh.replace(self.path / STATUS)
        except OSError as error:
            raise Unavailable(f"status file: {error.strerror or error}") from error

    def broker_user(self) -> tuple[str, str, Path]:
        """Return name, password and file of the embedded broker's user, made at the first call."""
        path = self.path / PASSWORD
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"driftwatt:{secrets.token_urlsafe(24)}\n")
        name, _, password = path.read_text(encoding="utf-8").strip().partition(":")
        return name, password, path

    def close(self) -> None:
        """Let the folder go; never raises."""
        self._lock.close()


def plant_folder(file: Path, data_dir: Path, plant: str) -> Path:
    """Return the data folder of a plant; a relative `data_dir` counts from the folder of its file."""
    return file.parent / data_dir / f"plant-{plant}"


def folder_of(file: Path, plant: PlantFile) -> Path:
    """Return the data folder of the plant that was loaded from `file`."""
    return plant_folder(file, plant.plant.data_dir, plant.plant.id)


def state_of(file: Path, plant: PlantFile) -> Path:
    """Return the state file of a plant. Raises Unavailable when no processor ever ran with this data_dir."""
    path = folder_of(file, plant) / STATE
    if not path.exists():
        raise Unavailable(f"{path.parent}: this plant never ran")
    return path


def read_status(folder: Path) -> dict[str, Any]:
    """Return what the processor of a folder last wrote, and whether it still runs (`running`)."""
    try:
        status: dict[str, Any] = json.loads((folder / STATUS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        status = {}
    return {**status, "running": _held(folder / LOCK)}


def _held(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
