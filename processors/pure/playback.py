"""History through the detector: rows of one meter in, what was said out, in the order in which it could be known.

The same functions as in the running plant. A row is held back until a later one is there, so that of two rows
for one instant the last wins. Everything kept fits into bytes: a history cut anywhere and carried on says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import cast

from driftwatt.errors import WireError
from processors.pure import detector, waste, year_on_year
from processors.pure.codec import Codec
from processors.pure.csv_rows import HOUR_MS, Row, RowError, Unit
from processors.pure.detector import Answer, DetectorState
from processors.pure.event_lines import event_id
from processors.pure.hours import DOUBTFUL, DayClass, SiteCalendar
from processors.pure.memory import Memory
from processors.pure.outputs import Channel, DataFinding, ExpectedPower, Output, Readiness, SinceLastYear, WasteFinding
from processors.pure.settings import Settings
from processors.pure.waste import Scene

EPISODE_MS = 24 * HOUR_MS
DAY_MS = 24 * HOUR_MS
ANSWERS: tuple[Answer, ...] = ("known", "new_normal", "dismissed", "fixed")
Said = Output | SinceLastYear
Due = tuple[int, str, int, str]
"""An answer to come: instant, channel and beginning of the event, answer."""


@dataclass(frozen=True, slots=True)
class WeekCalendar:
    """The week as such: Sundays are off, nothing is ever closed."""

    def day_class(self, day: date) -> DayClass:
        """Return the class of a local day."""
        weekday = day.weekday()
        return "off" if weekday == 6 else "saturday" if weekday == 5 else "work_monday" if weekday == 0 else "work"

    def closed(self, start_ms: int, end_ms: int) -> bool:
        """Never."""
        del start_ms, end_ms
        return False


@dataclass(frozen=True, slots=True)
class Holiday:
    """A calendar on a day that the data themselves call a holiday."""

    other: SiteCalendar

    def day_class(self, day: date) -> DayClass:
        """Return `off`."""
        del day
        return "off"

    def closed(self, start_ms: int, end_ms: int) -> bool:
        """Tell what the other calendar says."""
        return self.other.closed(start_ms, end_ms)


@dataclass(slots=True)
class Kept:
    """What a playback remembers besides the detector; changed in place, row by row. Times are UTC ms, 0 for none.

    `held` is the last row, `length_ms` how long the one before it lasted, `valued_ms` how long all good ones did; `due` are
    answers to come; `repeated` is the open episode of doubled rows (since, last).
    """

    step_ms: int = 0
    held: Row | None = None
    count: int = 0
    valued_ms: int = 0
    length_ms: int = 0
    first_ms: int = 0
    last_ms: int = 0
    events: int = 0
    readiness: str = ""
    due: tuple[Due, ...] = ()
    repeated: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """How a history is played: settings of the meter, unit of the values, and who answers.

    `auto_ms` answers every waste event `known` so long after it was said; 0 never. `answers` are people's, by
    event id: (instant, answer), ascending; one given before the event was said counts from then.
    """

    settings: Settings
    unit: Unit = "kwh"
    auto_ms: int = 0
    answers: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Playback:
    """One meter's history in the playing; `detector` is a value, `kept` changes in place."""

    rules: Rules
    detector: DetectorState = field(default_factory=DetectorState)
    kept: Kept = field(default_factory=Kept)
    _festive: Settings | None = None

    def start(self, step_ms: int) -> None:
        """Say how long an interval is, before the first row."""
        self.kept.step_ms = step_ms

    def take(self, rows: Iterable[Row]) -> Iterator[Said]:
        """Play rows in ascending order and yield what is said. Raises RowError for one that goes back in time."""
        kept = self.kept
        held = kept.held
        begun_ms = held.start_ms if held else None
        for row in rows:
            if held is not None:
                start_ms, before_ms = row[1], held[1]
                if start_ms > before_ms:
                    said = self._play(held, start_ms)
                    if said:
                        yield from said
                else:
                    if start_ms == before_ms:
                        yield from self._repeat(held, row)
                        held = kept.held
                    elif begun_ms is None or start_ms > begun_ms or before_ms > begun_ms:
                        raise RowError(row.line, "is earlier than the row before; rows must be in ascending order")
                    continue
            kept.held = held = row

    def finish(self) -> Iterator[Said]:
        """Play the last row and close what is open: the data end here."""
        if self.kept.held is not None:
            yield from self._play(self.kept.held, None)
        at_ms, state = self.kept.last_ms, self.detector
        if compared := year_on_year.since_last_year(state.memory, self.rules.settings.meter, at_ms):
            yield compared
        for event in state.events:
            scene = Scene(state.memory, self.rules.settings, at_ms)
            yield waste.finding(event, "closed", scene, reason="end_of_data")
        for reason, since_ms, _ in state.gate.episodes:
            yield DataFinding(self.rules.settings.meter, "closed", reason, at_ms, since_ms, {"reason": "end_of_data"})
        if self.kept.repeated:
            yield DataFinding(self.rules.settings.meter, "closed", "duplicate", at_ms, self.kept.repeated[0], {"reason": "end_of_data"})

    def answer(self, channel: str, since_ms: int, what: str, at_ms: int) -> list[Output]:
        """Answer an open event now."""
        self.detector, said = detector.answer(
            self.detector, self.rules.settings, cast("Channel", channel), since_ms, cast("Answer", what), at_ms
        )
        return list(said)

    def _repeat(self, held: Row, row: Row) -> Iterator[Output]:
        """Two rows for one instant: equal ones are one, of different ones the last wins and an event tells."""
        if held.same(row):
            return
        self.kept.held = row
        at_ms = row.start_ms + self.kept.step_ms
        if not self.kept.repeated:
            yield DataFinding(self.rules.settings.meter, "opened", "duplicate", at_ms, row.start_ms, {"line": float(row.line)})
        self.kept.repeated = ((self.kept.repeated or (row.start_ms,))[0], row.start_ms)

    def _play(self, row: Row, next_ms: int | None) -> Sequence[Said]:
        """Play one row; the interval ends where the next one begins, if that is earlier."""
        kept, rules = self.kept, self.rules
        _, start_ms, value, temperature, production, holiday, quality = row
        if value is None:
            return ()
        length_ms = kept.step_ms
        if next_ms is None:
            length_ms = kept.length_ms or length_ms
        elif next_ms - start_ms < length_ms:
            length_ms = next_ms - start_ms
        end_ms, kept.length_ms = start_ms + length_ms, length_ms
        told: list[Said] = self._answers(end_ms) if kept.due else []
        memory = self.detector.memory
        kwh = value if rules.unit == "kwh" else value * (end_ms - start_ms) / HOUR_MS
        settings = self._holiday() if holiday else rules.settings
        believed = None if quality & DOUBTFUL else kwh
        self.detector, said = detector.take(self.detector, start_ms, end_ms, believed, settings, temperature, production)
        kept.count += 1
        if not quality:
            kept.valued_ms += length_ms
        if not kept.first_ms:
            kept.first_ms = start_ms
        kept.last_ms = end_ms
        if kept.repeated and start_ms - kept.repeated[1] >= EPISODE_MS:
            told.append(DataFinding(rules.settings.meter, "closed", "duplicate", end_ms, kept.repeated[0]))
            kept.repeated = ()
        if said:
            told += self._heard(said)
        if self.detector.memory is not memory:
            told += self._month(memory, end_ms)
        return told

    def _month(self, before: Memory, at_ms: int) -> Iterator[SinceLastYear]:
        """Compare with last year when a day begins another month."""
        memory = self.detector.memory
        last = year_on_year.month_over(memory) if memory.days is not before.days else None
        found = year_on_year.since_last_year(memory, self.rules.settings.meter, at_ms, last) if last else None
        if found:
            yield found

    def _heard(self, said: Iterable[Output]) -> Iterator[Output]:
        for output in said:
            if isinstance(output, ExpectedPower):
                continue
            if isinstance(output, Readiness):
                if output.state == self.kept.readiness:
                    continue
                self.kept.readiness = output.state
            if isinstance(output, WasteFinding) and output.state == "opened":
                self.kept.due = tuple(sorted((*self.kept.due, *self._to_come(output)), key=lambda each: each[0]))
                self.kept.events += 1
            yield output

    def _to_come(self, opened: WasteFinding) -> list[Due]:
        """Return the answers that an event will get."""
        given = [(max(at_ms, opened.at_ms), what) for at_ms, what in self.rules.answers.get(event_id(opened), ())]
        if self.rules.auto_ms:
            given.append((opened.at_ms + self.rules.auto_ms, "known"))
        return [(at_ms, opened.channel, opened.since_ms, what) for at_ms, what in given]

    def _answers(self, before_ms: int) -> list[Said]:
        """Give the answers that are due before the end of the next interval."""
        told: list[Said] = []
        while self.kept.due and self.kept.due[0][0] < before_ms:
            (at_ms, channel, since_ms, what), *rest = self.kept.due
            self.kept.due = tuple(rest)
            told += self.answer(channel, since_ms, what, at_ms)
        return told

    def _holiday(self) -> Settings:
        if self._festive is None:
            self._festive = replace(self.rules.settings, calendar=Holiday(self.rules.settings.calendar))
        return self._festive

    def dump(self) -> bytes:
        """Return everything remembered as versioned, checksummed bytes."""
        return _CODEC.seal(self.kept, detector.dump(self.detector))

    def load(self, data: bytes) -> None:
        """Go on from bytes. Raises WireError for damage and UnknownMajor for another version."""
        kept, state = _CODEC.open(data, 2)
        if not isinstance(kept, Kept) or not isinstance(state, bytes):
            raise WireError("snapshot", "not the state of an analysis")
        self.kept, self.detector = kept, detector.load(state)

    def summary(self) -> dict[str, float]:
        """Return what the last line says of the whole."""
        kept = self.kept
        span_ms = kept.last_ms - kept.first_ms
        return {
            "rows": kept.count,
            "valid_days": self.detector.memory.valid_days,
            "missing_share": round(1 - kept.valued_ms / span_ms, 6) if span_ms else 0.0,
            "events": kept.events,
            "meter_months": round(span_ms / DAY_MS / (365.25 / 12), 3),
        }


_CODEC = Codec(3, (Kept, Row))
