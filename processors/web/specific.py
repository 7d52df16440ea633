"""Specific energy: kWh per unit made, and which driver a baseline lacks."""

from __future__ import annotations

from dataclasses import dataclass

from config.plant import PlantMeter
from processors.pure.outputs import Readiness
from processors.view import DAY_MS, PlantView
from processors.web.text import Text

KNOWN_SHARE = 0.9
"""So much of a time has to have a known production before energy is divided by it."""
WEATHER_FIRST = {"chiller", "hvac"}


@dataclass(frozen=True, slots=True)
class Specific:
    """Energy per unit in a span of time; `value` None where too little is known."""

    value: float | None
    units: float
    share: float


async def of(view: PlantView, meter: str, start_ms: int, end_ms: int) -> Specific | None:
    """Return a meter's specific energy in the closed hours of a span; None for a meter without production. Raises Unavailable."""
    policy = view.policies.get(meter)
    line = policy.drivers.production if policy and policy.drivers else None
    if line is None:
        return None
    intervals = await view.intervals("15m", meter, start_ms, min(end_ms, view.now_ms()))
    if not intervals:
        return Specific(None, 0.0, 0.0)
    units, share = line.units(start_ms, intervals[-1].end_ms)
    both = [each for each in intervals if line.at(each.start_ms) is not None]
    kwh = sum(each.import_wh for each in both) / 1000
    return Specific(kwh / units if units > 0 and share >= KNOWN_SHARE else None, units, share)


async def line(view: PlantView, text: Text, meter: str, start_ms: int, end_ms: int) -> str:
    """Return the sentence of the meter's page, "" for a meter without production. Raises Unavailable."""
    now = await of(view, meter, start_ms, end_ms)
    if now is None:
        return ""
    if now.value is None:
        return text.words("m.specific_partial", pct=text.percent(now.share))
    told = text.words("m.specific_value", value=text.number(now.value, 3), units=text.number(now.units))
    by_ms = max(end_ms - start_ms, 7 * DAY_MS)
    before = await of(view, meter, start_ms - by_ms, end_ms - by_ms)
    return f"{told} · {text.words('m.specific_before', value=text.number(before.value, 3))}" if before and before.value else told


def lacking(view: PlantView, meter: PlantMeter, readiness: Readiness) -> str:
    """Return the key of what a baseline lacks: a driver that would help this kind of machine and is not there, else more."""
    if readiness.missing.endswith("_away"):
        return f"driver.silent.{readiness.missing.removesuffix('_away')}"
    if readiness.missing != "driver":
        return "driver.days"
    policy = view.policies.get(meter.id)
    driven = policy.drivers if policy else None
    order = ("temperature", "production") if meter.kind in WEATHER_FIRST else ("production", "temperature")
    lines = {"temperature": driven.temperature if driven else None, "production": driven.production if driven else None}
    for kind in order:
        found = lines[kind]
        if found is None:
            return f"driver.{kind}"
        if not found.quarters:
            return f"driver.silent.{kind}"
    return "driver.submeter"
