"""Documents keep their word: links lead somewhere, commands exist, locks agree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from driftwatt.__main__ import commands

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/**/*.md")] if ".venv" not in page.parts)
ROOMS = ("driftwatt", "config", "collector", "processors", "tests", "deploy")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_readme_of_at_most_forty_lines(room: str) -> None:
    assert len((ROOT / room / "README.md").read_text(encoding="utf-8").splitlines()) <= 40


def test_the_rooms_know_nothing_of_the_machine_they_were_written_on() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    ours = [ROOT / name for name in tracked if name.endswith((".py", ".md", ".toml", ".html", ".js", ".css"))]
    pattern = re.compile(r"""["'( ](/home|/root|/work|/mnt)/\w""")
    told = [
        str(file.relative_to(ROOT)) for file in ours if file.exists() and pattern.search(file.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not told


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_explains_itself_with_examples(name: str) -> None:
    outcome = subprocess.run([sys.executable, "-m", "driftwatt", name, "--help"], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0
    assert f"driftwatt {name}" in outcome.stdout.split("examples:")[1]


def test_every_command_is_told_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in commands() if f"driftwatt {name}" not in text]


def test_the_hashed_requirements_hold_the_versions_of_the_lock() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    versions = {(package["name"], package["version"]) for package in lock["package"] if package["name"] != "driftwatt"}
    pinned = re.findall(r"^([a-z0-9_.-]+)==([^ ;\\]+)", (ROOT / "requirements-dev.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned
    assert not set(pinned) - versions
