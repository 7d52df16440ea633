"""Meter profiles: one TOML file per model says what its registers mean.

Addresses count from 0 as on the wire. Only a profile with `[sunspec]` counts from its model's id register, wherever
the device puts it; the loader adds where that usually is, and `placed` moves it elsewhere.
"""

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
Coding = Literal["plain", "four_quadrant", "percent_or_ratio"]
Verification = Literal["unconfirmed", "documented", "recorded", "tested"]
WIDTHS: dict[str, int] = {
    "uint8": 1, "int8": 1, "uint16": 1, "int16": 1, "float16": 1, "bcd16": 1, "bits16": 1,
    "uint32": 2, "int32": 2, "float32": 2, "bcd32": 2, "mod10k32": 2, "bits32": 2, "mod10k48": 3,
    "uint64": 4, "int64": 4, "float64": 4, "bcd64": 4, "mod10k64": 4,
}  # fmt: skip
"""Registers of 16 bits that a value of each type takes; a text says its own length."""
RUNGS: tuple[Verification, ...] = ("unconfirmed", "documented", "recorded", "tested")
LAST_ADDRESS = 0xFFFF
Address = Annotated[int, Field(ge=0, le=LAST_ADDRESS)]


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
    """One quantity and where it stands. `raw × scale` is in the canonical unit of the quantity.

    `scale_register` is the address of an int16 exponent S in the same reply: the value is raw × scale × 10^S, and
    0x8000 there means that there is no value. `coding` is for power factors: `four_quadrant` tells leading values
    v > 1 as 2 − v and v < −1 as −2 − v; `percent_or_ratio` divides what exceeds 1 in magnitude by 100.
    """

    quantity: str
    kind: Kind
    address: Address
    type: RegisterType
    order: Order = "ABCD"
    length: Annotated[int, Field(ge=1, le=64)] | None = None
    scale: float = 1.0
    scale_register: Address | None = None
    coding: Coding = "plain"
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

    @property
    def reach(self) -> tuple[int, int]:
        """First address and the one after the last that must stand in one reply to read this register."""
        first, end = self.address, self.address + self.width
        if self.scale_register is None:
            return first, end
        return min(first, self.scale_register), max(end, self.scale_register + 1)


class SunSpec(Strict):
    """A model of the SunSpec standard.

    `base` is where its id register usually stands: 40000 + 2 for the mark "SunS" + 2 and 65 of the common model.
    A device with a longer common model or with other models before it has it elsewhere: `base` of the meter in
    edge.toml.
    """

    model: Annotated[int, Field(ge=1, le=0xFFFE)]
    length: Annotated[int, Field(ge=1, le=0xFFFE)]
    base: Address = 40069


class Profile(Strict):
    """A meter model."""

    maker: str
    model: str
    firmware: str = ""
    sources: tuple[str, ...] = Field(min_length=1)
    verification: Verification
    limits: Limits = Limits()
    identify: Identify = Identify()
    sunspec: SunSpec | None = None
    registers: tuple[Register, ...] = Field(alias="register", min_length=1)


def placed(profile: Profile, base: int | None) -> Profile:
    """Return a loaded SunSpec profile for a device whose model stands at `base`; others, and None, as they are.

    Raises ValueError when a register would lie beyond the last address.
    """
    if base is None or profile.sunspec is None or base == profile.sunspec.base:
        return profile
    moved = shifted(profile, base - profile.sunspec.base)
    return moved.model_copy(update={"sunspec": profile.sunspec.model_copy(update={"base": base})})


def shifted(profile: Profile, by: int) -> Profile:
    """Return the profile with every address moved by `by`. Raises ValueError outside 0…0xFFFF."""

    def at(address: int) -> int:
        if not 0 <= address + by <= LAST_ADDRESS:
            raise ValueError(f"register {address + by} lies outside 0 to {LAST_ADDRESS}")
        return address + by

    def ranges(pairs: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        return tuple((at(first), at(last)) for first, last in pairs)

    def moved(register: Register) -> Register:
        scale = None if register.scale_register is None else at(register.scale_register)
        at(register.reach[1] - 1)
        return register.model_copy(update={"address": at(register.address), "scale_register": scale})

    limits, identify = profile.limits, profile.identify
    return profile.model_copy(
        update={
            "registers": tuple(moved(register) for register in profile.registers),
            "limits": limits.model_copy(update={"forbidden": ranges(limits.forbidden), "bridge": ranges(limits.bridge)}),
            "identify": identify.model_copy(update={"address": None if identify.address is None else at(identify.address)}),
        }
    )
