"""`edge.toml` read at the start and again at SIGHUP: all of it is validated before anything is applied."""

from __future__ import annotations

from pathlib import Path

from collector.pure.changes import Setup, in_force
from config.edge import EdgeFile
from config.loader import load_edge, load_profile, profile_folders, profile_hash


def read_setup(file: Path) -> Setup:
    """Read the file with the profiles that it names. Raises ConfigError, ConfigErrors."""
    edge = load_edge(file)
    folders = profile_folders(edge, file)
    profiles = {name: load_profile(name, folders) for name in {meter.profile for bus in edge.bus for meter in bus.meter}}
    _share(edge)
    return Setup(edge, profiles, {name: profile_hash(profile) for name, profile in profiles.items()})


def _share(edge: EdgeFile) -> None:
    """Let buses and meters that were written with the same keys share the set of those: pydantic keeps 700 bytes for each of them."""
    known: dict[frozenset[str], set[str]] = {}
    for model in (each for bus in edge.bus for each in (bus, *bus.meter)):
        keys = model.model_fields_set
        object.__setattr__(model, "__pydantic_fields_set__", known.setdefault(frozenset(keys), keys))


def read_again(file: Path, running: Setup) -> tuple[Setup, tuple[str, ...]]:
    """Return what can be in force now, and the keys that changed but wait for a restart. Raises ConfigError, ConfigErrors."""
    fresh = read_setup(file)
    edge, waiting = in_force(fresh.edge, running.edge)
    return Setup(edge, fresh.profiles, fresh.hashes), waiting
