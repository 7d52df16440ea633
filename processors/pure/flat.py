"""An alert as one flat point of the table `events`: scalars only, the same names in every store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields

from driftwatt.alerts import Alert, Range

_SCALAR = (str, int, float)
_TAGS = ("meter",)


def event_fields(alert: Alert) -> dict[str, str | int | float]:
    """Return the fields of an event. A range becomes `name`, `name_low`, `name_high`; what has no value is left out."""
    out: dict[str, str | int | float] = {"alert": alert.id}
    for field in fields(alert):
        value = getattr(alert, field.name)
        if field.name in ("id", *_TAGS) or value is None or value == "":
            continue
        if isinstance(value, Range):
            out |= {field.name: value.value, f"{field.name}_low": value.low, f"{field.name}_high": value.high}
        elif isinstance(value, _SCALAR):
            out[field.name] = value
    return out


def event_times(alerts: Sequence[Alert]) -> Iterator[tuple[int, Alert]]:
    """Yield each alert with the time of its point: when it changed, made unique per meter by adding milliseconds."""
    taken: set[tuple[str, int]] = set()
    for alert in alerts:
        t_ms = alert.updated_ms
        while (alert.meter, t_ms) in taken:
            t_ms += 1
        taken.add((alert.meter, t_ms))
        yield t_ms, alert
