"""The files we ship and the folders in which an integrator keeps more: found by name, never outside the listed folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from config.explain import did_you_mean, shown
from driftwatt.errors import ConfigError
from driftwatt.names import is_id

SHIPPED = Path(__file__).parent
METERS, TARIFFS, CALENDARS, FACTORS = (SHIPPED / name for name in ("meters", "tariffs", "calendars", "factors"))


def names(folders: Iterable[Path]) -> list[str]:
    """Return the names that the folders offer, sorted. Files that begin with `_` are templates."""
    return sorted({file.stem for folder in folders if folder.is_dir() for file in folder.glob("*.toml") if is_id(file.stem)})


def find(kind: str, name: str, folders: Sequence[Path]) -> Path:
    """Return the file `<name>.toml` in the first folder that has it. Raises ConfigError.

    A link that leads out of its folder is refused, so that a name cannot read a file nobody listed.
    """
    if is_id(name):
        for folder in folders:
            path = folder / f"{name}.toml"
            if _is_file(path):
                return _inside(path, folder)
    raise ConfigError(f"{kind} is not known", found=shown(name[:80]), allowed=did_you_mean(name[:80], names(folders)))


def find_or_path(kind: str, use: str, shipped: Path, folder: Path) -> Path:
    """Return a shipped file by its name, or a file below `folder` by its relative path ending in `.toml`. Raises ConfigError."""
    if not use.endswith(".toml"):
        return find(kind, use, [shipped])
    if "\0" in use or Path(use).is_absolute():
        raise ConfigError(f"{kind} must be a relative path", found=shown(use[:80]), allowed="a path below the folder of this file")
    path = folder / use
    if not _is_file(path):
        raise ConfigError(f"{kind} file is not there", found=shown(use[:80]), allowed=f"a path, or one of: {', '.join(names([shipped]))}")
    return _inside(path, folder)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def _inside(path: Path, folder: Path) -> Path:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError("leads out of its folder", found=shown(f"{path} → {path.resolve()}"), allowed=f"a file below {folder}")
    return path
