"""The line that an error names is the line on which the key stands, whatever TOML the file is written in."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from config.lines import Path, line_of, positions

KEYS = st.sampled_from(["id", "unit", "a-b", "x_1", "7", '"quoted.key"', "'lite ral'", '"esc\\"aped"'])
VALUES = st.sampled_from(
    [
        "1",
        '"text # no comment"',
        "'[not] a = table'",
        '"""\n[no] # table\nid = 5\n"""',
        "'''\n[[bus]]\nunit = 1'''",
        '"""one line with "quotes" inside"""',
        "[1, 2]",
        "[\n  1, # ]\n  [2, 3],\n]",
        "{ a = 1, b = [1, 2] }",
        '[\n  { a = "}" },\n  { a = "#" },\n]',
        "2027-02-03T18:00:00",
        "true # unit = 9",
        "0xF000",
    ]
)
BLOCK = st.lists(st.tuples(KEYS, VALUES), max_size=4, unique_by=lambda pair: pair[0])
FILE = st.lists(st.tuples(BLOCK, st.lists(BLOCK, max_size=3)), min_size=1, max_size=4)


def _plain(key: str) -> str:
    return next(iter(tomllib.loads(f"{key} = 1")))


def _written(blocks: list[tuple[list[tuple[str, str]], list[list[tuple[str, str]]]]]) -> tuple[str, dict[Path, int]]:
    """Return a TOML text of buses with meters, and the line that each key was written on."""
    lines: list[str] = ["# a comment", ""]
    truth: dict[Path, int] = {}

    def write(where: Path, header: str, pairs: list[tuple[str, str]]) -> None:
        lines.append(header)
        truth[where] = len(lines)
        for key, value in pairs:
            truth[(*where, _plain(key))] = len(lines) + 1
            lines.extend(f"{key} = {value}".split("\n"))

    for number, (bus, meters) in enumerate(blocks):
        write(("bus", number), "[[bus]]", bus)
        for inner, meter in enumerate(meters):
            write(("bus", number, "meter", inner), "  [[ bus . meter ]]  # here", meter)
    return "\n".join(lines) + "\n", truth


@settings(deadline=None, max_examples=300)
@given(FILE)
def test_every_key_of_a_file_is_found_on_the_line_it_was_written_on(
    blocks: list[tuple[list[tuple[str, str]], list[list[tuple[str, str]]]]],
) -> None:
    text, truth = _written(blocks)
    data = tomllib.loads(text)
    found = positions(text)
    for key, line in truth.items():
        value: Any = data
        for part in key:
            value = value[part]
        assert found[key] == line, (key, text)


def test_a_key_inside_an_inline_table_falls_back_to_what_encloses_it() -> None:
    found = positions("[a]\nb = [\n  { c = 1 },\n  { c = 2 },\n]\nd.e.f = 1\n")
    assert line_of(found, ("a", "b", 1, "c")) == 2
    assert line_of(found, ("a", "d", "e")) == 6
    assert line_of(found, ("a", "nowhere")) == 1
    assert line_of(found, ("nowhere",)) == 0


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="[]{}\"'=.#\n abc\\", max_size=80))
def test_no_text_breaks_the_look_up(text: str) -> None:
    positions(text)
