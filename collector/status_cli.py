"""`driftwatt status` and `driftwatt ledger`, for an edge as well as for a plant.

Which one a file describes is seen from its tables; who answers is found by entry point, so that neither room
imports the other: groups `driftwatt.status` and `driftwatt.ledger`, names `edge` and `plant`.
A status handler takes the file and returns one object; a ledger handler takes the file and a number of days and
returns one object per meter and UTC day with the counters of the contract.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from driftwatt.commands import Command, days
from driftwatt.errors import ConfigError, MissingExtra

_EXTRA = {"edge": "collector", "plant": "processor"}
_CLASSES = ("stored", "waiting", "dropped", "thinned", "quarantined")


def kind_of(file: Path) -> str:
    """Return `edge` or `plant`, from the tables of a file. Raises ConfigError."""
    import tomllib

    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError("cannot be read", file=str(file), found=error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not TOML: {error}", file=str(file)) from error
    for kind in ("edge", "plant"):
        if kind in tables:
            return kind
    raise ConfigError("neither an edge nor a plant", file=str(file), found=", ".join(tables) or "nothing", allowed="[edge] or [plant]")


def handler(group: str, kind: str) -> Callable[..., Any]:
    """Return who answers for this kind of file. Raises MissingExtra."""
    try:
        found: Callable[..., Any] = next(iter(entry_points(group=group, name=kind))).load()
    except (StopIteration, ImportError) as error:
        raise MissingExtra(_EXTRA[kind], getattr(error, "name", None) or f"driftwatt's {_EXTRA[kind]}") from error
    return found


def balanced(line: dict[str, Any]) -> bool:
    """Tell whether a line of the books adds up: polled = committed + failed, committed = where each of them is now."""
    committed = line.get("committed", 0)
    known = sum(_sum(line.get(name, 0)) for name in _CLASSES)
    return bool(line.get("polled", committed) == committed + _sum(line.get("failed", 0)) and committed == known)


def total(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums of all counters of all lines."""
    sums: dict[str, Any] = {}
    for line in lines:
        for name, value in line.items():
            if isinstance(value, dict):
                into = sums.setdefault(name, {})
                for reason, count in value.items():
                    into[reason] = into.get(reason, 0) + count
            elif isinstance(value, int) and not isinstance(value, bool):
                sums[name] = sums.get(name, 0) + value
    return sums


def as_text(value: Any, indent: str = "") -> str:
    """Return an object as indented lines for people."""
    lines = []
    for key, item in value.items():
        if isinstance(item, list):
            lines.append(f"{indent}{key}: {'none' if not item else ''}".rstrip())
            lines += [f"{indent}  - {_one_line(each)}" for each in item]
        elif isinstance(item, dict) and any(isinstance(inner, dict | list) for inner in item.values()):
            lines += [f"{indent}{key}:", as_text(item, indent + "  ")]
        else:
            lines.append(indent + ": ".join(_told(key, item)))
    return "\n".join(lines)


def _told(key: str, value: Any) -> tuple[str, str]:
    """Return name and value for people: instants by the clock of this machine, not in milliseconds."""
    if not key.endswith("_ms") or not isinstance(value, int):
        return key, _one_line(value)
    return key.removesuffix("_ms"), dt.datetime.fromtimestamp(value / 1000).astimezone().isoformat(" ", "seconds")


def _one_line(item: Any) -> str:
    if isinstance(item, dict):
        return "  ".join(" ".join(_told(key, value)) for key, value in item.items() if value not in ({}, [], ""))
    if isinstance(item, list):
        return "".join(f"\n      {_one_line(each)}" for each in item)
    return "–" if item is None else f"{item:g}" if isinstance(item, float) else str(item)


def _sum(value: Any) -> int:
    return sum(value.values()) if isinstance(value, dict) else int(value)


def _status(arguments: argparse.Namespace) -> int:
    status = handler("driftwatt.status", kind_of(arguments.file))(arguments.file)
    if not arguments.json and "written_ms" in status and not status.get("running", True):
        print("NOT RUNNING; this is what it said last")
    print(json.dumps(status, ensure_ascii=False) if arguments.json else as_text(status))
    return 0 if status.get("running", True) else 1


def _ledger(arguments: argparse.Namespace) -> int:
    lines = handler("driftwatt.ledger", kind_of(arguments.file))(arguments.file, arguments.days)
    lines = [line | {"balanced": balanced(line)} for line in lines if arguments.day in (None, line["day"])]
    good = all(line["balanced"] for line in lines)
    last = {"total": total(lines), "balanced": good}
    for line in [*lines, last]:
        print(json.dumps(line, ensure_ascii=False) if arguments.json else _one_line(line))
    return 0 if good else 1


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="edge.toml or plant.toml")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _day(word: str) -> str:
    try:
        return dt.date.fromisoformat(word).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"is not a day (found {word!r}; allowed: 2026-10-05)") from None


def _ledger_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="edge.toml or plant.toml")
    parser.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="only this UTC day")
    parser.add_argument("--days", type=days, default=7, metavar="N", help="the newest N days (default 7)")
    parser.add_argument("--json", action="store_true", help="JSON Lines")


STATUS = Command(
    name="status",
    summary="Show how an edge or a plant is doing, while its daemon runs and when it does not.",
    examples="  driftwatt status edge.toml\n  driftwatt status plant.toml --json",
    configure=_status_arguments,
    run=_status,
)
LEDGER = Command(
    name="ledger",
    summary="Show the books: where every poll of every meter went. Exit 1 when they do not balance.",
    examples="  driftwatt ledger edge.toml\n  driftwatt ledger plant.toml --day 2026-10-05 --json",
    configure=_ledger_arguments,
    run=_ledger,
)
