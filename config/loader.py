"""Loads the files of an edge, a plant and the tables they refer to. Every function raises ConfigErrors that names all faults."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel

from config import catalogue
from config.catalogue import CALENDARS, FACTORS, METERS, TARIFFS
from config.edge import EdgeFile
from config.edge_rules import edge_faults
from config.explain import parse, parse_mended, shown
from config.lines import Path as KeyPath
from config.plant import PlantFile
from config.plant_rules import plant_faults
from config.profile_rules import profile_faults
from config.profiles import Profile, shifted
from config.source import Fault, Source, printable, read
from config.table_rules import calendar_faults, factor_faults, tariff_faults
from config.tables import Calendar, Factors, Tariff
from driftwatt.errors import ConfigError, ConfigErrors

_M = TypeVar("_M", bound=BaseModel)
_T = TypeVar("_T")

FileKind = Literal["edge", "plant", "profile", "tariff", "calendar", "factor"]
_SIGNS: dict[FileKind, tuple[str, ...]] = {
    "edge": ("edge", "bus", "outbox"),
    "plant": ("plant", "meter", "store", "web", "tariff", "factors", "calendar", "area", "alerts", "notify"),
    "profile": ("register", "maker", "model", "limits", "identify"),
    "tariff": ("price", "schedule", "vat_included"),
    "calendar": ("week", "holidays"),
    "factor": ("factor",),
}


def load_edge(path: Path | str) -> EdgeFile:
    """Return a checked `edge.toml`, its profiles included in the checks. Relative paths in it count from its folder."""
    source = read(Path(path))
    _mind_kind(source, "edge")
    edge, shape = parse_mended(source, EdgeFile)
    load = partial(load_profile, dirs=profile_folders(edge, path))
    wanted: dict[KeyPath, str] = {
        ("bus", i, "meter", j, "profile"): meter.profile for i, bus in enumerate(edge.bus) for j, meter in enumerate(bus.meter)
    }
    profiles, errors = _load_all(source, wanted, load)
    absent = [
        Fault(("edge", "profile_dirs", index), "is not a folder", shown(str(folder)))
        for index, folder in enumerate(edge.edge.profile_dirs)
        if not (source.folder / folder).is_dir()
    ]
    _raise([*shape, *errors], source, [*absent, *edge_faults(edge, profiles)])
    return edge


def load_plant(path: Path | str) -> PlantFile:
    """Return a checked `plant.toml`, its tariff, calendars and factors included in the checks."""
    source = read(Path(path))
    _mind_kind(source, "plant")
    plant, shape = parse_mended(source, PlantFile)
    calendars: dict[KeyPath, str] = {("calendar", "use"): plant.calendar.use}
    calendars |= {("meter", i, "calendar"): meter.calendar for i, meter in enumerate(plant.meter) if meter.calendar is not None}
    tariffs, errors = _load_all(source, {("tariff", "use"): plant.tariff.use}, partial(load_tariff, folder=source.folder))
    for loading in (
        _load_all(source, calendars, partial(load_calendar, folder=source.folder)),
        _load_all(source, {("factors", "use"): plant.factors.use}, partial(load_factors, folder=source.folder)),
    ):
        errors += loading[1]
    _raise([*shape, *errors], source, plant_faults(plant, tariffs.get(plant.tariff.use)))
    return plant


def kind_of(path: Path | str) -> FileKind:
    """Return which kind of file this is, by its tables. Raises ConfigErrors when it cannot be told."""
    source = read(Path(path))
    scores = _scores(source)
    best = max(scores, key=lambda kind: scores[kind])
    if scores[best] == 0:
        allowed = "; ".join(f"{kind}: {', '.join(keys)}" for kind, keys in _SIGNS.items())
        raise ConfigErrors(
            [
                ConfigError(
                    "is no file of ours", file=source.name, found=printable(", ".join(source.data)[:200]) or "nothing", allowed=allowed
                )
            ]
        )
    return best


def _scores(source: Source) -> dict[FileKind, int]:
    """Return how many tables a file has that only one kind has; edge and plant share [broker]."""
    return {kind: sum(key in source.data for key in keys) for kind, keys in _SIGNS.items()}


def _mind_kind(source: Source, wanted: FileKind) -> None:
    """Say once that a file is of another kind, instead of once for each of its tables."""
    scores = _scores(source)
    best = max(scores, key=lambda kind: scores[kind])
    if not scores[wanted] and scores[best] > 1:
        raise ConfigErrors([ConfigError("is another kind of file", file=source.name, found=f"a file of the {best} kind", allowed=wanted)])


def profile_folders(edge: EdgeFile, path: Path | str) -> tuple[Path, ...]:
    """Return where an edge file's profiles are looked for: its own folders first, then the shipped one."""
    return (*(Path(path).parent / folder for folder in edge.edge.profile_dirs), METERS)


