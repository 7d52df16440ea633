"""`driftwatt check`, `profiles` and `schema` as a person or a script uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from config.describe import MODELS, schema_text
from driftwatt.__main__ import main

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
SCHEMAS = EXAMPLES.parent / "schema"
Capture = pytest.CaptureFixture[str]


def _json(capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    main([*arguments, "--json"])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _changed(tmp_path: Path, *changes: tuple[str, str]) -> str:
    text = (EXAMPLES / "edge.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "edge.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_the_examples_are_right(capsys: Capture) -> None:
    assert main(["check", str(EXAMPLES / "edge.toml"), str(EXAMPLES / "plant.toml")]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "72 h of outage need" in said.out
    assert "written per day" in said.out


def test_the_plan_shows_every_request_of_every_meter(capsys: Capture) -> None:
    (edge,) = _json(capsys, "check", str(EXAMPLES / "edge.toml"))
    meters = {meter["id"]: meter for bus in edge["buses"] for meter in bus["meters"]}
    assert set(meters) == {"compressor-1", "compressor-2", "lighting", "incomer", "office"}
    assert [(one["address"], one["count"]) for one in meters["compressor-1"]["requests"]] == [(0, 18), (52, 28)]
    asked = [quantity for request in meters["lighting"]["requests"] for quantity in request["quantities"]]
    assert sorted(asked) == ["active_power", "import_energy", "voltage_l1", "voltage_l2", "voltage_l3"]


def test_seconds_on_a_serial_line_are_the_sum_of_its_characters_and_pauses(tmp_path: Path, capsys: Capture) -> None:
    (edge,) = _json(capsys, "check", _changed(tmp_path, ("tcp://192.0.2.11:502", "rtu:///dev/ttyUSB0?baud=9600&format=8N1")))
    assert not edge["warnings"]
    line = edge["buses"][0]
    counts = [request["count"] for meter in line["meters"] for request in meter["requests"]]
    character_s = 10 / 9600  # 8N1
    wire_s = sum((13 + 2 * count) * character_s + 7 * character_s + 0.02 for count in counts)
    assert line["cycle_s"] == pytest.approx(wire_s, rel=0.01)
    assert line["share"] == pytest.approx(wire_s / 10, rel=0.01)


def test_a_line_that_cannot_keep_up_is_no_answer_but_no_error(tmp_path: Path, capsys: Capture) -> None:
    file = _changed(tmp_path, ("tcp://192.0.2.11:502", "rtu:///dev/ttyUSB0?baud=1200&format=8N1"), ('every = "10s"', 'every = "1s"'))
    assert main(["check", file]) == 1
    assert 'impossible: bus "line-1" needs ' in capsys.readouterr().out


def test_an_outbox_too_small_for_the_wished_outage_is_warned_about(tmp_path: Path, capsys: Capture) -> None:
    (edge,) = _json(capsys, "check", _changed(tmp_path, ('max_bytes = "2GB"', 'max_bytes = "20MB"')))
    assert edge["ok"] is True
    assert edge["outbox"]["hours"] == pytest.approx(20e6 / edge["outbox"]["bytes_per_s"] / 3600, rel=1e-3)
    assert any("not the 72 h of outbox.keep" in warning for warning in edge["warnings"])


def test_committing_less_often_spares_flash(tmp_path: Path, capsys: Capture) -> None:
    (often,) = _json(capsys, "check", _changed(tmp_path))
    (seldom,) = _json(capsys, "check", _changed(tmp_path, ('commit_every = "2s"', 'commit_every = "60s"')))
    assert seldom["outbox"]["flash_bytes_per_day"] < often["outbox"]["flash_bytes_per_day"] / 2
    assert seldom["outbox"]["need_bytes"] == often["outbox"]["need_bytes"]


def test_a_meter_that_no_plant_lists_is_warned_about(tmp_path: Path, capsys: Capture) -> None:
    edge, _ = _json(capsys, "check", _changed(tmp_path, ('id = "lighting"', 'id = "lightning"')), str(EXAMPLES / "plant.toml"))
    assert any('"lightning" is in no plant file' in warning for warning in edge["warnings"])


def test_errors_are_structured_for_scripts(tmp_path: Path, capsys: Capture) -> None:
    file = _changed(tmp_path, ("unit = 8", "unit = 7"))
    assert main(["check", file, "--json"]) == 2
    (edge,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (error,) = edge["errors"]
    assert (error["key"], error["found"]) == ("bus[0].meter[1].unit", "7")
    assert Path(file).read_text(encoding="utf-8").splitlines()[error["line"] - 1] == "unit = 7"


def test_one_faulty_file_does_not_hide_what_is_said_about_the_others(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "other.toml"
    file.write_text("x = 1\n", encoding="utf-8")
    assert main(["check", str(file), str(EXAMPLES / "plant.toml")]) == 2
    said = capsys.readouterr()
    assert "is no file of ours" in said.err
    assert "plant file is right" in said.out


@pytest.mark.parametrize("name", MODELS)
def test_the_schema_in_the_repository_is_the_one_that_is_printed(name: str, capsys: Capture) -> None:
    assert main(["schema", name]) == 0
    printed = capsys.readouterr().out
    assert printed == schema_text(name)
    assert (SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8") == printed, (
        f"driftwatt schema {name} > config/schema/{name}.schema.json"
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_schema_names_keys_as_they_are_written(name: str) -> None:
    text = schema_text(name)
    assert "class_" not in text
    assert "from_" not in text
    assert "is_" not in text
    assert json.loads(text)["additionalProperties"] is False


def test_the_catalogue_lists_every_profile_with_its_rung(capsys: Capture) -> None:
    lines = _json(capsys, "profiles")
    assert {line["name"]: line["verification"] for line in lines}["eastron-sdm630"] == "documented"
    assert main(["profiles"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(lines) + 1


def test_a_profile_is_shown_with_its_registers(capsys: Capture) -> None:
    assert main(["profiles", "carlogavazzi-em340"]) == 0
    assert "int32 CDAB" in capsys.readouterr().out
    assert main(["profiles", "carlogavazzi-em430"]) == 2
    assert 'did you mean "carlogavazzi-em340"?' in capsys.readouterr().err


def test_the_unconfirmed_registers_that_an_edge_reads_are_named_with_their_meter(tmp_path: Path, capsys: Capture) -> None:
    wanted = 'only = ["active_power", "import_energy"]'
    text = f"""
