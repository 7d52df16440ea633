"""What is wrong with a meter, told from what it says: pure judgement over values that were read from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import frexp, sqrt
from typing import Literal

from collector.pure.orders import anchored
from collector.pure.plausible import believable
from collector.pure.wiring import LEAST_VA, Wiring, angles, judge
from config.profiles import Profile, Register

Level = Literal["fail", "warn", "note"]
_PHASES = (1, 2, 3)
_TOLERANCE = 0.05
"""P, ΣP and ΣU·I·PF are measured within one poll; they differ by less than this share."""
_STEPS = 3
"""Energy is judged once it has moved by this many steps of its register."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One finding. `code` is for scripts, `text` says what is wrong, `todo` what to do about it."""

    level: Level
    code: str
    text: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one meter said at one time, in canonical units; `at_s` on any clock that does not jump."""

    at_s: float
    values: Mapping[str, float]


def judge_meter(profile: Profile, snapshots: Sequence[Snapshot], whole: Mapping[str, float]) -> tuple[Verdict, ...]:
    """Return everything that one meter gives away about its wiring, scale and registers.

    `snapshots` (oldest first) are of what is polled, `whole` is one reading of all its registers.
    """
    if not snapshots:
        return ()
    out = [*judge_values(whole), *judge_power(whole), *judge_wiring(whole), *judge_line_voltages(whole), *judge_counter(snapshots)]
    if not any(verdict.code in ("going_back", "unit_clash") for verdict in out):
        out += judge_energy(profile, snapshots)
    return tuple(out)


def judge_values(values: Mapping[str, float]) -> list[Verdict]:
    """Return the values that no meter in a plant means."""
    wrong = [f"{name} = {_number(value)}" for name, value in values.items() if not believable(name, value)]
    out = []
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        text = f"not believable: {', '.join(wrong[:3])}{more}"
        out.append(Verdict("fail", "implausible", text, "another profile or firmware; look with: driftwatt read"))
    dead = [f"L{phase}" for phase in _PHASES if values.get(f"voltage_l{phase}") == 0]
    if dead and len(dead) < 3:
        out.append(Verdict("warn", "phase_missing", f"no voltage on {' and '.join(dead)}", "a fuse, or a single-phase connection"))
    return out


def judge_power(values: Mapping[str, float]) -> list[Verdict]:
    """Return where P, the sum of its phases and ΣU·I·PF contradict each other."""
    total = values.get("active_power")
    if total is None:
        return []
    phases = [values.get(f"active_power_l{phase}") for phase in _PHASES]
    if None not in phases:
        added = sum(each for each in phases if each is not None)
        if _apart(total, added, sum(abs(each or 0) for each in phases)):
            text = f"P is {_watts(total)}, its phases add up to {_watts(added)}"
            return [Verdict("fail", "phases_do_not_add_up", text, "wrong register or scale of active_power: another profile?")]
    computed = _volts_amps_factors(values)
    if computed is None or not _apart(abs(total), abs(computed[0]), computed[1]):
        return []
    text = f"P is {_watts(total)}, ΣU·I·PF is {_watts(computed[0])}"
    if total and abs(computed[0]):
        text += f" ({abs(computed[0] / total):.3g} times)"
    return [Verdict("fail", "power_contradicts", text, "wrong scale or register, or the CT ratio in the meter")]


def judge_wiring(values: Mapping[str, float]) -> list[Verdict]:
    """Return reversed and exchanged current transformers."""
    if _loadless(values):
        return [Verdict("note", "no_load", "no load to judge the CTs by", "switch a machine on and check again")]
    measured = angles(values)
    wiring = judge(measured) if measured else None
    if wiring is not None and not wiring.right:
        return [_wired(wiring)]
    negative = tuple(phase for phase in _PHASES if (values.get(f"active_power_l{phase}") or 0) < -LEAST_VA)
    if wiring is None and (negative or (values.get("active_power") or 0) < -LEAST_VA):
        return [_wired(Wiring(negative or _PHASES, (1, 2, 3)))]
    if measured and wiring is None:
        shown = ", ".join(f"L{at} {angle:.0f}°" for at, angle in enumerate(measured, 1))
        return [Verdict("warn", "odd_angles", f"no ordinary load has these angles: {shown}", "look at CT direction and phases")]
    return []


def judge_line_voltages(values: Mapping[str, float]) -> list[Verdict]:
    """Return line voltages that do not fit the phases."""
    for one, two in ((1, 2), (2, 3), (3, 1)):
        line, a, b = values.get(f"voltage_l{one}_l{two}"), values.get(f"voltage_l{one}"), values.get(f"voltage_l{two}")
        if line and a and b and abs(line - sqrt(a * a + b * b + a * b)) > 0.08 * line:
            text = f"L{one}-L{two} is {line:.0f} V with {a:.0f} V and {b:.0f} V to neutral"
            return [Verdict("warn", "line_voltage", text, "one phase on two inputs, a missing neutral, or another profile")]
    return []


def judge_counter(snapshots: Sequence[Snapshot]) -> list[Verdict]:
    """Return a counter that went back, or that jumps back and forth: two meters with one unit id."""
    counted = [snapshot.values["import_energy"] for snapshot in snapshots if "import_energy" in snapshot.values]
    steps = [later - earlier for earlier, later in pairwise(counted)]
    back = sum(step < 0 for step in steps)
    if back and any(step > -min(steps) / 2 for step in steps):
        text = f"import_energy jumps back and forth by {_energy(-min(steps))}"
        return [Verdict("fail", "unit_clash", text, "two meters have this unit id: unplug one, give it another id")]
    if back:
        return [Verdict("warn", "going_back", f"import_energy went back by {_energy(-min(steps))}", "not a counter, or it was reset")]
    return []


def judge_energy(profile: Profile, snapshots: Sequence[Snapshot]) -> list[Verdict]:
    """Return whether the energy register moved by ∫P, or how long it would take to tell."""
    powered = [snapshot for snapshot in snapshots if "active_power" in snapshot.values]
    if len(powered) < 2:
        return []
    integral = sum((a.values["active_power"] + b.values["active_power"]) / 2 * (b.at_s - a.at_s) / 3600 for a, b in pairwise(powered))
    name = "import_energy" if integral >= 0 else "export_energy"
    register = next((each for each in profile.registers if each.quantity == name), None)
    first, last = powered[0].values.get(name), powered[-1].values.get(name)
    if register is None or first is None or last is None or abs(integral) < 1e-6:
        return []
    step, moved, seconds = step_wh(register, last), last - first, powered[-1].at_s - powered[0].at_s
    if abs(integral) < _STEPS * step and moved <= 2 * step + abs(integral):
        need = _STEPS * step / abs(integral) * seconds
        longer = f"check --live --seconds {need:.0f}" if need <= 3600 else "compare over a day"
        return [Verdict("note", "energy_too_little", f"{name} steps by {_energy(step)}: too little to judge", longer)]
    if abs(moved - abs(integral)) <= 2 * step + 0.15 * abs(integral):
        return []
    text = f"{name} moved {_energy(moved)} while P adds up to {_energy(abs(integral))}"
    return [Verdict("fail", "energy_contradicts", text, "wrong scale or register of the energy, or of the power")]


def judge_order(profile: Profile, as_written: Mapping[str, float], swapped: Mapping[str, Mapping[str, float]]) -> Verdict | None:
    """Return that the order is swapped when voltages are absurd as written and right under exactly one other order."""
    if anchored(profile, as_written):
        return None
    fitting = [what for what, values in swapped.items() if anchored(profile, values)]
    if len(fitting) != 1:
        return None
    volts = next((value for name, value in swapped[fitting[0]].items() if name.startswith("voltage") and value), 0.0)
    text = f"{fitting[0]} are swapped: so read, it says {volts:.1f} V"
    return Verdict("fail", "word_order", text, f"set the order in the meter, or copy the profile with {fitting[0]} swapped in `order`")


def judge_faults(unit: int, strange: Mapping[int, int], asked: Mapping[int, int]) -> Verdict | None:
    """Return what wrong answers (counted by unit) mean: this unit alone, or the whole line."""
    if strange.get(unit, 0) < 2:
        return None
    others = [each for each in asked if each != unit and asked[each] > 1]
    text = f"{strange[unit]} of {asked[unit]} answers are no answers to our questions"
    if others and not any(strange.get(each, 0) for each in others):
        return Verdict("fail", "unit_clash", text, f"two meters may have unit id {unit}: unplug one and check again")
    return Verdict("fail", "two_masters", text, "another master reads this line (a PLC, a logger?), or noise: only one may ask")


def step_wh(register: Register, value: float) -> float:
    """Return the smallest step of an energy register near `value`, in Wh: its resolution, or what its float can still tell."""
    step = (register.counter.resolution or 0.0) * abs(register.scale) if register.counter else 0.0
    if register.type == "float32":
        step = max(step, abs(register.scale) * 2.0 ** (frexp(value / register.scale)[1] - 24))
    return step or abs(register.scale)


def _loadless(values: Mapping[str, float]) -> bool:
    apparent = [abs(values.get(f"current_l{phase}", 0.0)) * values.get(f"voltage_l{phase}", 0.0) for phase in _PHASES]
    return max([*apparent, abs(values.get("active_power", 0.0)), abs(values.get("apparent_power", 0.0))]) < LEAST_VA


def _wired(wiring: Wiring) -> Verdict:
    moved = [phase for phase in _PHASES if wiring.source[phase - 1] != phase]
    names = " and ".join(f"L{phase}" for phase in wiring.reversed_)
    turned = f"; {names} also reversed" if names else ""
    if len(moved) == 2:
        text = f"CTs of L{moved[0]} and L{moved[1]} are exchanged{turned}"
        return Verdict("fail", "phase_order", text, f"exchange the CTs of L{moved[0]} and L{moved[1]} (or their voltages)")
    if moved:
        return Verdict("fail", "phase_order", f"all CTs are one phase further{turned}", "move each CT to the phase of its voltage input")
    if wiring.reversed_ == _PHASES:
        return Verdict(
            "warn", "ct_direction", "power runs backwards on all phases", "it feeds in, or all CTs are reversed: sign = -1 in plant.toml"
        )
    text = f"CT on {names} is reversed" if len(wiring.reversed_) == 1 else f"CTs on {names} are reversed"
    return Verdict("fail", "ct_direction", text, f"turn the CT on {names}, or exchange its two wires s1 and s2")


def _volts_amps_factors(values: Mapping[str, float]) -> tuple[float, float] | None:
    """Return ΣU·I·PF in W and ΣU·I in VA, as far as all live phases say them. The sign of PF is not the same on all meters."""
    total = apparent = 0.0
    for phase in _PHASES:
        volts, amps = values.get(f"voltage_l{phase}"), values.get(f"current_l{phase}")
        if volts is None or amps is None:
            if phase > 1 and volts is None and amps is None and phase == 2 and "voltage_l3" not in values:
                break
            return None
        factor = values.get(f"power_factor_l{phase}", values.get("power_factor"))
        if factor is None:
            return None
        active = values.get(f"active_power_l{phase}")
        total += volts * abs(amps) * (abs(factor) if active is None or active >= 0 else -abs(factor))
        apparent += volts * abs(amps)
    return total, apparent


def _apart(one: float, two: float, scale: float) -> bool:
    return abs(one - two) > _TOLERANCE * max(scale, abs(one), abs(two)) + LEAST_VA / 4


def _watts(value: float) -> str:
    return f"{value / 1000:.2f} kW" if abs(value) >= 1000 else f"{value:.0f} W"


def _energy(value: float) -> str:
    return f"{value / 1000:.3g} kWh" if abs(value) >= 1000 else f"{value:.3g} Wh"


def _number(value: float) -> str:
    return f"{value:.4g}"