def load_profile(name: str, dirs: Sequence[Path] = (METERS,)) -> Profile:
    """Return the checked profile `<name>.toml` from the first folder that has it."""
    return load_profile_file(_found(lambda: catalogue.find("profile", name, dirs)))


def load_profile_file(path: Path | str) -> Profile:
    """Return the checked profile in a file. A SunSpec profile is placed where its model usually stands."""
    profile = _checked(path, Profile, profile_faults)
    return profile if profile.sunspec is None else shifted(profile, profile.sunspec.base)


def profile_hash(profile: Profile) -> str:
    """Return 16 hex digits that change whenever something in the profile changes."""
    return hashlib.sha256(profile.model_dump_json(by_alias=True).encode()).hexdigest()[:16]


def load_tariff(name_or_path: str, folder: Path = Path()) -> Tariff:
    """Return a checked tariff: a shipped name, or a path ending in `.toml` below `folder`."""
    return load_tariff_file(_found(lambda: catalogue.find_or_path("tariff", name_or_path, TARIFFS, folder)))


def load_tariff_file(path: Path | str) -> Tariff:
    """Return the checked tariff in a file."""
    return _checked(path, Tariff, tariff_faults)


def load_calendar(name_or_path: str, folder: Path = Path()) -> Calendar:
    """Return a checked calendar: a shipped name, or a path ending in `.toml` below `folder`."""
    return load_calendar_file(_found(lambda: catalogue.find_or_path("calendar", name_or_path, CALENDARS, folder)))


def load_calendar_file(path: Path | str) -> Calendar:
    """Return the checked calendar in a file."""
    return _checked(path, Calendar, calendar_faults)


def load_factors(name_or_path: str, folder: Path = Path()) -> Factors:
    """Return checked emission factors: a shipped name, or a path ending in `.toml` below `folder`."""
    return load_factors_file(_found(lambda: catalogue.find_or_path("factors", name_or_path, FACTORS, folder)))


def load_factors_file(path: Path | str) -> Factors:
    """Return the checked emission factors in a file."""
    return _checked(path, Factors, factor_faults)


def _checked(path: Path | str, model: type[_M], faults: Callable[[_M], Iterable[Fault]]) -> _M:
    source = read(Path(path))
    table = parse(source, model)
    _raise([], source, faults(table))
    return table


def _found(find: Callable[[], Path]) -> Path:
    try:
        return find()
    except ConfigError as error:
        raise ConfigErrors([error]) from error


def _load_all(source: Source, wanted: dict[KeyPath, str], load: Callable[[str], _T]) -> tuple[dict[str, _T], list[ConfigError]]:
    """Load each name once. A name that is not there is told at the key that asks for it, a faulty file at its own lines."""
    loaded: dict[str, _T] = {}
    failed: dict[str, ConfigErrors] = {}
    errors: list[ConfigError] = []
    for key, name in wanted.items():
        if name not in loaded and name not in failed:
            try:
                loaded[name] = load(name)
            except ConfigErrors as error:
                failed[name] = error
                errors += [one for one in error.errors if one.file is not None]
        if name in failed:
            errors += [
                source.error(key, one.problem, found=one.found, allowed=one.allowed) for one in failed[name].errors if one.file is None
            ]
    return loaded, errors


def _raise(errors: list[ConfigError], source: Source, faults: Iterable[Fault]) -> None:
    errors = [*errors, *(source.error(fault.key, fault.problem, found=fault.found, allowed=fault.allowed) for fault in faults)]
    if errors:
        raise ConfigErrors(errors)
