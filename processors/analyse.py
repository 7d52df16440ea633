"""The work of `driftwatt analyse`: files in, files out, one meter per file, as many at once as there are cores."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from config.loader import load_calendar, load_factors, load_tariff
from config.plant import TariffChoice
from driftwatt.errors import ConfigError, WireError
from processors.policies import day_calendar, factor_book, tariff_book
from processors.pure.appraise import AlertContext
from processors.pure.csv_rows import HOUR_MS, Row, RowError, instant_ms, interval_ms, rows
from processors.pure.event_lines import Line, line_of, summary_line, text
from processors.pure.hours import SiteCalendar
from processors.pure.playback import ANSWERS, Playback, Rules, WeekCalendar
from processors.pure.report import page
from processors.pure.settings import Settings

PEEK = 500
"""Rows looked at to find the interval."""
YEARS_BACK, YEARS_AHEAD = 1, 12
_LENGTHS = {"s": 1_000, "min": 60_000, "m": 60_000, "h": HOUR_MS, "d": 24 * HOUR_MS}
_LENGTH = re.compile(r"^(\d+(?:\.\d+)?)\s*([a-z]+)$")


@dataclass(frozen=True, slots=True)
class Task:
    """One file to be analysed. Everything in it can be sent to another process."""

    source: Path
    target: str
    meter: str
    zone: str
    interval: str | None
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


def run(arguments: argparse.Namespace) -> int:
    """Analyse what the arguments name; return 1 when a file could not be read. Raises ConfigError."""
    tasks = _tasks(arguments)
    jobs = min(len(tasks), arguments.jobs or os.cpu_count() or 1)
    failed = 0
    bar = _Bar(len(tasks))
    for said in _all(tasks, jobs):
        bar.step(said)
        failed += bool(said)
    return 1 if failed else 0


def _all(tasks: Sequence[Task], jobs: int) -> Iterator[str]:
    if jobs <= 1:
        yield from map(analyse, tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(analyse, tasks, chunksize=max(1, min(8, len(tasks) // (4 * jobs))))


def analyse(task: Task) -> str:
    """Analyse one file; return what is wrong with it, or nothing. Raises ConfigError for tables and snapshots."""
    try:
        with _reading(task.source) as lines, _writing(task.target) as out:
            _play(task, rows(lines), out)
    except RowError as error:
        return f"{task.source}: {error}"
    except UnicodeDecodeError as error:
        return f"{task.source}: not UTF-8 ({error.reason} at byte {error.start} of a block)"
    except OSError as error:
        return f"{error.filename or task.source}: {error.strerror or error}"
    return ""


@dataclass(slots=True)
class _Days:
    """Mean kW per local day of the rows that pass, for the pictures of a report."""

    zone: ZoneInfo
    kwh: bool
    step_ms: int
    sums: dict[int, tuple[float, int]]

    def watch(self, found: Iterable[Row]) -> Iterator[Row]:
        """Let rows pass and add them up."""
        per_row = HOUR_MS / self.step_ms if self.kwh else 1.0
        for row in found:
            if row.value is not None and not row.quality:
                day = datetime.fromtimestamp(row.start_ms / 1000, self.zone).toordinal()
                total, count = self.sums.get(day, (0.0, 0))
                self.sums[day] = (total + row.value * per_row, count + 1)
            yield row

    def means(self) -> dict[int, float]:
        """Return the mean kW by local date (ordinal)."""
        return {day: total / count for day, (total, count) in self.sums.items()}


def _play(task: Task, found: Iterator[Row], out: IO[str]) -> None:
    first = list(islice(found, PEEK))
    if not first and task.state_in is None:
        raise RowError(2, "the file has no rows")
    played = _playback(task, first)
    context = _context(task)
    wanted: Iterable[Row] = chain(first, found)
    if task.until_ms is not None:
        wanted = _before(wanted, task.until_ms)
    days = None
    told: list[Line] = []
    if task.html is not None:
        days = _Days(_zone(task.zone), task.unit == "kwh", played.kept.step_ms, {})
        wanted = days.watch(wanted)
    for line in _lines(played, wanted, context, task):
        out.write(text(line))
        if days is not None:
            told.append(line)
    if task.html is not None and days is not None:
        task.html.parent.mkdir(parents=True, exist_ok=True)
        task.html.write_text(page(task.meter, told, days.means(), days.zone), encoding="utf-8")


def _lines(played: Playback, wanted: Iterable[Row], context: AlertContext, task: Task) -> Iterator[Line]:
    """Yield the lines of a history; at its end either the state is written or what is open is closed."""
    yield from filter(None, (line_of(output, context) for output in played.take(wanted)))
    if task.state_out is not None:
        task.state_out.write_bytes(played.dump())
        return
    yield from filter(None, (line_of(output, context) for output in played.finish()))
    yield summary_line(task.meter, played.kept.last_ms, played.summary())


def _before(found: Iterable[Row], until_ms: int) -> Iterator[Row]:
    for row in found:
        if row.start_ms >= until_ms:
            return
        yield row


def _playback(task: Task, first: Sequence[Row]) -> Playback:
    zone = _zone(task.zone)
    settings = Settings(task.meter, zone, _calendar(task, first, zone), task.threshold, band=False)
    played = Playback(Rules(settings, "kw" if task.unit == "kw" else "kwh", task.auto_ms, task.answers))
    if task.state_in is not None:
        try:
            played.load(task.state_in.read_bytes())
        except WireError as error:
            raise ConfigError("not a snapshot of an analysis", file=str(task.state_in), found=str(error)) from error
    else:
        played.start(length_ms(task.interval) if task.interval else interval_ms(first))
    return played


def _calendar(task: Task, first: Sequence[Row], zone: ZoneInfo) -> SiteCalendar:
    if task.calendar is None:
        return WeekCalendar()
    year = 1970 + (first[0].start_ms if first else 0) // (365 * 24 * HOUR_MS)
    years = range(year - YEARS_BACK, year + YEARS_AHEAD)
    return day_calendar(load_calendar(task.calendar, Path()), (), task.meter, zone, years=years)


def _context(task: Task) -> AlertContext:
    zone = _zone(task.zone)
    tariff = tariff_book(load_tariff(task.tariff, Path()), TariffChoice(use=task.tariff), zone) if task.tariff else None
    factors = factor_book(load_factors(task.factors, Path()), task.factors, zone) if task.factors else None
    return AlertContext(plant="", tariff=tariff, factors=factors)


def _tasks(arguments: argparse.Namespace) -> list[Task]:
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
    found = []
    for source, target in zip(sources, targets, strict=True):
        own = series.get(source.stem, {})
        zone = own.get("tz") or arguments.tz
        _zone(zone)
        found.append(
            Task(
                source=source,
                target=target,
                meter=arguments.meter or source.stem,
                zone=zone,
                interval=arguments.interval or own.get("freq"),
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
            )
        )
    _context(found[0])
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
        found.setdefault(event, []).append((_instant(at), answer))
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


def _instant(written: str) -> int:
    try:
        return instant_ms(written, 0)
    except RowError as error:
        raise ConfigError(error.reason) from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError("no such time zone", key="--tz", found=repr(name), allowed="such as Asia/Ho_Chi_Minh") from None


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[IO[str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        yield lines


@contextlib.contextmanager
def _writing(target: str) -> Iterator[IO[str]]:
    """Give a file that takes its name when it is whole; what fails leaves nothing under that name."""
    if target == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    path = Path(target)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            yield out
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class _Bar:
    """A progress bar on a terminal; what is wrong with a file is said in any case."""

    WIDTH = 30

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._shown = sys.stderr.isatty() and total > 1

    def step(self, wrong: str) -> None:
        """Count one file as done."""
        self._done += 1
        if wrong:
            print(("\r\x1b[K" if self._shown else "") + f"driftwatt: {wrong}", file=sys.stderr)
        if self._shown:
            filled = self.WIDTH * self._done // self._total
            end = "\n" if self._done == self._total else ""
            bar = "#" * filled + "." * (self.WIDTH - filled)
            print(f"\ranalyse [{bar}] {self._done} of {self._total}", end=end, file=sys.stderr, flush=True)
