"""Points as InfluxDB line protocol: one line a point, milliseconds, tags `meter` and `site` only.

Names are ids and quantities, which need no escaping; every measured value is a float, so that one meter that
says 0 does not fix the type of a field for ever. Numbers are finite by the time they come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from functools import lru_cache

from driftwatt.alerts import Alert
from driftwatt.readings import Reading
from processors.pure.flat import event_fields, event_times
from processors.pure.outputs import DriverHour, ExpectedPower, IntervalEnergy

INTERVAL_INTEGERS = frozenset({"start_ms", "end_ms", "q", "rev"})
INTERVAL_NAMES = {field.name: "q" if field.name == "quality" else field.name for field in fields(IntervalEnergy)}
del INTERVAL_NAMES["meter"], INTERVAL_NAMES["kind"]


def reading_lines(site: str, readings: Iterable[Reading]) -> Iterator[str]:
    """Yield one line a reading. A reading without any number still has its `q`."""
    for reading in readings:
        values = reading.values
        doubt = "".join([f",{quantity}_q={bits:d}i" for quantity, bits in reading.doubt.items() if bits]) if reading.doubt else ""
        yield _form(tuple(values)) % (reading.meter, site, reading.quality, *map(float, values.values()), doubt, reading.t_ms)


@lru_cache(maxsize=1024)
def _form(quantities: tuple[str, ...]) -> str:
    """Return how a line with these quantities is written."""
    return "readings,meter=%s,site=%s q=%di" + "".join(f",{quantity}=%r" for quantity in quantities) + "%s %d"


def interval_lines(site: str, intervals: Iterable[IntervalEnergy]) -> list[str]:
    """Return one line an interval; a revision stands at its start plus `rev` milliseconds."""
    out = []
    for interval in intervals:
        values = [(name, getattr(interval, field)) for field, name in INTERVAL_NAMES.items()]
        text = ",".join(
            f"{name}={value:d}i" if name in INTERVAL_INTEGERS else f"{name}={float(value)!r}" for name, value in values if value is not None
        )
        out.append(f"energy_{interval.kind},meter={interval.meter},site={site} {text} {interval.start_ms + interval.rev}")
    return out


def expected_lines(site: str, points: Iterable[ExpectedPower]) -> list[str]:
    """Return one line a point."""
    return [
        f"expected_15m,meter={point.meter},site={site} w={float(point.w)!r},lo={float(point.lo)!r},hi={float(point.hi)!r} {point.start_ms}"
        for point in points
    ]


def driver_lines(site: str, hours: Iterable[DriverHour]) -> list[str]:
    """Return one line an hour; the driver's id stands where a meter's would."""
    return [f"drivers_1h,meter={each.driver},site={site} value={each.value!r},coverage={each.coverage!r} {each.start_ms}" for each in hours]


def event_lines(site: str, alerts: Sequence[Alert]) -> list[str]:
    """Return one line a change of an alert."""
    out = []
    for t_ms, alert in event_times(alerts):
        text = ",".join(f"{name}={_field(name, value)}" for name, value in event_fields(alert).items())
        out.append(f"events,meter={alert.meter},site={site} {text} {t_ms}")
    return out


def _field(name: str, value: str | float) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\r", " ")
        return f'"{escaped}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:d}i" if isinstance(value, int) and (name.endswith("_ms") or name == "days_learned") else repr(float(value))
