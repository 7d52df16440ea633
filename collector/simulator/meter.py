"""A simulated meter: all quantities of its load at an instant, and the registers in which its model says them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import acos, sqrt, tan
from typing import Protocol

from collector.pure.encode import encoder, spoken_exponent
from collector.pure.plan import words
from collector.simulator.chain import standing
from collector.simulator.codec import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refusal
from collector.simulator.load import SLOT_MS, Load
from collector.simulator.noise import smooth
from config.profiles import Kind, Profile, Register

Say = Callable[[float], tuple[int, ...]]

_SPARE = 4
"""Registers that answer beyond the last known one, so that a reader may vary the length of its requests."""
_SHARES = (0.338, 0.325, 0.337)  # of the load per phase
_MAINS_V = 231.0


@dataclass(frozen=True, slots=True)
class Electric:
    """What stays the same about a load: its power factor, its phases (1 or 3), and the CT ratio left to the plant."""

    power_factor: float
    phases: int = 3
    ratio: float = 1.0
    seed: int = 0


def quantities(load: Load, electric: Electric, t_ms: int) -> dict[str, float]:
    """Return every quantity that a meter might show at an instant, in canonical units, before the CT ratio.

    All follow from the load and the time: P and its integral exactly, Q and S by a constant power factor,
    currents from S and the voltage of the phase.
    """
    watts = load.power_w(t_ms) / electric.ratio
    wh = load.energy_wh(t_ms) / electric.ratio
    tangent = tan(acos(electric.power_factor))
    out = {
        "frequency": 50.0 + 0.03 * smooth(1, t_ms, 20_000),
        "active_power": watts,
        "reactive_power": watts * tangent,
        "apparent_power": watts / electric.power_factor,
        "power_factor": electric.power_factor,
        "import_energy": wh,
        "import_reactive_energy": wh * tangent,
        "apparent_energy": wh / electric.power_factor,
        "power_demand": _demand_w(load, t_ms) / electric.ratio,
    }
    shares = _SHARES if electric.phases == 3 else (1.0,)
    for phase, share in enumerate(shares, start=1):
        volts = _MAINS_V + 1.8 * smooth(10 * electric.seed + phase, t_ms, 60_000) - 4e-6 * watts
        for name in ("active_power", "reactive_power", "apparent_power", "import_energy", "import_reactive_energy"):
            out[f"{name}_l{phase}"] = out[name] * share
        out[f"power_factor_l{phase}"] = electric.power_factor
        out[f"voltage_l{phase}"] = volts
        out[f"current_l{phase}"] = out[f"apparent_power_l{phase}"] / volts
        out[f"thd_voltage_l{phase}"] = 2.1 + 0.2 * smooth(20 * electric.seed + phase, t_ms, 300_000)
        out[f"thd_current_l{phase}"] = 8.9 + 0.6 * smooth(30 * electric.seed + phase, t_ms, 300_000)
    if electric.phases == 3:
        out |= _line_voltages(out)
    return out


def _line_voltages(out: Mapping[str, float]) -> dict[str, float]:
    volts = [out[f"voltage_l{phase}"] for phase in (1, 2, 3)]
    pairs = {"l1_l2": (0, 1), "l2_l3": (1, 2), "l3_l1": (2, 0)}
    lines = {f"voltage_{pair}": sqrt(volts[a] ** 2 + volts[b] ** 2 + volts[a] * volts[b]) for pair, (a, b) in pairs.items()}
    amps = [out[f"current_l{phase}"] for phase in (1, 2, 3)]
    a, b, c = amps
    return {**lines, "current_n": sqrt(max(0.0, a * a + b * b + c * c - a * b - b * c - c * a))}


def _demand_w(load: Load, t_ms: int) -> float:
    begin = t_ms - t_ms % SLOT_MS
    elapsed_h = (t_ms - begin) / 3_600_000
    return (load.energy_wh(t_ms) - load.energy_wh(begin)) / elapsed_h if elapsed_h else load.power_w(t_ms)


class Unit(Protocol):
    """Whatever answers reads under a unit id."""

    name: str

    def read(self, kind: Kind, address: int, count: int, t_ms: int) -> tuple[int, ...]:
        """Return `count` registers from `address` on as they stand at an instant. Raises Refusal."""


class SimulatedMeter:
    """One unit on a gateway. Answers reads as its model would: within its limits, or with the right refusal."""

    def __init__(self, name: str, profile: Profile, load: Load, electric: Electric) -> None:
        self.name = name
        self._profile = profile
        self._load = load
        self._electric = electric
        self._by_kind: dict[Kind, list[Register]] = {}
        for register in sorted(profile.registers, key=lambda each: each.address):
            self._by_kind.setdefault(register.kind, []).append(register)
        self._standing = standing(profile)
        self._inside: dict[tuple[Kind, int, int], tuple[tuple[Register, Say], ...]] = {}
        self._now_ms = -1
        self._now: dict[str, float] = {}

    def read(self, kind: Kind, address: int, count: int, t_ms: int) -> tuple[int, ...]:
        """Return `count` registers from `address` on as they stand at an instant. Raises Refusal."""
        identity = self._identity(kind, address, count)
        if identity is not None:
            return identity
        limits = self._profile.limits
        if count > limits.max_registers or count % limits.count_step:
            raise Refusal(ILLEGAL_VALUE)
        known = self._by_kind.get(kind)
        last = address + count - 1
        if not known or address % limits.count_step or any(first <= last and address <= end for first, end in limits.forbidden):
            raise Refusal(ILLEGAL_ADDRESS)
        end = known[-1].address + words(known[-1]) + _SPARE
        if self._standing:
            first, end = min(self._standing), max(self._standing) + 1
        else:
            first = known[0].address
        if address < first or last >= end:
            raise Refusal(ILLEGAL_ADDRESS)
        return self._registers(kind, address, count, t_ms)

    def _registers(self, kind: Kind, address: int, count: int, t_ms: int) -> tuple[int, ...]:
        if t_ms != self._now_ms:  # the requests of one poll often share an instant
            self._now, self._now_ms = quantities(self._load, self._electric, t_ms), t_ms
        inside = self._inside.get((kind, address, count))
        if inside is None:
            touched = [each for each in self._by_kind[kind] if each.address < address + count and address < each.address + words(each)]
            inside = self._inside[kind, address, count] = tuple((each, _say(each)) for each in touched)
        image = [self._standing.get(at, 0) for at in range(address, address + count)]
        for register, say in inside:
            said = [*enumerate(say(self._now.get(register.quantity, 0.0)), start=register.address - address)]
            if register.scale_register is not None:
                said.append((register.scale_register - address, spoken_exponent(register) & 0xFFFF))
            for at, word in said:
                if 0 <= at < count:
                    image[at] = word
        return tuple(image)

    def _identity(self, kind: Kind, address: int, count: int) -> tuple[int, ...] | None:
        identify = self._profile.identify
        if identify.address is None or kind != identify.kind or address != identify.address:
            return None
        if count not in (1, self._profile.limits.count_step):
            return None
        expect = identify.expect if isinstance(identify.expect, int) else (identify.expect or (0,))[0]
        return (expect, *(0,) * (count - 1))


def _say(register: Register) -> Say:
    """Return how a register says a value; what its type cannot hold, it says as an overflowing meter does."""
    if register.type == "text":
        nothing = encoder(register)("")
        return lambda _value: nothing
    say = encoder(register)

    def said(value: float) -> tuple[int, ...]:
        try:
            return say(value)
        except ValueError:
            return say(None)

    return said
