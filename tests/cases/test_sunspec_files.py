"""What is refused about SunSpec profiles, exponents and codings, and about where a meter's model stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.catalogue import METERS
from config.loader import load_edge, load_profile_file
from driftwatt.errors import ConfigErrors

EDGE = '[edge]\nid = "hall-a"\n[broker]\nurl = "mqtt://127.0.0.1:1883"\n[[bus]]\nid = "line-1"\nurl = "tcp://192.0.2.10:502"\n'
SUNSPEC = (METERS / "sunspec-203.toml").read_text(encoding="utf-8")


def _refused(tmp_path: Path, old: str, new: str) -> str:
    file = tmp_path / "own.toml"
    assert old in SUNSPEC
    file.write_text(SUNSPEC.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigErrors) as refused:
        load_profile_file(file)
    return "\n".join(str(error) for error in refused.value.errors)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("scale_register = 6", "scale_register = 107", "register[0].address: lies behind the model"),
        ("scale_register = 6", "scale_register = 3", "register[0].scale_register: lies in the value itself"),
        ("bridge = [[0, 106]]", "bridge = []", "register[3].scale_register: is read with its value, across registers"),
        ("bridge = [[0, 106]]", "bridge = [[0, 107]]", "limits.bridge[0]: lies behind the model"),
        ("bridge = [[0, 106]]", "bridge = [[0, 106]]\nmax_registers = 7", "does not fit into one request"),
        ("base = 40069", "base = 65500", "sunspec.base: puts registers beyond the last one"),
        ("address = 0\n", "address = 1\n", "identify.address: is not the model's id register"),
        (
            'type = "int16"\nscale_register = 6',
            'type = "bits16"\nscale_register = 6',
            "register[0].scale_register: bits16 needs no exponent",
        ),
        (
            'scale_register = 6\nunit = "A"',
            'scale_register = 6\ncoding = "four_quadrant"\nunit = "A"',
            "register[0].coding: is only for power",
        ),
        ('coding = "percent_or_ratio"', 'coding = "percent"', "coding"),
    ],
)
def test_a_sunspec_profile_is_refused_where_it_cannot_be_read(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in _refused(tmp_path, old, new)


def _edge(tmp_path: Path, meter: str) -> Path:
    file = tmp_path / "edge.toml"
    file.write_text(EDGE + f'[[bus.meter]]\nid = "m-1"\nunit = 1\n{meter}\n', encoding="utf-8")
    return file


def test_a_meter_may_say_where_its_model_stands(tmp_path: Path) -> None:
    edge = load_edge(_edge(tmp_path, 'profile = "sunspec-203"\nbase = 40188'))
    assert edge.bus[0].meter[0].base == 40188


@pytest.mark.parametrize(
    ("meter", "said"),
    [
        ('profile = "sunspec-203"\nbase = 65500', "puts registers beyond the last one"),
        ('profile = "eastron-sdm630"\nbase = 40069', "is of no SunSpec model"),
        ('profile = "sunspec-203"\nbase = -1', "base"),
    ],
)
def test_a_base_that_cannot_be_is_refused_at_its_key(tmp_path: Path, meter: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        load_edge(_edge(tmp_path, meter))
    (error,) = refused.value.errors
    assert "bus[0].meter[0].base" in str(error)
    assert said in str(error)
