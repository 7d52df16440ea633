"""The closed table of quantities: what a meter may measure, and in which canonical unit.

A quantity that is not in this table cannot be written in a profile, sent or stored.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measurable quantity. `counter` is true for registers that only ever count up."""

    name: str
    unit: str
    counter: bool = False


def _per_phase(name: str, unit: str) -> list[Quantity]:
    return [Quantity(f"{name}_l{phase}", unit) for phase in (1, 2, 3)]


def _table() -> dict[str, Quantity]:
    power = [
        (name, unit) for name, unit in (("active_power", "W"), ("reactive_power", "var"), ("apparent_power", "VA"), ("power_factor", "1"))
    ]
    rows: list[Quantity] = []
    rows += _per_phase("voltage", "V")
    rows += [Quantity(f"voltage_{pair}", "V") for pair in ("l1_l2", "l2_l3", "l3_l1")]
    rows += [*_per_phase("current", "A"), Quantity("current_n", "A")]
    for name, unit in power:
        rows += [Quantity(name, unit), *_per_phase(name, unit)]
    rows += [Quantity("frequency", "Hz")]
    for name, unit in (
        ("import_energy", "Wh"),
        ("export_energy", "Wh"),
        ("import_reactive_energy", "varh"),
        ("export_reactive_energy", "varh"),
        ("apparent_energy", "VAh"),
    ):
        rows += [Quantity(name, unit, counter=True)]
        rows += [Quantity(f"{name}_l{phase}", unit, counter=True) for phase in (1, 2, 3)]
    rows += [Quantity("power_demand", "W"), Quantity("power_demand_max", "W")]
    rows += [*_per_phase("thd_voltage", "%"), *_per_phase("thd_current", "%")]
    rows += [
        Quantity("temperature", "°C"),
        Quantity("pulse_count", "1", counter=True),
        Quantity("production_count", "1", counter=True),
        Quantity("volume", "m³", counter=True),
        Quantity("flow", "m³/h"),
    ]
    return {row.name: row for row in rows}


QUANTITIES: dict[str, Quantity] = _table()
"""Every quantity by its name."""
