"""Figures that only the daemon has: what waits, what was set aside, whether the books add up.

Books and quarantine are read from the state file beside the writer, at most every half minute, whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from driftwatt.errors import Unavailable
from processors.adapters import records
from processors.alarms import Alarm
from processors.pipeline import Pipeline
from processors.pure import books
from processors.pure.gauges import Gauge, of_books

KEPT_S = 30.0
AUDIT_S = 60.0
DAYS = 7


class Gauges:
    """Figures of one running plant. `inbox` returns (bytes waiting, messages let go)."""

    def __init__(self, pipeline: Pipeline, state: Path, inbox: Callable[[], tuple[int, int]]) -> None:
        self._pipeline, self._state, self._inbox = pipeline, state, inbox
        self._kept: list[Gauge] = []
        self._read_s = float("-inf")

    async def read(self) -> list[Gauge]:
        """Return the figures of now; those of the state file may be half a minute old, and are left out when it cannot be read."""
        now_s = self._pipeline.clock.monotonic_s()
        if now_s - self._read_s >= KEPT_S:
            self._read_s = now_s
            try:
                self._kept = await asyncio.to_thread(self._from_state)
            except Unavailable:
                self._kept = []
        return [*self._now(), *self._kept]

    def _now(self) -> list[Gauge]:
        waiting, let_go = self._inbox()
        storing, now_ms = self._pipeline.storing, self._pipeline.clock.now_ms()
        trouble_s = (now_ms - storing.since_ms) / 1000 if storing.trouble else 0.0
        return [
            Gauge("store_ok", "0 while the store takes nothing.", [("", float(not storing.trouble))]),
            Gauge("store_trouble_seconds", "How long the store has not taken anything.", [("", trouble_s)]),
            Gauge("inbox_bytes", "Messages that wait to be taken.", [("", float(waiting))]),
            Gauge("inbox_let_go", "Messages not taken for want of room since the start; they come again.", [("", float(let_go))]),
        ]

    async def audit_books(self) -> None:
        """Raise an alarm for lines that do not add up twice in a row, every AUDIT_S; cancel it to stop.

        Once is no news: what an edge says and what the plant counted are not of the same moment.
        """
        before: set[tuple[str, str]] = set()
        while True:
            await asyncio.sleep(AUDIT_S)
            with suppress(Unavailable):
                lines = await asyncio.to_thread(self._lines)
                wrong = {(line["day"], line["meter"]) for line in lines if not books.balanced(line)}
                self._tell(wrong & before)
                before = wrong

    def _tell(self, wrong: set[tuple[str, str]]) -> None:
        standing, now_ms = self._pipeline.standing, self._pipeline.clock.now_ms()
        if not wrong:
            standing.pop("books_unbalanced", None)
            return
        since_ms = standing["books_unbalanced"].since_ms if "books_unbalanced" in standing else now_ms
        names = ", ".join(f"{meter} on {day}" for day, meter in sorted(wrong)[:20])
        standing["books_unbalanced"] = Alarm(since_ms, now_ms, f"{len(wrong)} lines do not add up: {names}")

    def _lines(self) -> list[dict[str, Any]]:
        known = records.newest_days(self._state, DAYS)
        if not known:
            return []
        owners = self._pipeline.intake.owners
        return books.ledger(records.book_rows(self._state, known[0]), records.edge_lines(self._state, known[0]), owners)

    def _from_state(self) -> list[Gauge]:
        n, size = records.quarantine_size(self._state)
        lines = self._lines()
        return [
            Gauge("quarantine_rows", "Rows and messages that are set aside.", [("", float(n))]),
            Gauge("quarantine_bytes", "Their size.", [("", float(size))]),
            *of_books(lines),
        ]
