"""`driftwatt backup`: a consistent copy of what an edge or a plant keeps on disk, while its daemon runs and when it does not.

Who knows the files is found by entry point (group `driftwatt.backup`): a handler takes the file and returns the id and
the databases in the order in which they have to be copied.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from collector.status_cli import handler, kind_of
from driftwatt.commands import Command
from driftwatt.errors import ConfigError, Unavailable

MANIFEST = "backup.json"
ABOUT = """\
An edge: outbox.sqlite3. A plant: state.sqlite3 and, with the embedded store, store.sqlite3. The file itself is copied
too, and backup.json says what was copied when, with sizes and SHA-256. Each copy is one checked snapshot.
To restore: stop the daemon, put the *.sqlite3 into its data folder in place of the old ones (and their -wal), start it.

"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = ABOUT + (parser.epilog or "")
    parser.add_argument("file", type=Path, metavar="FILE", help="edge.toml or plant.toml")
    parser.add_argument("target", type=Path, metavar="DIR", help="a folder that does not exist yet, or is empty")
    parser.add_argument("--json", action="store_true", help="one JSON object: what is in backup.json")


def _run(arguments: argparse.Namespace) -> int:
    from driftwatt import __version__
    from driftwatt.adapters.copies import copy, digest
    from driftwatt.clock import SystemClock

    kind, target = kind_of(arguments.file), arguments.target
    name, databases = handler("driftwatt.backup", kind)(arguments.file)
    if not databases:
        raise Unavailable(f"{arguments.file}: nothing to copy, it never ran with this data_dir")
    _make(target)
    made_ms, parts = SystemClock().now_ms(), list[Path]()
    try:
        for source in databases:
            part = target / f"{source.name}.part"
            parts.append(part)
            copy(source, part, _bar(source.name) if sys.stderr.isatty() else lambda _done, _total: None)
        for part in parts:
            part.rename(part.with_suffix(""))
    finally:
        for part in parts:
            for left in (
                part,
                part.with_name(f"{part.name}-journal"),
                part.with_name(f"{part.name}-wal"),
                part.with_name(f"{part.name}-shm"),
            ):
                left.unlink(missing_ok=True)
    (target / arguments.file.name).write_bytes(arguments.file.read_bytes())
    copied = [part.with_suffix("") for part in parts]
    told: dict[str, Any] = {"role": kind, "id": name, "version": __version__, "made_ms": made_ms}
    told["files"] = [{"name": each.name, "bytes": each.stat().st_size, "sha256": digest(each)} for each in copied]
    (target / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told) if arguments.json else "\n".join(f"{target / each.name}: {each.stat().st_size} bytes" for each in copied))
    return 0


def _make(target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(target.iterdir()):
            raise ConfigError(
                "target is not empty; nothing was copied", file=str(target), allowed="a folder that does not exist or is empty"
            )
    except OSError as error:
        raise ConfigError("target cannot be used", file=str(target), found=error.strerror or str(error)) from error


def _bar(name: str) -> Any:
    def told(done: int, total: int) -> None:
        filled = 30 * done // max(total, 1)
        end = "\n" if done >= total else ""
        print(f"\r{name} [{'#' * filled}{'.' * (30 - filled)}] {100 * done // max(total, 1)} %", end=end, file=sys.stderr, flush=True)

    return told


BACKUP = Command(
    name="backup",
    summary="Copy what an edge or a plant keeps on disk, consistently, while its daemon runs.",
    examples="  driftwatt backup plant.toml /backup/plant-2026-11-25\n  driftwatt backup edge.toml /backup/hall-a --json",
    configure=_arguments,
    run=_run,
)
