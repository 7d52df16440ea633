"""Faulty files, one folder each: what a user reads is compared word by word with expected-error.txt."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftwatt.__main__ import main

CASES = sorted(folder for folder in (Path(__file__).parent / "config").iterdir() if folder.is_dir())


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_faulty_file_is_refused_in_the_expected_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    file = next(name for name in ("edge.toml", "plant.toml") if (folder / name).exists())
    assert main(["check", file]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (folder / "expected-error.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_every_error_names_a_file_and_a_place_in_it(folder: Path) -> None:
    for line in (folder / "expected-error.txt").read_text(encoding="utf-8").splitlines():
        file, number, _ = line.split(":", 2)
        assert (folder / file).exists()
        assert 1 <= int(number) <= len((folder / file).read_text(encoding="utf-8").splitlines())


def test_no_secret_is_ever_repeated() -> None:
    assert not [folder.name for folder in CASES if "hunter2" in (folder / "expected-error.txt").read_text(encoding="utf-8")]
