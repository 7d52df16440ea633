"""The table of supported meters in docs/meters.md, made from the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from config import catalogue
from config.loader import load_profile
from config.profiles import Profile

_HEAD = ("profile", "model", "rung", "V", "I", "P", "S", "Q", "PF", "Hz", "kWh", "kvarh", "max. demand", "how it is recognised")
_COLUMNS = (
    ("voltage_l1", "voltage_l2", "voltage_l3"),
    ("current_l1", "current_l2", "current_l3"),
    ("active_power",),
    ("apparent_power",),
    ("reactive_power",),
    ("power_factor",),
    ("frequency",),
    ("import_energy",),
    ("import_reactive_energy",),
    ("power_demand_max",),
)
_MARKS = {"unconfirmed": "◐"}
"""How a value is marked: from a document or better ●, not confirmed ◐, not there ○."""


def markdown(folders: Sequence[Path]) -> str:
    """Return the table, and what each profile's file remarks, as Markdown. Raises ConfigErrors."""
    places = [*folders, catalogue.METERS]
    known = {name: load_profile(name, places) for name in catalogue.names(places)}
    rows = [_HEAD, tuple("---" for _ in _HEAD), *(_row(name, profile) for name, profile in known.items())]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{table}\n\n{''.join(_remarks(name, profile, places) for name, profile in known.items())}"


def _row(name: str, profile: Profile) -> tuple[str, ...]:
    told = {register.quantity: _MARKS.get(register.verification, "●") for register in profile.registers}
    firmware = f" ({profile.firmware})" if profile.firmware else ""
    return (
        f"`{name}`",
        f"{profile.maker} {profile.model}{firmware}",
        profile.verification,
        *(_cell(told, quantities) for quantities in _COLUMNS),
        _recognised(profile),
    )


def _cell(told: dict[str, str], quantities: tuple[str, ...]) -> str:
    """Return the mark of a column; with the number of phases where a meter has fewer than asked for, or values by phase only."""
    marks = [told[quantity] for quantity in quantities if quantity in told]
    if len(marks) == len(quantities):
        return marks[0]
    if marks:
        return f"{marks[0]} {len(marks)}φ"
    phases = [told[f"{quantities[0]}_l{phase}"] for phase in (1, 2, 3) if f"{quantities[0]}_l{phase}" in told]
    return f"{phases[0]} by phase" if phases else "○"


def _recognised(profile: Profile) -> str:
    identify = profile.identify
    if identify.address is None:
        return "plausible values"
    expect = identify.expect if isinstance(identify.expect, int) else (identify.expect or (0,))[0]
    if profile.sunspec is not None:
        return f"SunSpec model {profile.sunspec.model}"
    return f"0x{expect:04X} at 0x{identify.address:04X} (FC {4 if identify.kind == 'input' else 3})"


def _remarks(name: str, profile: Profile, places: Sequence[Path]) -> str:
    """Return one entry per profile: what the head of its file says, its sources, and the registers nobody confirmed."""
    lines = catalogue.find("profile", name, places).read_text(encoding="utf-8").splitlines()
    head = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    unconfirmed = [register.quantity for register in profile.registers if register.verification == "unconfirmed"]
    text = f"**`{name}`**: {head} Sources: {'; '.join(profile.sources)}."
    if len(unconfirmed) == len(profile.registers):
        text += " No register is confirmed."
    elif unconfirmed:
        text += f" Unconfirmed: {', '.join(unconfirmed)}."
    return text + "\n\n"
