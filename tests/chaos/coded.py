"""Register values that say where they come from: meter, register and serve counter, so that a foreign or stale one shows.

A coded register of 32 bits is `meter << 26 | register << 22 | lie << 21 | counter`. The counter counts the replies of
one meter; `lie` marks what was sent only to be refused. Power and energy are true to each other and to the time.
"""

from __future__ import annotations

from dataclasses import dataclass

CODED = {"voltage_l1": 1, "voltage_l2": 2, "current_l1": 3, "current_l2": 4, "current_l3": 5, "apparent_power": 6}
"""Coded quantities and their register numbers; the first two lie in block A, the others in block B."""
BLOCK_A, BLOCK_B = ("voltage_l1", "voltage_l2"), ("current_l1", "current_l2", "current_l3", "apparent_power")
LAYOUT = (
    ("voltage_l1", 0, "uint32", "V"),
    ("active_power", 2, "uint32", "W"),
    ("import_energy", 4, "uint64", "Wh"),
    ("voltage_l2", 8, "uint32", "V"),
    ("current_l1", 1000, "uint32", "A"),
    ("current_l2", 1002, "uint32", "A"),
    ("current_l3", 1004, "uint32", "A"),
    ("apparent_power", 1006, "uint32", "VA"),
)
"""(quantity, address, type, unit) of every register."""
LIE = 1 << 21
ORIGIN_MS = 1_780_000_000_000
PROFILE = "farm-traced"


@dataclass(frozen=True, slots=True)
class Trace:
    """What a coded value says of itself."""

    meter: int
    register: int
    lie: bool
    counter: int


def coded(meter: int, register: int, counter: int, *, lie: bool = False) -> int:
    """Return a coded value."""
    return meter << 26 | register << 22 | (LIE if lie else 0) | counter & (LIE - 1)


def trace(value: float) -> Trace:
    """Return what a value says of itself; any number says something."""
    raw = int(value)
    return Trace(raw >> 26, raw >> 22 & 15, bool(raw & LIE), raw & (LIE - 1))


def power_w(meter: int) -> int:
    """Return the constant power of a meter."""
    return 36_000 * (meter + 1)


def energy_wh(meter: int, t_ms: int) -> int:
    """Return the counter of a meter at an instant, whole Wh."""
    return meter * 1_000_000 + power_w(meter) * (t_ms - ORIGIN_MS) // 3_600_000


def registers(meter: int, address: int, count: int, counter: int, t_ms: int, *, lie: bool = False) -> list[int] | None:
    """Return registers as they stand at an instant, None where there are none."""
    image: dict[int, int] = {}
    for quantity, at, kind, _ in LAYOUT:
        width = 4 if kind == "uint64" else 2
        value = coded(meter, CODED[quantity], counter, lie=lie) if quantity in CODED else _measured(quantity, meter, t_ms)
        for word in range(width):
            image[at + word] = value >> 16 * (width - 1 - word) & 0xFFFF
    wanted = [image.get(at) for at in range(address, address + count)]
    return None if None in wanted else [word for word in wanted if word is not None]


def _measured(quantity: str, meter: int, t_ms: int) -> int:
    return power_w(meter) if quantity == "active_power" else energy_wh(meter, t_ms)


def profile_toml() -> str:
    """Return the meter model of the farm as a profile."""
    head = ['maker = "Farm"', 'model = "Traced"', 'sources = ["tests/chaos/coded.py"]', 'verification = "unconfirmed"', ""]
    blocks = []
    for quantity, address, kind, unit in LAYOUT:
        counter = "counter = { resolution = 1 }\n" if quantity == "import_energy" else ""
        blocks.append(
            f'[[register]]\nquantity = "{quantity}"\nkind = "input"\naddress = {address}\ntype = "{kind}"\nunit = "{unit}"\n'
            f'{counter}verification = "unconfirmed"\n'
        )
    return "\n".join([*head, *blocks])
