"""What `driftwatt analyse` is to do: its arguments as tasks, one per file, each ready to be sent to another process."""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from driftwatt.errors import ConfigError
from processors.pure.csv_rows import HOUR_MS, RowError, instant_ms
from processors.pure.playback import ANSWERS

_LENGTHS = {"s": 1_000, "min": 60_000, "m": 60_000, "h": HOUR_MS, "d": 24 * HOUR_MS}
_LENGTH = re.compile(r"^(\d+(?:\.\d+)?)\s*([a-z]+)$")


@dataclass(frozen=True, slots=True)
class Task:
    """One file to be analysed. Everything in it can be sent to another process."""

    source: Path
    target: str
    meter: str
    zone: str
    interval_ms: int | None
    unit: str
    threshold: float
    auto_ms: int
    answers: Mapping[str, tuple[tuple[int, str], ...]]
    calendar: str | None
    tariff: str | None
    factors: str | None
    state_in: Path | None
    state_out: Path | None
    until_ms: int | None
    html: Path | None
    lang: Literal["vi", "en"]


def tasks_of(arguments: argparse.Namespace) -> list[Task]:
    """Return the tasks that the arguments name, in the order of their files. Raises ConfigError."""
    sources: list[Path] = list(arguments.files)
    if arguments.dir is not None:
        if not arguments.dir.is_dir():
            raise ConfigError("not a folder", key="--dir", found=str(arguments.dir))
        sources += sorted(arguments.dir.glob("*.csv"))
    if not sources:
        raise ConfigError("nothing to analyse", key="IN", allowed="CSV files, or --dir with some in it")
    single = len(sources) == 1 and arguments.dir is None
    if not single and (arguments.state_in or arguments.state_out or arguments.meter):
        raise ConfigError("--state-in, --state-out and --meter go with one file", found=f"{len(sources)} files")
    series = _series(arguments.series)
    targets = [_target(arguments.out, source, single=single) for source in sources]
    if len(set(targets)) < len(targets):
        raise ConfigError("two files have one name; their results would overwrite each other", key="IN")
    answers = _answers(arguments.answers) if arguments.answers else {}
    auto_ms = length_ms(arguments.auto_answer) if arguments.auto_answer else 0
    until_ms = _instant(arguments.until) if arguments.until else None
    for key, number in (("--threshold", arguments.threshold), ("--jobs", arguments.jobs)):
        if number is not None and not 0 < number < math.inf:
            raise ConfigError("must be above 0", key=key, found=f"{number:g}")
    found = []
    for source, target in zip(sources, targets, strict=True):
        own = series.get(source.stem, {})
        zone = own.get("tz") or arguments.tz
        zone_of(zone)
        found.append(
            Task(
                source=source,
                target=target,
                meter=arguments.meter or source.stem,
                zone=zone,
                interval_ms=_interval_ms(arguments.interval or own.get("freq")),
                unit=arguments.unit,
                threshold=arguments.threshold,
                auto_ms=auto_ms,
                answers=answers,
                calendar=arguments.calendar,
                tariff=arguments.tariff,
                factors=arguments.factors,
                state_in=arguments.state_in,
                state_out=arguments.state_out,
                until_ms=until_ms,
                html=arguments.html / f"{source.stem}.html" if arguments.html else None,
                lang=arguments.lang,
            )
        )
    return found


def _target(out: str, source: Path, *, single: bool) -> str:
    folder = Path(out)
    if single and (out == "-" or not (folder.is_dir() or out.endswith("/"))):
        return out
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{source.stem}.jsonl")


def _series(path: Path | None) -> Mapping[str, Mapping[str, str]]:
    if path is None:
        return {}
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError("cannot be read", file=str(path), found=str(error)) from error
    if not isinstance(read, dict) or not all(isinstance(each, dict) for each in read.values()):
        raise ConfigError("not a description of series", file=str(path), allowed='{"<file stem>": {"tz": …, "freq": …}}')
    return {stem: {key: str(value) for key, value in each.items()} for stem, each in read.items()}


def _answers(path: Path) -> Mapping[str, tuple[tuple[int, str], ...]]:
    found: dict[str, list[tuple[int, str]]] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot be read", file=str(path), found=str(error)) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            read = json.loads(line)
            event, at, answer = str(read["event"]), str(read["at"]), read["answer"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ConfigError("not an answer", file=str(path), line=number, allowed='{"event": …, "at": …, "answer": …}') from None
        if answer not in ANSWERS:
            raise ConfigError("no such answer", file=str(path), line=number, found=repr(answer), allowed=", ".join(ANSWERS))
        try:
            found.setdefault(event, []).append((instant_ms(at, number), answer))
        except RowError as error:
            raise ConfigError(error.reason, file=str(path), line=number, key="at") from None
    return {event: tuple(sorted(given)) for event, given in found.items()}


def length_ms(written: str) -> int:
    """Return a length of time in ms. Raises ConfigError.

    >>> length_ms("15min"), length_ms("72h")
    (900000, 259200000)
    """
    match = _LENGTH.match(written.strip().lower())
    if match is None or match[2] not in _LENGTHS or float(match[1]) <= 0:
        raise ConfigError("not a length of time", found=repr(written), allowed="such as 15min, 1h, 3d")
    return round(float(match[1]) * _LENGTHS[match[2]])


def _interval_ms(written: str | None) -> int | None:
    if not written:
        return None
    told_ms = length_ms(written)
    if HOUR_MS % told_ms:
        raise ConfigError("intervals must divide an hour", key="--interval", found=repr(written), allowed="such as 5min, 15min, 1h")
    return told_ms


def _instant(written: str) -> int:
    try:
        return instant_ms(written, 0)
    except RowError as error:
        raise ConfigError(error.reason, key="--until") from None


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name. Raises ConfigError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError("no such time zone", key="--tz", found=repr(name), allowed="such as Asia/Ho_Chi_Minh") from None
