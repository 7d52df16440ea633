"""The work of `driftwatt analyse`: files in, files out, one meter per file, as many at once as there are cores."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple
from zoneinfo import ZoneInfo

from config.loader import load_calendar, load_factors, load_tariff
from config.plant import TariffChoice
from driftwatt.errors import ConfigError, WireError
from processors.analyse_days import Days
from processors.analyse_files import Bar, reading, writing
from processors.analyse_page import page
from processors.analyse_tasks import Task, tasks_of, zone_of
from processors.policies import day_calendar, factor_book, tariff_book
from processors.pure.appraise import AlertContext
from processors.pure.csv_rows import HOUR_MS, Row, RowError, interval_ms, rows
from processors.pure.event_lines import Line, line_of, summary_line, text
from processors.pure.hours import SiteCalendar
from processors.pure.playback import Playback, Rules, WeekCalendar
from processors.pure.settings import Settings
from processors.pure.spacing import Spacing
from processors.web.text import Text
from processors.web.words import words

PEEK = 500
"""Rows looked at to find the interval."""
YEARS_BACK, YEARS_AHEAD = 1, 12


class Said(NamedTuple):
    """What came of a file: what is wrong with it, or nothing; the waste events that were told."""

    wrong: str
    events: set[str]


def run(arguments: argparse.Namespace) -> int:
    """Analyse what the arguments name; return 1 when a file could not be read. Raises ConfigError."""
    tasks = tasks_of(arguments)
    _context(tasks[0])
    jobs = min(len(tasks), arguments.jobs or os.cpu_count() or 1)
    failed = 0
    bar = Bar(len(tasks))
    known: set[str] = set()
    for said, events in _all(tasks, jobs):
        bar.step(said)
        failed += bool(said)
        known |= events
    for event in sorted(set(tasks[0].answers) - known):
        print(f"driftwatt: {arguments.answers}: no event {event} was open; its answer changed nothing", file=sys.stderr)
    return 1 if failed else 0


def _all(tasks: Sequence[Task], jobs: int) -> Iterator[Said]:
    if jobs <= 1:
        yield from map(analyse, tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(analyse, tasks, chunksize=max(1, min(8, len(tasks) // (4 * jobs))))


def analyse(task: Task) -> Said:
    """Analyse one file. Raises ConfigError for tables and snapshots."""
    events: set[str] = set()
    try:
        with reading(task.source) as lines, writing(task.target) as out:
            _play(task, rows(lines), out, events)
    except RowError as error:
        return Said(f"{task.source}: {error}", events)
    except UnicodeDecodeError as error:
        return Said(f"{task.source}: not UTF-8 ({error.reason} at byte {error.start} of a block); save it as CSV UTF-8", events)
    except OSError as error:
        return Said(f"{error.filename or task.source}: {error.strerror or error}", events)
    return Said("", events)


def _play(task: Task, found: Iterator[Row], out: IO[str], events: set[str]) -> None:
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
    spacing = Spacing(task.meter, played.kept.step_ms)
    wanted = spacing.watch(wanted)
    if task.html is not None:
        days = Days(zone_of(task.zone), task.unit == "kwh", played.kept.step_ms)
        wanted = days.watch(wanted)
    for line in spacing.among(_lines(played, wanted, context, task)):
        out.write(text(line))
        if line["type"] == "waste":
            events.add(line["event"])
        if days is not None:
            told.append(line)
    if task.html is not None and days is not None:
        task.html.parent.mkdir(parents=True, exist_ok=True)
        currency = context.tariff.currency if context.tariff else "VND"
        text_of = Text(words(task.lang), zone_of(task.zone), currency)
        task.html.write_text(page(task.meter, told, played.summary(), days, text_of), encoding="utf-8")


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
    zone = zone_of(task.zone)
    settings = Settings(task.meter, zone, _calendar(task, first, zone), task.threshold, band=False)
    played = Playback(Rules(settings, "kw" if task.unit == "kw" else "kwh", task.auto_ms, task.answers))
    if task.state_in is not None:
        try:
            played.load(task.state_in.read_bytes())
        except WireError as error:
            raise ConfigError("not a snapshot of an analysis", file=str(task.state_in), found=str(error)) from error
    else:
        played.start(interval_ms(first, task.interval_ms))
    return played


def _calendar(task: Task, first: Sequence[Row], zone: ZoneInfo) -> SiteCalendar:
    if task.calendar is None:
        return WeekCalendar()
    year = 1970 + (first[0].start_ms if first else 0) // (365 * 24 * HOUR_MS)
    years = range(year - YEARS_BACK, year + YEARS_AHEAD)
    return day_calendar(load_calendar(task.calendar, Path()), (), task.meter, zone, years=years)


def _context(task: Task) -> AlertContext:
    zone = zone_of(task.zone)
    tariff = tariff_book(load_tariff(task.tariff, Path()), TariffChoice(use=task.tariff), zone) if task.tariff else None
    factors = factor_book(load_factors(task.factors, Path()), task.factors, zone) if task.factors else None
    return AlertContext(plant="", tariff=tariff, factors=factors)
