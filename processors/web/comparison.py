"""What a meter's chart is compared with: the period before, or another meter over the same days."""

from __future__ import annotations

from typing import Any, Protocol

from config.plant import PlantMeter
from processors.view import PlantView
from processors.web import charts
from processors.web.text import Text

BEFORE = "before"


class Shown(Protocol):
    """The days and the meter that the page shows."""

    @property
    def meter(self) -> PlantMeter:
        """The meter of the page."""

    @property
    def range(self) -> str:
        """`day`, `week` or `month`."""

    @property
    def start_ms(self) -> int:
        """Start of the days shown."""

    @property
    def end_ms(self) -> int:
        """End of the days shown."""


async def line(view: PlantView, text: Text, shown: Shown, against: str) -> list[dict[str, Any]]:
    """Return the comparison line of a chart, moved onto the days shown. Raises Unavailable."""
    length_ms = shown.end_ms - shown.start_ms
    by_ms, meter = (7 * length_ms if shown.range == "day" else length_ms, shown.meter.id) if against == BEFORE else (0, against)
    span = await view.span(meter, shown.start_ms - by_ms, shown.end_ms - by_ms, tail=False)
    drawn = charts.measured(span).line
    return [{"text": name(view, text, against), "line": [[None if t is None else t + by_ms for t in drawn[0]], drawn[1]]}]


def name(view: PlantView, text: Text, against: str) -> str:
    """Return what a comparison is called."""
    if not against:
        return text.words["m.compare_none"]
    return text.words["m.compare_before"] if against == BEFORE else view.meters[against].name


def choices(view: PlantView, text: Text, shown: Shown, against: str) -> list[tuple[str, str, bool]]:
    """Return (value, name, chosen) of what may be compared with: the meters of the same area first."""
    others = [each for each in view.plant.meter if each.id != shown.meter.id]
    others.sort(key=lambda each: (each.area != shown.meter.area, each.kind != shown.meter.kind))
    wishes = ["", BEFORE, *(each.id for each in others)]
    return [(wish, name(view, text, wish), wish == against) for wish in wishes]
