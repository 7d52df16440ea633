"""The shipped rules for Prometheus can be read, and say of each alert what Prometheus and people need."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from driftwatt.__main__ import commands

FILE = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
(GROUP,) = importlib.import_module("yaml").safe_load(FILE.read_text(encoding="utf-8"))["groups"]
RULES: list[Mapping[str, Any]] = GROUP["rules"]
OF_AN_EDGE = [rule for rule in RULES if "$labels.edge" in rule["annotations"]["summary"]]
METRIC = r"driftwatt_[a-z_]+"
TERM = rf"(absent\({METRIC}\)|(delta\({METRIC}\[\d+m\]\)|{METRIC}) (==|>|<) \d+)"


def test_no_two_alerts_have_one_name() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("Driftwatt[A-Z][A-Za-z]+", name) for name in names)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_compares_metrics_with_numbers_and_waits(rule: Mapping[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(rf"{TERM}( or {TERM})*", rule["expr"])
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_what_is_wrong_and_what_to_do_with_commands_that_exist(rule: Mapping[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "description"}
    told = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\{\{ (.*?) \}\}", told)) <= {"$labels.edge", "$value"}
    assert set(re.findall(r"driftwatt ([a-z]+) ", told)) <= set(commands())


@pytest.mark.parametrize("rule", OF_AN_EDGE, ids=lambda rule: rule["alert"])
def test_a_rule_that_names_an_edge_goes_by_metrics_that_have_one(rule: Mapping[str, Any]) -> None:
    assert all(name.startswith("driftwatt_edge_") for name in re.findall(METRIC, rule["expr"]))
