"""What the pages ask of the plant: numbers only, in UTC milliseconds, W, Wh and the tariff's currency.

The top half is what the view needs from the pipeline, in the view's own words; the pipeline provides it.
No HTML, no language, no formatting lives here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from config.plant import PlantFile, PlantMeter
from driftwatt.alerts import Alert
from driftwatt.clock import Clock
from driftwatt.readings import Quality, Reading
from processors.ports import SeriesStore
from processors.pure.board import Answer, AnswerWord, EdgeNow, MeterNow, Progress, Snapshot
from processors.pure.calendar import ClosedWindow, day_start_ms, local
from processors.pure.maintenance import Maintenance, policy_with
from processors.pure.memory import Memory
from processors.pure.outputs import ExpectedPower, IntervalEnergy
from processors.pure.policy import MeterPolicy

__all__ = ["AlertBook", "Answer", "AnswerWord", "EdgeNow", "LiveBoard", "MeterNow", "PlantView", "Progress", "Snapshot", "Span"]

MINUTE_MS, QUARTER_MS, DAY_MS = 60_000, 900_000, 86_400_000
MOMENT_MS = 200
OPEN_MS = 2 * QUARTER_MS
"""How long power stands for energy on the page where no counter tells it."""
FINE_SPAN_MS = 9 * DAY_MS
"""Spans up to this length are shown in quarter-hours, longer ones in hours."""


class LiveBoard(Protocol):
    """The newest state of the plant, kept by the pipeline. Every method is called from the event loop."""

    def snapshot(self) -> Snapshot:
        """Return what is known now. Cheap; the result never changes afterwards."""

    def subscribe(self) -> asyncio.Queue[str]:
        """Return a bounded queue that receives a word whenever something changed, at most 4 times a second.

        Words: `meters`, `edges`, `alerts`, `progress`. A full queue drops words (the reader reads a whole snapshot).
        """

    def unsubscribe(self, queue: asyncio.Queue[str]) -> None:
        """Take a queue back; unknown queues are ignored."""


class AlertBook(Protocol):
    """All alerts and maintenance windows, and the way in for what people say about them."""

    def alerts(self) -> Sequence[Alert]:
        """Return every alert that is kept, open or closed, in any order."""

    async def answer(self, answer: Answer) -> Alert:
        """Journal the answer durably, apply it and return the alert as it is now.

        Raises KeyError for an unknown alert, Refused with a sentence when the rules do not allow it
        (somebody else was first, the ten seconds of `undo` are over, shelved for longer than 7 days).
        """

    def maintenance(self) -> Sequence[Maintenance]:
        """Return every maintenance window that was set on the page, in any order."""

    async def plan(self, window: Maintenance) -> Maintenance:
        """Keep a new window durably and follow it; returns it as kept. Raises Refused with a word that names why not."""

    async def end_plan(self, window: str, *, by: str, at_ms: int) -> Maintenance:
        """End a window now, or take it back. Raises KeyError for an unknown one, Refused for one that is over."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is stored of one meter in `[start_ms, end_ms)`.

    `intervals` and `expected` are quarter-hours (hours in long spans), ascending. `tail` is what came after
    the last closed interval: (minute start ms, mean W), empty unless asked for. `base` is the first counter
    value after the last closed interval (t_ms, Wh as the meter said it), None where there is none yet.
    """

    meter: str
    start_ms: int
    end_ms: int
    loaded_ms: int
    step_ms: int = QUARTER_MS
    intervals: tuple[IntervalEnergy, ...] = ()
    expected: tuple[ExpectedPower, ...] = ()
    tail: tuple[tuple[int, float], ...] = ()
    base: tuple[int, float] | None = None

    @property
    def closed_to_ms(self) -> int:
        """Where the closed intervals end; the start of the span when there is none."""
        return self.intervals[-1].end_ms if self.intervals else self.start_ms

    def expected_at(self, t_ms: int) -> ExpectedPower | None:
        """Return what was expected at an instant."""
        for point in reversed(self.expected):
            if point.start_ms <= t_ms:
                return point if t_ms < point.start_ms + self.step_ms else None
        return None


class PlantView:
    """The plant as the pages see it: files, live board, alerts, and today's stored figures kept at hand.

    `staged` is a plant whose meters are all simulated or recorded. Only there the page follows the past that is being
    filled in; where one meter is real it shows now, however much an edge has still to send. `has_past` tells whether the
    store held something at the start, None while that is not known. `memory` returns what detection remembers of a meter.
    """

    def __init__(
        self,
        plant: PlantFile,
        *,
        store: SeriesStore,
        board: LiveBoard,
        book: AlertBook,
        policies: Mapping[str, MeterPolicy],
        clock: Clock,
        memory: Callable[[str], Memory | None] = lambda _: None,
    ) -> None:
        self.zone = ZoneInfo(plant.plant.timezone)
        self.board, self.book, self.clock, self.memory = board, book, clock, memory
        self.today: dict[str, Span] = {}
        self.has_past: bool | None = None
        self._store = store
        self._asked_ms = self._behind_ms = 0
        self.follow(plant, policies)

    def follow(self, plant: PlantFile, policies: Mapping[str, MeterPolicy]) -> None:
        """Show a changed plant file from now on; its zone is that of the start."""
        self.plant, self.policies = plant, policies
        self.meters: dict[str, PlantMeter] = {meter.id: meter for meter in plant.meter}
        self.staged = all(meter.source != "measured" for meter in plant.meter)
        self.today = {meter: span for meter, span in self.today.items() if meter in self.meters}
        self._ratio = {meter: policy.ratio * policy.sign for meter, policy in policies.items()}
        any_policy = next(iter(policies.values()), None)
        self.tariff = any_policy.tariff if any_policy else None
        self.factors = any_policy.factors if any_policy else None

    def now_ms(self) -> int:
        """Return the instant that the page shows, UTC ms: the clock's, in a staged plant how far the past has been filled in."""
        real_ms = self.clock.now_ms()
        if not self.staged:
            return real_ms
        if abs(real_ms - self._asked_ms) >= MOMENT_MS:
            progress = self.board.snapshot().progress
            self._asked_ms = real_ms
            self._behind_ms = max(0, real_ms - progress.to_ms) if progress is not None and progress.to_ms else 0
        return real_ms - self._behind_ms

    @property
    def filling(self) -> bool:
        """Whether the page shows the past that is being filled in."""
        return self.now_ms() < self.clock.now_ms()

    @property
    def incomers(self) -> tuple[PlantMeter, ...]:
        """Meters that feed others and are fed by none; all unfed meters where nothing feeds anything."""
        fed = {child for meter in self.plant.meter for child in meter.feeds}
        roots = tuple(meter for meter in self.plant.meter if meter.id not in fed)
        return tuple(meter for meter in roots if meter.feeds) or roots

    @property
    def feeds(self) -> dict[str, tuple[str, ...]]:
        """The feeder tree: which meters a meter feeds."""
        return {meter.id: tuple(meter.feeds) for meter in self.plant.meter}

    def ratio(self, meter: str) -> float:
        """Return the factor of a meter's power: CT × PT × sign."""
        return self._ratio.get(meter, 1.0)

    def power_w(self, reading: Reading | None) -> float | None:
        """Return the active power of a reading in W, ratio and sign applied; None without a number."""
        if reading is None or "active_power" not in reading.values:
            return None
        return reading.values["active_power"] * self.ratio(reading.meter)

    def energy_wh(self, meter: str, now: Reading | None) -> float:
        """Return today's energy of a meter in Wh: closed intervals and what its counter says since.

        Where no counter tells, the power of now stands for the open interval if that is no longer than half an hour;
        of a longer time nothing is known, and nothing is added.
        """
        span = self.today.get(meter)
        if span is None:
            return 0.0
        closed = sum(each.import_wh for each in span.intervals)
        if now is None or now.t_ms <= span.closed_to_ms or now.t_ms >= span.end_ms:
            return closed
        counter = now.values.get("import_energy")
        if counter is not None and span.base is not None and now.t_ms >= span.base[0] and counter >= span.base[1]:
            return closed + (counter - span.base[1]) * abs(self.ratio(meter))
        if not span.intervals or (counter is not None and span.base is None) or now.t_ms - span.closed_to_ms > OPEN_MS:
            return closed
        return closed + max(0.0, self.power_w(now) or 0.0) * (now.t_ms - span.closed_to_ms) / 3_600_000

    def day_bounds(self, t_ms: int, *, days: int = 0) -> tuple[int, int]:
        """Return start and end of the plant's local day of an instant, `days` days further on."""
        day = local(self.zone, t_ms).date() + timedelta(days=days)
        return day_start_ms(self.zone, day), day_start_ms(self.zone, day + timedelta(days=1))

    async def refresh(self, *, meters: Iterable[str] | None = None) -> None:
        """Load today's stored figures anew. Raises Unavailable when the store does not answer."""
        start_ms, end_ms = self.day_bounds(self.now_ms())
        if self.has_past is None:
            self.has_past = await asyncio.to_thread(self._has_past, start_ms)
        tails = {meter.id for meter in self.incomers}
        for meter in meters or self.meters:
            self.today[meter] = await self.span(meter, start_ms, end_ms, tail=meter in tails)

    async def span(self, meter: str, start_ms: int, end_ms: int, *, tail: bool = True) -> Span:
        """Return what is stored of a meter in a span of time. Raises Unavailable."""
        return await asyncio.to_thread(self._load, meter, start_ms, end_ms, now_ms=self.now_ms(), tail=tail)

    async def readings(self, meter: str, quantity: str, start_ms: int, end_ms: int) -> list[tuple[int, float, int]]:
        """Return raw readings (t_ms, value, quality), ratio and sign applied to power. Raises Unavailable."""
        rows = await asyncio.to_thread(self._store.readings, meter, quantity, start_ms, end_ms)
        factor = self.ratio(meter) if "power" in quantity and "factor" not in quantity else 1.0
        return [(t_ms, value * factor, quality) for t_ms, value, quality in rows]

    async def intervals(self, kind: str, meter: str, start_ms: int, end_ms: int) -> list[IntervalEnergy]:
        """Return closed intervals of a kind, newest revision each. Raises Unavailable."""
        return await asyncio.to_thread(self._store.intervals, kind, meter, start_ms, end_ms)

    async def expected(self, meter: str, start_ms: int, end_ms: int) -> list[ExpectedPower]:
        """Return expected power by quarter-hour. Raises Unavailable."""
        return await asyncio.to_thread(self._store.expected, meter, start_ms, end_ms)

    def shutdowns(self, meter: str, start_ms: int, end_ms: int) -> list[ClosedWindow]:
        """Return the shutdowns of a meter that touch a span, those of the plant file and those set on the page, ascending."""
        policy = self.policies.get(meter)
        if policy is None:
            return []
        known = policy_with(policy, {each.id: each for each in self.book.maintenance()}).calendar.closed_windows
        return [each for each in known if each.from_ms < end_ms and start_ms < each.to_ms]

    def alert(self, alert: str) -> Alert | None:
        """Return the alert with an id, None where there is none."""
        return next((each for each in self.book.alerts() if each.id == alert), None)

    def _load(self, meter: str, start_ms: int, end_ms: int, *, now_ms: int, tail: bool) -> Span:
        kind, step_ms = ("15m", QUARTER_MS) if end_ms - start_ms <= FINE_SPAN_MS else ("1h", 4 * QUARTER_MS)
        intervals = tuple(self._store.intervals(kind, meter, start_ms, min(end_ms, now_ms)))
        expected = tuple(self._store.expected(meter, start_ms, end_ms))
        closed_ms = intervals[-1].end_ms if intervals else start_ms
        live = start_ms <= now_ms < end_ms
        after = self._first_count(meter, closed_ms, now_ms) if live else None
        return Span(
            meter=meter,
            start_ms=start_ms,
            end_ms=end_ms,
            loaded_ms=self.clock.now_ms(),
            step_ms=step_ms,
            intervals=intervals,
            expected=expected if step_ms == QUARTER_MS else hourly(expected),
            tail=self._tail(meter, max(closed_ms, now_ms - 2 * 3_600_000), now_ms) if tail and live else (),
            base=after,
        )

    def _has_past(self, until_ms: int) -> bool:
        """Whether anything was stored in the week before an instant; a plant that starts again is not a new one."""
        return any(self._store.intervals("1h", meter, until_ms - 7 * DAY_MS, until_ms) for meter in tuple(self.meters))

    def _first_count(self, meter: str, from_ms: int, to_ms: int) -> tuple[int, float] | None:
        """Where the counter stood first in a span; it is nearly always found in the first minutes, which are asked alone."""
        for end_ms in sorted({min(from_ms + 3 * MINUTE_MS, to_ms), to_ms}):
            for t_ms, count, _ in self._store.readings(meter, "import_energy", from_ms, end_ms):
                return t_ms, count
        return None

    def _tail(self, meter: str, from_ms: int, to_ms: int) -> tuple[tuple[int, float], ...]:
        minutes: dict[int, list[float]] = {}
        for t_ms, value, quality in self._store.readings(meter, "active_power", from_ms, to_ms):
            if not quality & Quality.MISSING:
                minutes.setdefault(t_ms - t_ms % MINUTE_MS, []).append(value)
        factor = self.ratio(meter)
        return tuple((start, factor * sum(values) / len(values)) for start, values in sorted(minutes.items()))


def hourly(points: Sequence[ExpectedPower]) -> tuple[ExpectedPower, ...]:
    """Return the hourly means of quarter-hours; the band's ends are means too."""
    hours: dict[int, list[ExpectedPower]] = {}
    for point in points:
        hours.setdefault(point.start_ms - point.start_ms % (4 * QUARTER_MS), []).append(point)
    return tuple(
        ExpectedPower(
            group[0].meter,
            start,
            sum(p.w for p in group) / len(group),
            sum(p.lo for p in group) / len(group),
            sum(p.hi for p in group) / len(group),
        )
        for start, group in hours.items()
    )
