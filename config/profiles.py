"""Meter profiles: one TOML file per model says what its registers mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from config.values import Duration, Strict

RegisterType = Literal[
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "bcd16", "bcd32", "bcd64",
    "mod10k32", "mod10k48", "mod10k64", "bits16", "bits32", "text",
]  # fmt: skip
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Kind = Literal["input", "holding"]
Verification = Literal["unconfirmed", "documented", "recorded", "tested"]
WIDTHS: dict[str, int] = {
    "uint8": 1, "int8": 1, "uint16": 1, "int16": 1, "float16": 1, "bcd16": 1, "bits16": 1,
    "uint32": 2, "int32": 2, "float32": 2, "bcd32": 2, "mod10k32": 2, "bits32": 2, "mod10k48": 3,
    "uint64": 4, "int64": 4, "float64": 4, "bcd64": 4, "mod10k64": 4,
}  # fmt: skip
"""Registers of 16 bits that a value of each type takes; a text says its own length."""
RUNGS: tuple[Verification, ...] = ("unconfirmed", "documented", "recorded", "tested")
Address = Annotated[int, Field(ge=0, le=0xFFFF)]


def _raw(text: object) -> int:
    if isinstance(text, str):
        return int(text, 0)
    raise ValueError(f'{text!r} is not a raw pattern; allowed: "0x7FC00000"')


class Limits(Strict):
    """What one request to this model may look like."""

    max_registers: Annotated[int, Field(ge=1, le=125)] = 125
    count_step: Annotated[int, Field(ge=1, le=8)] = 1
    gap: Duration = 0.0
    forbidden: tuple[tuple[Address, Address], ...] = ()
    bridge: tuple[tuple[Address, Address], ...] = ()


class Identify(Strict):
    """How to recognise the model: a register with a known value, or plausible windows."""

    kind: Kind | None = None
    address: Address | None = None
    expect: int | tuple[int, ...] | None = None
    alone: bool = False
    windows: dict[str, tuple[float, float]] = {}


class Counter(Strict):
    """A register that counts up. `modulus` and `resolution` are in raw counts before scaling."""

    modulus: float | None = None
    resolution: float | None = None


class Register(Strict):
    """One quantity and where it stands. `raw × scale` is in the canonical unit of the quantity."""

    quantity: str
    kind: Kind
    address: Address
    type: RegisterType
    order: Order = "ABCD"
    length: Annotated[int, Field(ge=1, le=64)] | None = None
    scale: float = 1.0
    unit: str
    class_: Literal["fast", "slow"] = Field(alias="class", default="fast")
    not_available: tuple[Annotated[int, BeforeValidator(_raw, json_schema_input_type=str)], ...] = ()
    counter: Counter | None = None
    secondary: bool = False
    standard: bool = True
    verification: Verification = "documented"

    @property
    def width(self) -> int:
        """How many registers of 16 bits the value takes."""
        return self.length or 1 if self.type == "text" else WIDTHS[self.type]


class Profile(Strict):
    """A meter model."""

    maker: str
    model: str
    firmware: str = ""
    sources: tuple[str, ...] = Field(min_length=1)
    verification: Verification
    limits: Limits = Limits()
    identify: Identify = Identify()
    registers: tuple[Register, ...] = Field(alias="register", min_length=1)
