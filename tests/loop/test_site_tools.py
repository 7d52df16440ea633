"""The tools of the site against meters on a real socket that are set up and wired wrongly."""

from __future__ import annotations

import json
from math import acos, cos, radians, sin
from pathlib import Path
from typing import Any

import pytest

from config.loader import load_edge
from driftwatt.__main__ import main
from tests.support.daemons import free_port, running
from tests.support.odd_meters import Meters, Twist, gateway, meter, reversed_ct, times, two_meters

Capture = pytest.CaptureFixture[str]
EDGE = """
[edge]
id = "hall-a"
[broker]
url = "mqtt://127.0.0.1:1883"
[[bus]]
id = "line-1"
url = "tcp://127.0.0.1:{port}"
timeout = "500ms"
"""
METER = '[[bus.meter]]\nid = "m{unit}"\nunit = {unit}\nprofile = "{profile}"\n'


def exchanged(one: int, two: int) -> Twist:
    """Return the twist of two current transformers that sit on each other's phase."""

    def twist(values: dict[str, float], t_ms: int) -> None:
        del t_ms
        angle = acos(values["power_factor"])
        for at, source in ((one, two), (two, one)):
            turned, volt_amps = angle + radians(120) * (source - at), values[f"apparent_power_l{at}"]
            values[f"active_power_l{at}"], values[f"reactive_power_l{at}"] = volt_amps * cos(turned), volt_amps * sin(turned)
            values[f"power_factor_l{at}"] = cos(turned)
        values["active_power"] = sum(values[f"active_power_l{phase}"] for phase in (1, 2, 3))

    return twist


