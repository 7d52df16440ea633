"""From what a meter said to what flows: which register counts, what is doubted, CT/PT ratio and sign.

Readings are stored as the meter said them; energy is counted in the meter's own units, too, and multiplied
when an interval is made, so that a corrected ratio never shakes a counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from driftwatt.readings import Reading
from processors.pure.policy import MeterPolicy

IMPORT, EXPORT, IMPORT_VAR, EXPORT_VAR = range(4)
_AS_WIRED = ("import_energy", "export_energy", "import_reactive_energy", "export_reactive_energy")
_REVERSED = ("export_energy", "import_energy", "export_reactive_energy", "import_reactive_energy")
_SIGNED = ("active_power", "reactive_power", "power_factor")

Values = tuple[float | None, float | None, float | None, float | None]


class Measured(NamedTuple):
    """What of a reading makes energy, in the meter's own units; None is absent or doubted.

    `sure` is false when the clock was not synchronised; `power_w` has the plant's sign; `counters` are import,
    export, import reactive and export reactive energy as they flow (swapped where the sign is reversed).
    """

    t_ms: int
    sure: bool
    power_w: float | None
    counters: Values


def registers(sign: int) -> tuple[str, str, str, str]:
    """Return the quantities that count import, export and both reactive energies of a meter wired with `sign`."""
    return _AS_WIRED if sign > 0 else _REVERSED


def measured(reading: Reading, policy: MeterPolicy) -> Measured:
    """Return the numbers of a reading that may make energy. A value with any doubt is left out."""
    values: Mapping[str, float] = reading.values
    if reading.doubt:
        values = {quantity: value for quantity, value in values.items() if not reading.doubt.get(quantity)}
    get = values.get
    power = get("active_power")
    first, second, third, fourth = _AS_WIRED if policy.sign > 0 else _REVERSED
    return Measured(
        reading.t_ms,
        reading.clock == "ok",
        power if power is None or policy.sign > 0 else -power,
        (get(first), get(second), get(third), get(fourth)),
    )


def primary(quantity: str, value: float, policy: MeterPolicy) -> float:
    """Return a value as it flows in the plant: currents × CT ratio, voltages × PT ratio, powers and energies × both and sign.

    Counters keep their direction; a reversed meter's import register then shows what was exported.
    """
    if quantity.startswith("current_"):
        return value * policy.ct_ratio
    if quantity.startswith("voltage_"):
        return value * policy.pt_ratio
    if quantity.startswith("power_factor"):
        return value * policy.sign
    if "power" in quantity:
        return value * policy.ratio * (policy.sign if quantity.startswith(_SIGNED) else 1)
    return value * policy.ratio if "energy" in quantity else value
