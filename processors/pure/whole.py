"""A reading as it was written, put together from the fields of its point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftwatt.readings import Quality, Reading

_DOUBT = "_q"


def whole_reading(meter: str, t_ms: int, q: int, fields: Mapping[str, Any]) -> Reading:
    """Return the reading of a point: `fields` are quantities and `<quantity>_q`, None where the point has none."""
    values: dict[str, float] = {}
    doubt: dict[str, int] = {}
    for name, value in fields.items():
        if value is None:
            continue
        if name.endswith(_DOUBT):
            doubt[name.removesuffix(_DOUBT)] = int(value)
        else:
            values[name] = float(value)
    return Reading(meter, t_ms, values, doubt, clock="uncertain" if q & Quality.CLOCK_UNCERTAIN else "ok")
