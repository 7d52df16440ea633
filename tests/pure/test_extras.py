"""A package that is not installed is told with what installs it; a module of ours that is missing is a fault like any other."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from driftwatt.errors import MissingExtra
from driftwatt.extras import Extra, needing

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ONLY_DATA = {"tzdata"}


def told(extra: Extra, module: str) -> str:
    with pytest.raises(MissingExtra) as caught, needing(extra):
        raise ModuleNotFoundError(module, name=module)
    return str(caught.value)


def distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_-]", requirement)[0]


@pytest.mark.parametrize("extra", ["collector", "processor", "all"])
def test_every_package_that_an_extra_brings_is_told_with_what_installs_it(extra: Extra) -> None:
    brought = {distribution(each) for each in PROJECT["optional-dependencies"][extra]} - ONLY_DATA - {"driftwatt"}
    modules = {module for module, owners in packages_distributions().items() if brought & set(owners) and not module.startswith("_")}
    assert modules
    for module in modules:
        assert told(extra, module) == f"{module} is not installed; install it with: pip install 'driftwatt[{extra}]'"


def test_a_part_of_a_missing_package_is_told_by_the_name_of_the_package() -> None:
    assert told("processor", "numpy.linalg").startswith("numpy is not installed")


def test_a_module_of_our_own_that_is_missing_is_not_taken_for_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError), needing("processor"):
        raise ModuleNotFoundError("processors.gone", name="processors.gone")
