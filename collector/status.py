"""What an edge says about itself: the status file that the daemon writes every second, and its books. Works with the daemon down."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collector.adapters.outbox import FILE, read_books
from config.edge import EdgeFile
from config.loader import load_edge
from driftwatt.clock import SystemClock
from driftwatt.errors import Unavailable

FRESH_MS = 5000
"""A status file older than this was left by a daemon that no longer runs."""


def edge_folder(edge: EdgeFile, file: Path) -> Path:
    """Return where an edge keeps its outbox and status: `<data_dir>/edge-<id>`, relative to the file."""
    return file.parent / edge.edge.data_dir / f"edge-{edge.edge.id}"


def write_status(folder: Path, status: dict[str, Any]) -> None:
    """Replace the status file whole; whoever reads it sees the old one or the new one. Raises Unavailable."""
    fresh = folder / "status.json.new"
    try:
        fresh.write_text(json.dumps(status, ensure_ascii=False), encoding="utf-8")
        fresh.replace(folder / "status.json")
    except OSError as error:
        raise Unavailable(f"status file: {error.strerror}") from error


def edge_status(file: Path) -> dict[str, Any]:
    """Return the status of the edge that `file` describes, with `running` and how old it is. Raises ConfigErrors."""
    edge = load_edge(file)
    try:
        status: dict[str, Any] = json.loads((edge_folder(edge, file) / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"role": "edge", "id": edge.edge.id, "running": False, "note": "never ran with this data_dir"}
    age_ms = SystemClock().now_ms() - status.get("written_ms", 0)
    status["running"] = 0 <= age_ms < FRESH_MS
    return status


def edge_ledger(file: Path, days: int = 7) -> list[dict[str, Any]]:
    """Return the books of the edge, one object per meter and UTC day. Raises ConfigErrors, Unavailable."""
    edge = load_edge(file)
    return [asdict(line) for line in read_books(edge_folder(edge, file), days)]


def edge_files(file: Path) -> tuple[str, list[Path]]:
    """Return the id of the edge and its database, for a backup; no database when it never ran. Raises ConfigErrors."""
    edge = load_edge(file)
    outbox = edge_folder(edge, file) / FILE
    return edge.edge.id, [outbox] if outbox.exists() else []
