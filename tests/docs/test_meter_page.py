"""The table of supported meters is made from the profiles, not written."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.catalogue import METERS, names
from driftwatt.__main__ import main

PAGE = Path(__file__).parents[2] / "docs" / "meters.md"


def test_the_page_of_supported_meters_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profiles", "--markdown"]) == 0
    printed = capsys.readouterr().out
    _, _, made = PAGE.read_text(encoding="utf-8").partition("<!-- made by: driftwatt profiles --markdown -->\n\n")
    assert made.strip() == printed.strip()
    assert all(f"| `{name}` |" in printed for name in names([METERS]))


def test_a_profile_of_ones_own_is_in_the_table_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own-100.toml").write_text((METERS / "_blueprint.toml").read_text(encoding="utf-8"), encoding="utf-8")
    assert main(["profiles", "--markdown", "--dir", str(tmp_path)]) == 0
    assert "| `own-100` | Maker Model 100 | unconfirmed | ◐ 1φ |" in capsys.readouterr().out
