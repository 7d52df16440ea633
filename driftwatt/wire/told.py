"""A reading whose values are JSON already: a row is sent far more often than its values are looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from driftwatt.readings import ClockState, Reading


class Told(Mapping[str, float]):
    """The values in the bytes of a row, read when somebody wants them."""

    __slots__ = ("_row", "_values")

    def __init__(self, row: bytes) -> None:
        self._row = row
        self._values: dict[str, float] | None = None

    def _all(self) -> dict[str, float]:
        if self._values is None:
            self._values = {quantity: float(value) for quantity, value in json.loads(self._row)["s"].items()}
        return self._values

    def __getitem__(self, quantity: str) -> float:
        """Return one value."""
        return self._all()[quantity]

    def __iter__(self) -> Iterator[str]:
        """Yield the quantities."""
        return iter(self._all())

    def __len__(self) -> int:
        """Return how many values there are."""
        return len(self._all())

    def __repr__(self) -> str:
        """Show the values."""
        return repr(self._all())


def told(meter: str, t_ms: int, members: str, *, duration_ms: int, clock: ClockState) -> Reading:
    """Return a reading without doubt whose values stand in JSON already: `members`, without their braces.

    Its bytes are what `row_bytes` makes of the same values. `meter` is an id, which needs no escaping.
    """
    row = f'{{"m":"{meter}","t":{t_ms},"d":{duration_ms},"c":"{clock}","s":{{{members}}}}}'.encode()
    reading = Reading(meter, t_ms, Told(row), {}, duration_ms, clock)
    object.__setattr__(reading, "encoded", row)
    return reading
