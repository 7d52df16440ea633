"""The shipped systemd units start commands that exist, the way the daemons want to be treated."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

from config.loader import load_edge, load_plant
from driftwatt.__main__ import commands, parser

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))


def service(unit: Path) -> dict[str, str]:
    read = ConfigParser(interpolation=None, strict=True)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(unit.read_text(encoding="utf-8"))
    assert set(read) == {"DEFAULT", "Unit", "Service", "Install"}
    return dict(read["Service"])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_daemon_with_its_file(unit: Path) -> None:
    program, *words = service(unit)["ExecStart"].split()
    assert program == "/opt/driftwatt/bin/driftwatt"
    chosen = parser(commands()).parse_args(words)
    assert unit.stem == f"driftwatt-{chosen.command}"
    assert chosen.file.parent == Path("/etc/driftwatt")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_reloads_restarts_and_gives_up_on_a_wrong_file(unit: Path) -> None:
    found = service(unit)
    assert found["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert found["Restart"] == "always"
    assert found["RestartPreventExitStatus"] == "2 3", "a wrong file, a missing extra: see driftwatt.commands.Command"
    assert int(found["TimeoutStopSec"].rstrip("s")) >= 30


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_may_write_where_the_examples_keep_their_data(unit: Path) -> None:
    found = service(unit)
    assert found["ProtectSystem"] == "strict"
    examples = ROOT / "config" / "examples"
    data = {load_edge(examples / "edge.toml").edge.data_dir, load_plant(examples / "plant.toml").plant.data_dir}
    assert data == {Path("/var/lib") / found["StateDirectory"]}


def test_the_page_of_this_folder_names_every_file_in_it() -> None:
    folder = ROOT / "deploy"
    told = set(re.findall(r"^\| `(.*?)` \|", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert told == {str(file.relative_to(folder)) for file in folder.rglob("*.*") if file.parent != folder}
