"""What was found out about devices, kept in the data folder so that it is found out once."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path

from collector.pure.absent import Found

log = logging.getLogger(__name__)

FILE = "absent.json"


class Findings:
    """`absent.json`: per bus, unit and profile the registers that are not there. Delete it to have them searched again."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._found = _load(self._file)

    def of(self, bus: str, unit: int, profile_hash: str) -> Found:
        """Return what is known of a device; nothing when its profile has changed since."""
        return self._found.get(_key(bus, unit, profile_hash), Found())

    def remember(self, bus: str, unit: int, profile_hash: str, found: Found) -> None:
        """Keep what was found. A disk that refuses costs another search after the next start."""
        self._found[_key(bus, unit, profile_hash)] = found
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_text(json.dumps({key: asdict(each) for key, each in self._found.items()}, indent=1), encoding="utf-8")
            fresh.replace(self._file)
        except OSError as error:
            log.warning("%s: %s", self._file, error.strerror)


def _key(bus: str, unit: int, profile_hash: str) -> str:
    return f"{bus}/{unit}/{profile_hash}"


def _load(file: Path) -> dict[str, Found]:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return {str(key): Found(tuple(map(str, each["absent"])), bool(each["narrow"])) for key, each in raw.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning("%s is not understood and left aside: %s", file, error)
        return {}
