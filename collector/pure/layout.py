"""How a register's type lies on the wire: its code for `struct`, the order of its bytes, the factor to its unit."""

from __future__ import annotations

import math

from collector.pure.plan import words
from config.profiles import Register

CODE = {
    "uint8": "xB", "uint16": "H", "uint32": "I", "uint64": "Q", "int8": "xb", "int16": "h", "int32": "i", "int64": "q",
    "float16": "e", "float32": "f", "float64": "d", "bcd16": "H", "bcd32": "I", "bcd64": "Q",
    "mod10k32": "4s", "mod10k48": "6s", "mod10k64": "8s", "bits16": "H", "bits32": "I",
}  # fmt: skip
"""What `struct` calls each type that holds a number."""
FLOATS = {"float16": 0x7E00, "float32": 0x7FC00000, "float64": 0x7FF8000000000000}
"""With their usual NaN."""


def byte_order(register: Register) -> list[int]:
    """Return, for each logical byte (ABCD…), where it stands on the wire. Its own inverse."""
    count = words(register)
    reverse = register.order in ("CDAB", "DCBA") and register.type != "text"
    swap = register.order in ("BADC", "DCBA")
    positions = range(count - 1, -1, -1) if reverse else range(count)
    return [2 * at + (half ^ swap) for at in positions for half in (0, 1)]


def scaling(scale: float) -> tuple[float, float]:
    """Return (factor, divisor) of a scale: 2301 ÷ 10 is 230.1, while 2301 × 0.1 is 230.10000000000002."""
    inverse = 1 / scale
    return (1.0, float(round(inverse))) if abs(scale) < 1 and math.isclose(inverse, round(inverse), rel_tol=1e-12) else (scale, 1.0)
