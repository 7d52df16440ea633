"""`driftwatt report` at work: a month of a plant out of its files, read from beside, as pages, table or object."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from config.loader import load_plant
from config.plant import PlantFile
from driftwatt.alerts import Alert
from driftwatt.clock import Clock
from driftwatt.errors import ConfigError, Refused, Unavailable, WireError
from processors.adapters import records
from processors.adapters.folder import STATE, folder_of
from processors.adapters.stored import StoredSeries, tables_of
from processors.policies import policies
from processors.pure import engine
from processors.pure.board import Snapshot
from processors.pure.calendar import local
from processors.pure.memory import Memory
from processors.view import PlantView
from processors.web.pages import reports
from processors.web.report_data import document
from processors.web.report_rows import Month
from processors.web.site import STATIC, templates
from processors.web.text import Text
from processors.web.words import words

Form = Literal["html", "csv", "json"]
MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which month, in which language; without `lang` the plant's own."""

    month: str
    lang: str | None = None


def write(file: Path, wish: Wish, out: Path, *, clock: Clock) -> list[Path]:
    """Write the report and return what was written: one file where `out` ends in .html, .csv or .json, else all three in that folder.

    Raises ConfigErrors, Unavailable.
    """
    suffix = out.suffix.removeprefix(".")
    forms: Sequence[Form] = [form for form in get_args(Form) if form == suffix] or get_args(Form)
    view, month, text = _month(file, wish, clock)
    written = []
    for form in forms:
        path = out if form == suffix else out / f"{view.plant.plant.id}_{month.first:%Y-%m}.{form}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_as(form, view, month, text), encoding="utf-8", newline="\n")
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror or error}") from error
        written.append(path)
    return written


def as_object(file: Path, wish: Wish, *, clock: Clock) -> dict[str, Any]:
    """Return the report as one JSON object. Raises ConfigErrors, Unavailable."""
    view, month, _ = _month(file, wish, clock)
    return document(view, month)


def _month(file: Path, wish: Wish, clock: Clock) -> tuple[PlantView, Month, Text]:
    plant = load_plant(file)
    view = _view(plant, file, clock)
    today = local(view.zone, clock.now_ms()).date()
    match = MONTH.fullmatch(wish.month)
    if match is None or not reports.OLDEST <= (first := date(int(match[1]), int(match[2]), 1)) <= today:
        raise ConfigError("not a month that has begun", key="--month", found=repr(wish.month), allowed=f"such as {today:%Y-%m}")
    currency = plant.tariff.currency or (view.tariff.currency if view.tariff else "VND")
    return view, asyncio.run(reports.month_of(view, first)), Text(words(wish.lang or plant.plant.language), view.zone, currency)


def _as(form: Form, view: PlantView, month: Month, text: Text) -> str:
    if form == "csv":
        return reports.table(month)
    if form == "json":
        return json.dumps(document(view, month), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    css = (STATIC / "css" / "page.css").read_text(encoding="utf-8")
    said = asyncio.run(reports.content(view, text, month))
    return templates().get_template("report_file.html").render(t=text.words, plant=view.plant.plant.name, css=css, **said)


def _view(plant: PlantFile, file: Path, clock: Clock) -> PlantView:
    """Return the plant as its pages see it, over its files alone. Raises ConfigErrors, Unavailable for a plant that never ran."""
    state = folder_of(file, plant) / STATE
    if not state.exists():
        raise Unavailable(f"{state}: this plant never ran")
    known = policies(plant, file.parent, now_ms=clock.now_ms())
    drivers = next((policy.drivers.book for policy in known.values() if policy.drivers), None)
    if drivers is not None:
        drivers.restore(records.driver_parts(state))
    store, book = StoredSeries(tables_of(plant, file)), _Kept(records.alerts(state))
    return PlantView(plant, store=store, board=_NoBoard(), book=book, policies=known, clock=clock, memory=_memories(records.states(state)))


def _memories(kept: Mapping[str, Mapping[str, bytes]]) -> Callable[[str], Memory | None]:
    """Return how to look up what detection remembers of a meter; nothing of one whose state another version wrote."""

    def memory(meter: str) -> Memory | None:
        try:
            return engine.restore(kept[meter]).detector.memory
        except (KeyError, WireError):
            return None

    return memory


class _NoBoard:
    """Nothing lives beside a report."""

    def snapshot(self) -> Snapshot:
        return Snapshot({}, {})

    def subscribe(self) -> asyncio.Queue[str]:
        return asyncio.Queue()

    def unsubscribe(self, queue: asyncio.Queue[str]) -> None:
        del queue


class _Kept:
    """The alerts as they are kept; nobody answers them here."""

    def __init__(self, alerts: Sequence[Alert]) -> None:
        self._alerts = tuple(alerts)

    def alerts(self) -> Sequence[Alert]:
        return self._alerts

    def maintenance(self) -> Sequence[Any]:
        return ()

    async def answer(self, answer: object) -> NoReturn:
        raise Refused(f"a report answers nothing: {answer}")

    async def plan(self, window: object) -> NoReturn:
        raise Refused(f"a report plans nothing: {window}")

    async def end_plan(self, window: str, *, by: str, at_ms: int) -> NoReturn:
        raise Refused(f"a report ends nothing: {window} {by} {at_ms}")
