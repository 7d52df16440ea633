"""What an edge says about itself: the status file that the daemon writes every second, and its books. Works with the daemon down."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict
from itertools import dropwhile
from pathlib import Path
from typing import Any

from collector.adapters.deeds import read_deeds
from collector.adapters.outbox import FILE, read_books
from collector.adapters.outbox_disk import LOCK, is_locked
from config.edge import Edge, EdgeFile
from config.loader import load_edge
from driftwatt.errors import ConfigErrors, Unavailable

STATUS = "status.json"


def edge_folder(edge: EdgeFile, file: Path) -> Path:
    """Return where an edge keeps its outbox and status: `<data_dir>/edge-<id>`, relative to the file."""
    return file.parent / edge.edge.data_dir / f"edge-{edge.edge.id}"


def write_status(folder: Path, status: dict[str, Any]) -> None:
    """Replace the status file whole; whoever reads it sees the old one or the new one. Raises Unavailable."""
    fresh = folder / f"{STATUS}.new"
    try:
        fresh.write_text(json.dumps(status, ensure_ascii=False), encoding="utf-8")
        fresh.replace(folder / STATUS)
    except OSError as error:
        raise Unavailable(f"status file: {error.strerror}") from error


def edge_status(file: Path) -> dict[str, Any]:
    """Return the status of the edge that `file` describes; `running` tells whether its collector runs. Raises ConfigErrors.

    A file that went wrong while its collector runs does not hide how that one is doing.
    """
    try:
        folder, wrong = edge_folder(load_edge(file), file), None
    except ConfigErrors as error:
        folder, wrong = _folder_named(file, error), error
    running = is_locked(folder / LOCK)
    if wrong is not None and not running:
        raise wrong
    try:
        status: dict[str, Any] = json.loads((folder / STATUS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"role": "edge", "id": folder.name.removeprefix("edge-"), "running": running, "note": "never ran with this data_dir"}
    return {**status, "running": running}


def _folder_named(file: Path, error: ConfigErrors) -> Path:
    """Return the folder that a faulty file names all the same. Raises `error` when it does not."""
    try:
        edge = tomllib.loads(file.read_text(encoding="utf-8-sig"))["edge"]
        named = Edge.model_validate({key: edge[key] for key in ("id", "data_dir") if key in edge})
    except (OSError, ValueError, KeyError, TypeError):
        raise error from None
    return file.parent / named.data_dir / f"edge-{named.id}"


def outbox_of(file: Path, edge: EdgeFile) -> Path:
    """Return the outbox file of an edge. Raises Unavailable when no collector ever ran with this data_dir."""
    path = edge_folder(edge, file) / FILE
    if not path.exists():
        raise Unavailable(f"{path.parent}: this edge never ran")
    return path


def edge_ledger(file: Path, days: int = 7) -> list[dict[str, Any]]:
    """Return the books of the edge, one object per meter and UTC day. Raises ConfigErrors, Unavailable."""
    edge = load_edge(file)
    return [asdict(line) for line in read_books(outbox_of(file, edge).parent, days)]


def edge_audit(file: Path, from_ms: int) -> list[dict[str, Any]]:
    """Return what is on record of the edge, oldest first, from the first entry since `from_ms` on. Raises ConfigErrors, Unavailable.

    What follows on that one is told whatever its time says: the clock that was set may be the one that wrote it.
    """
    edge = load_edge(file)
    deeds = dropwhile(lambda deed: deed.at_ms < from_ms, read_deeds(outbox_of(file, edge).parent))
    return [{"at_ms": deed.at_ms, "who": f"edge {edge.edge.id}", "what": deed.what, "detail": deed.detail} for deed in deeds]


def edge_files(file: Path) -> tuple[str, list[Path]]:
    """Return the id of the edge and its database, for a backup; no database when it never ran. Raises ConfigErrors."""
    edge = load_edge(file)
    outbox = edge_folder(edge, file) / FILE
    return edge.edge.id, [outbox] if outbox.exists() else []
