"""Every model of the catalogue is recognised on a bus."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from collector.simulator.codec import Refusal
from config import catalogue
from config.loader import load_profile
from config.profiles import Kind, placed
from driftwatt.__main__ import main
from tests.support.odd_meters import OddMeter, gateway, right

SINGLE = ("eastron-sdm120", "sunspec-201")
NAMES = catalogue.names([catalogue.METERS])
TWINS = {frozenset(("janitza-umg604", "janitza-umg96rm-e"))}
"""Models that say nothing by which they differ."""


class SunSpecMeter(OddMeter):
    """A meter whose chain begins at 40000 with the mark, a common model of `common` registers and then its own model."""

    def __init__(self, name: str, common: int) -> None:
        written = load_profile(name)
        assert written.sunspec is not None
        base = 40000 + 2 + 2 + common
        super().__init__(placed(written, base), right, phases=1 if name in SINGLE else 3)
        own = (written.sunspec.model, written.sunspec.length)
        self._heads = {40000: (0x5375, 0x6E53), 40002: (1, common), base: own, base + 2 + own[1]: (0xFFFF, 0)}

    def read(self, kind: Kind, address: int, count: int, t_ms: int) -> tuple[int, ...]:
        if kind == "holding" and address in self._heads and count <= 2:
            return self._heads[address][:count]
        if address < max(self._heads) < address + count:
            raise Refusal(2)
        return super().read(kind, address, count, t_ms)


def _meters() -> Iterator[OddMeter]:
    for name in NAMES:
        profile = load_profile(name)
        yield SunSpecMeter(name, 65) if profile.sunspec else OddMeter(profile, right, phases=1 if name in SINGLE else 3)


def test_every_shipped_model_is_recognised_or_shares_its_face_with_a_named_twin(capsys: pytest.CaptureFixture[str]) -> None:
    with gateway(dict(enumerate(_meters(), start=1))) as port:
        assert main(["scan", f"tcp://127.0.0.1:{port}", "--units", f"1-{len(NAMES)}", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    wrong = {
        name: one["profile"]
        for name, one in zip(NAMES, found, strict=True)
        if one["profile"] != name and frozenset((name, one["profile"])) not in TWINS
    }
    assert not wrong
    assert not [one["unit"] for one in found if one["matches"][0]["swapped"]]


def test_a_sunspec_model_behind_a_longer_common_model_is_found_with_its_base(capsys: pytest.CaptureFixture[str]) -> None:
    with gateway({3: SunSpecMeter("sunspec-203", 66)}) as port:
        url = f"tcp://127.0.0.1:{port}"
        assert main(["scan", url, "--units", "3"]) == 0
        assert "base = 40070" in capsys.readouterr().out
        assert main(["read", url, "--unit", "3"]) == 0
        assert "ABSURD" not in capsys.readouterr().out
