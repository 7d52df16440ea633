"""Pages name files that are there, and a room's README leaves no file of the room out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("driftwatt", "config", "collector", "processors")


def named(room: str) -> Iterator[str]:
    """Yield the paths below the room that the first column of its tables names; a name without a folder takes that of the one before."""
    for row in re.findall(r"^\| (`.*?) \|", (ROOT / room / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        folder = ""
        for words in re.findall(r"`([^`]+)`", row):
            before, braced, inner = words.partition("{")
            for name in inner.rstrip("}").split(",") if braced else [""]:
                path = before + name
                folder = path.rpartition("/")[0] if "/" in path else folder
                yield path if "/" in path else f"{folder}/{path}".lstrip("/")


def there(room: str, path: str) -> list[Path]:
    at = ROOT / room
    return [*at.glob(path), *at.glob(f"{path}.py"), *at.glob(path.rpartition("/")[2] + ".py")]


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_that_a_readme_names_is_there(room: str) -> None:
    assert not [path for path in named(room) if not there(room, path)]


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_at_the_top_of_a_room_is_in_its_readme(room: str) -> None:
    told = {found.name for path in named(room) for found in there(room, path)}
    missing = [file.name for file in (ROOT / room).glob("*.py") if file.name not in told and file.name != "__init__.py"]
    assert not missing


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/**/*.md")], ids=lambda page: page.name)
def test_every_source_file_that_a_page_names_is_there(page: Path) -> None:
    told = set(re.findall(r"`((?:driftwatt|config|collector|processors|tests|deploy)/[\w/.-]+\.\w+)`", page.read_text(encoding="utf-8")))
    assert not [name for name in told if not (ROOT / name).exists()]
