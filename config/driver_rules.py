"""What the drivers of a `plant.toml` must keep to: a source that can say what the driver is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from config.explain import did_you_mean, shown
from config.plant import Driver, PlantFile
from config.source import Fault
from driftwatt.names import ID_PATTERN
from driftwatt.quantities import QUANTITIES, Quantity

_METER_SOURCE = re.compile(rf"meter:({ID_PATTERN})\.([a-z0-9_]+)")
_FITS = {"temperature": "a quantity in °C", "production": "a total, such as pulse_count or production_count"}


def driver_faults(plant: PlantFile) -> Iterator[Fault]:
    """Yield every broken rule of the drivers, and of the meters that name two of one kind."""
    known = [meter.id for meter in plant.meter]
    for index, driver in enumerate(plant.driver):
        yield from _source_faults(("driver", index, "source"), driver, known)
    kinds = {driver.id: driver.kind for driver in plant.driver}
    for index, meter in enumerate(plant.meter):
        first: dict[str, str] = {}
        for inner, driver_id in enumerate(meter.drivers):
            kind = kinds.get(driver_id)
            if kind is not None and first.setdefault(kind, driver_id) is not driver_id:
                yield Fault(("meter", index, "drivers", inner), f"is a second driver of {kind}", shown(driver_id), "one of each kind")


def _source_faults(key: tuple[str | int, ...], driver: Driver, meters: list[str]) -> Iterator[Fault]:
    kind, _, where = driver.source.partition(":")
    if kind == "meter":
        match = _METER_SOURCE.fullmatch(driver.source)
        quantity = QUANTITIES.get(match[2]) if match else None
        if match is None or quantity is None:
            yield Fault(key, "is not a quantity of a meter", shown(driver.source), '"meter:ID.QUANTITY"')
        elif match[1] not in meters:
            yield Fault(key, "is not a meter of this plant", shown(match[1]), did_you_mean(match[1], meters))
        elif not _fits(driver.kind, quantity):
            yield Fault(key, f"is no {driver.kind}", shown(driver.source), _FITS[driver.kind])
    elif kind not in ("mqtt", "csv") or not where:
        yield Fault(key, "is not a source", shown(driver.source), '"meter:ID.QUANTITY", "mqtt:TOPIC" or "csv:PATH"')
    elif kind == "mqtt" and ("+" in where or "#" in where):
        yield Fault(key, "is more than one topic", shown(driver.source), "one topic, without + and #")


def _fits(kind: str, quantity: Quantity) -> bool:
    return quantity.counter if kind == "production" else quantity.unit == "°C"
