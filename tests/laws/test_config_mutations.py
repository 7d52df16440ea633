"""A file with any accident in it either loads or is refused in plain lines; it never breaks the program."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.catalogue import SHIPPED
from config.loader import kind_of, load_calendar_file, load_edge, load_factors_file, load_plant, load_profile_file, load_tariff_file
from driftwatt.errors import ConfigErrors

FILES: list[tuple[Callable[[Path], object], Path]] = [
    (load_edge, SHIPPED / "examples" / "edge.toml"),
    (load_plant, SHIPPED / "examples" / "plant.toml"),
    (load_profile_file, SHIPPED / "meters" / "eastron-sdm120.toml"),
    (load_tariff_file, SHIPPED / "tariffs" / "vn-2025-manufacturing-22-110kv.toml"),
    (load_calendar_file, SHIPPED / "calendars" / "two-shift.toml"),
    (load_factors_file, SHIPPED / "factors" / "vn-grid.toml"),
]
VALUES = [
    "1",
    "-1",
    "1.5",
    "nan",
    "inf",
    "true",
    '""',
    '"x"',
    '"../x"',
    "[]",
    "[1]",
    "{}",
    "[[]]",
    "2026-01-01",
    "12:00:00",
    '"\\u0000"',
    "1e400",
]


@st.composite
def _accident(draw: st.DrawFn, text: str) -> str:
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["delete", "repeat", "swap", "value", "letter", "cut"])):
            case "delete":
                del lines[at]
            case "repeat":
                lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "value":
                lines[at] = f"{lines[at].partition('=')[0]}= {draw(st.sampled_from(VALUES))}"
            case "letter":
                spot = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:spot] + draw(st.characters(codec="utf-8")) + lines[at][spot + 1 :]
            case _:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
        lines = lines or [""]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("load", "path"), FILES, ids=lambda part: part.stem if isinstance(part, Path) else "")
def test_an_accident_in_a_file_never_breaks_the_loader(load: Callable[[Path], object], path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    @settings(deadline=None, max_examples=60)
    @given(_accident(text))
    def law(changed: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / path.name
            file.write_bytes(changed.encode("utf-8"))
            for attempt in (load, kind_of):
                try:
                    attempt(file)
                except ConfigErrors as error:
                    for one in error.errors:
                        assert one.problem
                        assert str(one).isprintable(), str(one)
                        assert one.line is None or one.line <= changed.count("\n") + 1

    law()
