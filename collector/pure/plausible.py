"""What a number may be: windows of quantities in a plant, and what raw registers could mean under each type and order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import get_args

from collector.pure.decode import BlockDecoder, compile_block, decode_text
from collector.pure.frames import Request
from collector.pure.plan import PlannedRequest
from config.profiles import WIDTHS, Order, Register

VOLTAGE = (80.0, 300.0)
FREQUENCY = (45.0, 65.0)
_LARGE = 1e9
_WINDOWS: dict[str, tuple[float, float]] = {
    "voltage": VOLTAGE,
    "line_voltage": (130.0, 520.0),
    "current": (0.0, 20_000.0),
    "frequency": FREQUENCY,
    "power_factor": (-1.0, 1.0),
    "thd": (0.0, 400.0),
    "power": (-_LARGE, _LARGE),
    "energy": (-1.0, 1e15),
}
_SMALLEST = 1e-6
"""A float below this that is not 0 is what other registers look like, not what a meter measures."""
_SOME = "a power, current or energy"
_SCALES = (1.0, 0.1, 0.01, 0.001)
_NUMBERS = {kind: width for kind, width in WIDTHS.items() if not kind.startswith("bits") and kind not in ("uint8", "int8")}
_PRINTABLE = range(0x20, 0x7F)


def window(quantity: str) -> tuple[float, float] | None:
    """Return the lowest and highest believable value of a quantity, in its canonical unit; None where anything is possible."""
    if quantity.startswith("voltage"):
        return _WINDOWS["line_voltage" if quantity.count("_l") == 2 else "voltage"]
    for word in ("current", "frequency", "power_factor", "thd", "energy", "power"):
        if word in quantity:
            return _WINDOWS[word]
    return None


def believable(quantity: str, value: float) -> bool:
    """Tell whether a meter in a plant could mean this. A phase that is off (0 V) is believable, half a volt is not."""
    if value and abs(value) < _SMALLEST:
        return False
    if value == 0 and quantity.startswith("voltage"):
        return True
    low, high = window(quantity) or (-float("inf"), float("inf"))
    slack = 0.001 * max(abs(low), abs(high)) if quantity.startswith("power_factor") else 0.0
    return low - slack <= value <= high + slack


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the registers from `address` on say under one type and order; `guess` is empty unless it is plausible."""

    address: int
    type: str
    order: str
    value: float | str
    guess: str = ""


def meanings(registers: Sequence[int], start: int = 0) -> tuple[Meaning, ...]:
    """Return what a raw block says, at every address, under all types and orders that fit. Nothing that brings no number is named."""
    out = []
    for at in range(len(registers)):
        for kind, width in _NUMBERS.items():
            if at + width <= len(registers):
                out += _usual_first(_of_type(kind, registers[at : at + width], start + at))
    text = decode_text(_register("text", "ABCD", len(registers)), registers)
    if len(registers) > 2 and all(ord(letter) in _PRINTABLE for letter in text) and "?" not in text:
        out.append(Meaning(start, "text", "ABCD", text, "text"))
    unsigned = {(one.address, one.type[1:], one.order, one.value) for one in out if one.type.startswith("uint")}
    return tuple(one for one in out if (one.address, one.type, one.order, one.value) not in unsigned)


def _of_type(kind: str, registers: Sequence[int], address: int) -> list[Meaning]:
    out: list[Meaning] = []
    for order in get_args(Order):
        if len(registers) == 1 and order in ("CDAB", "DCBA"):
            continue
        values, _ = _decoder(kind, order, len(registers)).decode(registers)
        value = values.get("active_power")
        if value is not None and all(value != other.value for other in out):
            out.append(Meaning(address, kind, order, value, guess(kind, value)))
    return out


def _usual_first(same: list[Meaning]) -> list[Meaning]:
    """Keep the guesses of rare orders out: where an order with bytes as they come makes sense, swapped bytes do not."""
    if not any(one.guess and one.guess != _SOME for one in same if one.order in ("ABCD", "CDAB")):
        return same
    return [one if one.order in ("ABCD", "CDAB") else replace(one, guess="") for one in same]


@lru_cache(maxsize=1024)
def _decoder(kind: str, order: str, width: int) -> BlockDecoder:
    return compile_block(PlannedRequest(Request(1, "input", 0, width), (_register(kind, order),)))


def _register(kind: str, order: str, length: int | None = None) -> Register:
    return Register.model_validate(
        {"quantity": "active_power", "kind": "input", "address": 0, "type": kind, "order": order, "unit": "W", "length": length}
    )


def guess(kind: str, value: float) -> str:
    """Return what a decoded number is likely to be (`230.1 V`), or nothing. Integers are tried in tenths, hundredths, thousandths."""
    fractional = kind.startswith("float")
    for scale in (1.0,) if fractional else _SCALES:
        said = _electric(value * scale, exact=not fractional and scale == 1.0)
        if said:
            return said if scale == 1.0 else f"{said} (× {scale:g})"
    if kind in ("float32", "float64") and _SMALLEST * 1000 <= abs(value) < _LARGE:
        return "a factor" if abs(value) <= 1 else _SOME
    return ""


def _electric(value: float, *, exact: bool) -> str:
    for (low, high), nominal, unit in (((49.0, 51.0), 50, "Hz"), ((59.0, 61.0), 60, "Hz")):
        if low <= value <= high and not exact:
            return f"{value:g} {unit}, near {nominal}"
    for low, high in ((90.0, 140.0), (200.0, 260.0), (360.0, 440.0)):
        if low <= value <= high:
            return f"{value:g} V"
    return ""
