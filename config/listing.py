"""The catalogue of meter profiles, for people and for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from config import catalogue
from config.loader import load_profile
from config.profiles import Profile, Register


def print_profiles(folders: Sequence[Path], *, as_json: bool) -> None:
    """Print one line per profile. Raises ConfigErrors."""
    places = [*folders, catalogue.METERS]
    known = {name: load_profile(name, places) for name in catalogue.names(places)}
    if as_json:
        for name, profile in known.items():
            print(json.dumps(_summary(name, profile), ensure_ascii=False))
        return
    print(f"{'profile':<22} {'model':<44} {'rung':<12} {'quantities':>10} {'standard':>8}")
    for name, profile in known.items():
        one = _summary(name, profile)
        print(
            f"{name:<22} {profile.maker + ' ' + profile.model:<44} {one['verification']:<12} {one['quantities']:>10} {one['standard']:>8}"
        )


def print_profile(name: str, folders: Sequence[Path], *, as_json: bool) -> None:
    """Print one profile with its registers. Raises ConfigErrors."""
    profile = load_profile(name, [*folders, catalogue.METERS])
    if as_json:
        print(profile.model_dump_json(by_alias=True))
        return
    print(f"{name}: {profile.maker} {profile.model} {profile.firmware}".rstrip())
    print(f"  {profile.verification}, at most {profile.limits.max_registers} registers per request")
    if profile.sunspec:
        print(f"  SunSpec model {profile.sunspec.model}, its id register at {profile.sunspec.base} unless edge.toml says `base`")
    for source in profile.sources:
        print(f"  source: {source}")
    print(f"  {'quantity':<26} {'unit':<5} {'function':<8} {'address':<8} {'type':<13} {'scale':>7}  {'class':<5} {'rung':<12} standard")
    for register in profile.registers:
        print(_line(register))


def _line(register: Register) -> str:
    kind = register.type if register.order == "ABCD" else f"{register.type} {register.order}"
    scale = f"{register.scale:g}" if register.scale_register is None else f"10^{register.scale_register:04X}"
    return (
        f"  {register.quantity:<26} {register.unit:<5} {'FC 4' if register.kind == 'input' else 'FC 3':<8} 0x{register.address:04X}   "
        f"{kind:<13} {scale:>7}  {register.class_:<5} {register.verification:<12} {'yes' if register.standard else 'no'}"
    )


def _summary(name: str, profile: Profile) -> dict[str, str | int]:
    return {
        "name": name,
        "maker": profile.maker,
        "model": profile.model,
        "firmware": profile.firmware,
        "verification": profile.verification,
        "quantities": len(profile.registers),
        "standard": sum(register.standard for register in profile.registers),
    }