def _lines(capsys: Capture, *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    main([*words, "--json"])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _live(folder: Path, capsys: Capture, meters: Meters, profiles: dict[int, str], **odd: Any) -> dict[int, dict[str, Any]]:
    """Return what `check --live` says of each unit."""
    with gateway(meters, **odd) as port:
        file = folder / "edge.toml"
        file.write_text(EDGE.format(port=port) + "".join(METER.format(unit=unit, profile=name) for unit, name in profiles.items()))
        said = _lines(capsys, "check", str(file), "--live", "--seconds", "0")
    return {each["unit"]: each for each in said[-1]["meters"]}


def _codes(said: dict[str, Any], *levels: str) -> list[str]:
    return [verdict["code"] for verdict in said["verdicts"] if verdict["level"] in (levels or ("fail", "warn"))]


def test_a_scan_names_every_model_and_writes_a_file_that_checks(tmp_path: Path, capsys: Capture) -> None:
    models = {1: "eastron-sdm630", 4: "eastron-sdm120", 5: "carlogavazzi-em340", 9: "janitza-umg604"}
    with gateway({unit: meter(name) for unit, name in models.items()}) as port:
        found = _lines(capsys, "scan", f"tcp://127.0.0.1:{port}", "--units", "1-12")
        assert {one["unit"]: one["profile"] for one in found} == models
        assert all(one["matches"][0]["sure"] for one in found if one["unit"] != 9)
        assert main(["scan", f"tcp://127.0.0.1:{port}", "--units", "1-12", "-o", str(tmp_path / "edge.toml")]) == 0
    edge = load_edge(tmp_path / "edge.toml")
    assert {each.unit: each.profile for each in edge.bus[0].meter} == models
    assert main(["scan", "tcp://127.0.0.1:1", "-o", str(tmp_path / "edge.toml")]) == 2


def test_a_scan_tells_swapped_words_and_a_bus_where_nobody_answers(capsys: Capture) -> None:
    with gateway({2: meter(swapped="words")}) as port:
        assert main(["scan", f"tcp://127.0.0.1:{port}", "--units", "2"]) == 0
        said = capsys.readouterr().out
        assert "words are SWAPPED" in said
        assert all(len(line) <= 60 for line in said.split("\n[[bus]]")[0].splitlines())
        assert main(["scan", f"tcp://127.0.0.1:{port}", "--units", "3-5"]) == 1
        assert "nobody answers" in capsys.readouterr().out


@pytest.mark.parametrize("units", ["0", "1-248", "a", "5-", "", "9-3"])
def test_units_that_are_none_are_refused(units: str, capsys: Capture) -> None:
    assert main(["scan", "tcp://127.0.0.1:1", "--units", units]) == 2
    assert "units are" in capsys.readouterr().err


def test_a_gateway_that_is_off_is_named_with_what_to_look_at(capsys: Capture) -> None:
    port = free_port()
    for words in (["scan", f"tcp://127.0.0.1:{port}"], ["read", f"tcp://127.0.0.1:{port}", "--unit", "1"]):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert str(port) in said
        assert "is the gateway on" in said


def test_read_shows_every_quantity_with_its_registers(capsys: Capture) -> None:
    with gateway({4: meter("eastron-sdm120", watts=4000.0), 2: meter(swapped="words")}) as port:
        url = f"tcp://127.0.0.1:{port}"
        said = {one["quantity"]: one for one in _lines(capsys, "read", url, "--unit", "4")}
        assert said["active_power"] == {
            "quantity": "active_power", "value": 4000.0, "unit": "W", "quality": "good", "raw": ["457A", "0000"],
            "kind": "input", "address": 12,
        }  # fmt: skip
        assert main(["read", url, "--unit", "2", "--profile", "eastron-sdm630"]) == 1
        absurd = [line for line in capsys.readouterr().out.splitlines() if "ABSURD" in line]
        assert absurd
        assert not [line for line in absurd if " 0.0 V" in line], "a number that is nearly nothing is not shown as nothing"
        assert main(["read", url, "--unit", "3", "--profile", "eastron-sdm630"]) == 1
        said_of_nobody = capsys.readouterr().out
        assert "unit id, wiring A/B" in said_of_nobody
        assert main(["read", url, "--unit", "3", "--profile", "eastron-sdm360"]) == 2
        assert 'did you mean "eastron-sdm630"' in capsys.readouterr().err


def test_check_live_names_wrong_profile_swapped_words_and_a_reversed_ct(tmp_path: Path, capsys: Capture) -> None:
    meters = {
        1: meter(),
        2: meter(swapped="words"),
        3: meter(twist=reversed_ct(2)),
        4: meter("eastron-sdm120"),
        6: meter("carlogavazzi-em340"),
    }
    profiles = dict.fromkeys([1, 2, 3, 4], "eastron-sdm630") | {6: "janitza-umg604", 7: "eastron-sdm120"}
    said = _live(tmp_path, capsys, meters, profiles)
    assert _codes(said[1]) == []
    assert _codes(said[2]) == ["word_order"]
    assert said[3]["verdicts"][0]["text"] == "CT on L2 is reversed"
    assert _codes(said[3]) == ["ct_direction"]
    assert said[4]["verdicts"][0]["todo"] == 'profile = "eastron-sdm120"'
    assert said[6]["verdicts"][0]["todo"] == 'profile = "carlogavazzi-em340"'
    assert _codes(said[7]) == ["silent"]
    assert [each["ok"] for each in said.values()] == [True, False, False, False, False, False]


def test_check_live_names_exchanged_cts_and_numbers_that_contradict_each_other(tmp_path: Path, capsys: Capture) -> None:
    meters = {
        1: meter(twist=exchanged(1, 3)),
        2: meter(twist=times("active_power", 0.1)),
        3: meter(twist=times("import_energy", 0.1), watts=600_000.0),
        4: meter(watts=600_000.0),
        5: meter("eastron-sdm120", watts=0.0),
    }
    said = _live(tmp_path, capsys, meters, dict.fromkeys([1, 2, 3, 4], "eastron-sdm630") | {5: "eastron-sdm120"})
    assert "CTs of L1 and L3 are exchanged" in [verdict["text"] for verdict in said[1]["verdicts"]]
    assert "phases_do_not_add_up" in _codes(said[2])
    assert _codes(said[3]) == ["energy_contradicts"]
    assert _codes(said[4], "fail", "warn", "note") == []
    assert _codes(said[5], "fail", "warn", "note") == ["no_load"]


def test_check_live_names_two_meters_with_one_unit_id(tmp_path: Path, capsys: Capture) -> None:
    file, answers = tmp_path / "edge.toml", {1: meter(), 2: meter(twist=two_meters)}
    with gateway(answers) as port:
        file.write_text(
            EDGE.format(port=port) + METER.format(unit=1, profile="eastron-sdm630") + METER.format(unit=2, profile="eastron-sdm630")
        )
        (line,) = _lines(capsys, "check", str(file), "--live", "--seconds", "5")[1:]
    said = {each["unit"]: _codes(each) for each in line["meters"]}
    assert said == {1: [], 2: ["unit_clash"]}


def test_check_live_names_a_second_master_when_answers_fit_no_question(tmp_path: Path, capsys: Capture) -> None:
    def spoil(number: int, frame: bytes) -> bytes:
        return frame if number % 5 or frame[7] & 0x80 else frame[:7] + bytes([7 - frame[7]]) + frame[8:]  # the other function

    said = _live(tmp_path, capsys, {1: meter(), 2: meter()}, {1: "eastron-sdm630", 2: "eastron-sdm630"}, spoil=spoil)
    assert "two_masters" in [*_codes(said[1]), *_codes(said[2])]


def test_check_live_tells_a_gateway_that_is_off(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(EDGE.format(port=free_port()) + METER.format(unit=1, profile="eastron-sdm630"))
    assert main(["check", str(file), "--live"]) == 1
    said = capsys.readouterr().out
    assert "BAD   cannot connect" in said
    assert max(len(line) for line in said.splitlines()[1:]) <= 68
    assert "0 of 1 meters are right" in said


def test_a_recording_holds_the_registers_and_is_a_golden_frame(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "m4.json"
    with gateway({4: meter("eastron-sdm120", watts=4000.0)}) as port:
        url = f"tcp://127.0.0.1:{port}"
        assert main(["dump", url, "--unit", "4", "--also", "input:0x0000-0x0003", "-o", str(file)]) == 0
        assert main(["dump", url, "--unit", "4", "-o", str(file)]) == 2
        assert main(["dump", url, "--unit", "5", "-o", str(tmp_path / "m5.json")]) == 1
        assert "says nothing" in capsys.readouterr().err
    recording = json.loads(file.read_text(encoding="utf-8"))
    assert recording["profile"] == "eastron-sdm120"
    frames = {(frame["request"]["kind"], frame["request"]["address"]): frame for frame in recording["frames"]}
    assert frames["input", 12]["expect"] == {"active_power": 4000.0}
    assert frames["holding", 0xFC02]["registers"] == ["0020"]
    assert not (tmp_path / "m5.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["decode", "12"],
        ["decode", "xyz"],
        ["decode", "1234", "--at", "0x10000"],
        ["dump", "tcp://h", "--unit", "1", "--also", "coil:1", "-o", "x"],
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_is_allowed(words: list[str], capsys: Capture) -> None:
    assert main(words) == 2
    assert "allowed:" in capsys.readouterr().err


def test_decode_marks_the_plausible(capsys: Capture) -> None:
    assert main(["decode", "4366 8000", "--at", "0x0000"]) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("*")] == ["* 0x0000  float32   ABCD  230.5          230.5 V"]
    assert "0x0000 in eastron-sdm630: voltage_l1, input float32 ABCD" in said
    assert any(one["plausible"] for one in _lines(capsys, "decode", "43668000"))


def test_a_recording_is_served_again_and_reads_the_same(tmp_path: Path, capsys: Capture) -> None:
    file, again = tmp_path / "m5.json", tmp_path / "again.json"
    with gateway({5: meter("carlogavazzi-em340")}) as port:
        assert main(["dump", f"tcp://127.0.0.1:{port}", "--unit", "5", "-o", str(file)]) == 0
    with running("simulate", str(file), "--listen", "tcp://127.0.0.1:0") as simulator:
        url = simulator.line().rsplit(" ", 1)[-1]
        (found,) = _lines(capsys, "scan", url, "--units", "1-9")[-1:]
        assert (found["unit"], found["profile"], found["matches"][0]["sure"]) == (5, "carlogavazzi-em340", True)
        assert main(["dump", url, "--unit", "5", "-o", str(again)]) == 0
        assert simulator.end() == 0
    first, second = (json.loads(each.read_text(encoding="utf-8")) for each in (file, again))
    assert first["frames"] == second["frames"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"driftwatt_recording": 1, "unit": 1, "frames": [{}]}', "[" * 100_000])
def test_a_file_that_is_no_recording_is_refused(text: str, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "m.json"
    file.write_text(text, encoding="utf-8")
    assert main(["simulate", str(file), "--listen", "tcp://127.0.0.1:0"]) == 2
    assert str(file) in capsys.readouterr().err


def test_a_serial_line_is_scanned_and_its_meters_judged(tmp_path: Path, capsys: Capture) -> None:
    link, file = tmp_path / "line", tmp_path / "edge.toml"
    url = f"rtu://{link}?baud=38400&format=8N1"
    with running("simulate", "--meters", "2", "--listen", f"pty:{link}?baud=38400&format=8N1") as simulator:
        while simulator.line() != "ready":
            pass
        assert main(["scan", url, "--units", "1-3", "-o", str(file)]) == 0
        assert main(["check", str(file), "--live", "--seconds", "0"]) == 0
        said = capsys.readouterr().out
        assert simulator.end() == 0
    assert said.count("eastron-sdm630  sure") == 2
    assert "all 2 meters are right" in said