[edge]
id = "hall-a"
[broker]
url = "mqtt://127.0.0.1:1883"
[[bus]]
id = "line-1"
url = "tcp://192.0.2.10:502"
meter = [
  {{ id = "panel", unit = 1, profile = "schneider-pm5xxx", {wanted} }},
  {{ id = "rail", unit = 2, profile = "eastron-sdm72d-m", {wanted} }},
  {{ id = "ratio", unit = 3, profile = "chint-dtsu666", only = ["frequency"] }},
]
"""
    file = tmp_path / "edge.toml"
    file.write_text(text, encoding="utf-8")
    (edge,) = _json(capsys, "check", str(file))
    named = [warning for warning in edge["warnings"] if "unconfirmed" in warning]
    assert named == [
        'meter "panel": unconfirmed registers in schneider-pm5xxx: active_power, import_energy',
        'meter "ratio": unconfirmed registers in chint-dtsu666: frequency',
    ]
    assert any("before the CT and PT ratio" in note and note.endswith(": chint-dtsu666") for note in edge["notes"])
    assert any("not tried on a device: eastron-sdm72d-m" in note for note in edge["notes"])


@pytest.mark.parametrize(
    ("url", "profile", "told"),
    [
        ("rtu:///dev/ttyUSB0?baud=9600&format=8N1", "schneider-iem3xxx", True),
        ("tcp://192.0.2.10:502?ids=none", "schneider-iem3xxx", True),
        ("tcp://192.0.2.10:502", "schneider-iem3xxx", False),
        ("rtu-tcp://192.0.2.10:4001", "eastron-sdm630", False),
    ],
)
def test_a_line_on_which_nothing_constant_can_be_read_is_told(url: str, profile: str, told: bool, tmp_path: Path, capsys: Capture) -> None:  # noqa: FBT001
    file = tmp_path / "edge.toml"
    meter = f'id = "m"\nunit = 1\nprofile = "{profile}"\nonly = ["import_energy"]\n'
    head = '[edge]\nid = "hall-a"\n[broker]\nurl = "mqtt://127.0.0.1:1883"\n'
    file.write_text(f'{head}[[bus]]\nid = "line-1"\nurl = "{url}"\n[[bus.meter]]\n{meter}', encoding="utf-8")
    (edge,) = _json(capsys, "check", str(file))
    assert edge["errors"] == []
    assert any('bus "line-1": no profile on it names a register that never changes' in note for note in edge["notes"]) == told
