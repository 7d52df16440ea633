"""What the page ships: vendored files are what they say, words are complete, nothing inline, the budget holds."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "processors" / "web"
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
WORDS = {lang: json.loads((WEB / "locales" / f"{lang}.json").read_text("utf-8")) for lang in ("vi", "en")}


def test_vendored_files_have_the_listed_hashes_and_their_licence() -> None:
    vendor = WEB / "static" / "vendor"
    listed = {line.split()[1]: line.split()[0] for line in (vendor / "SHA256SUMS").read_text().splitlines()}
    assert set(listed) == {path.name for path in vendor.iterdir()} - {"SHA256SUMS", "README.md"}
    for name, digest in listed.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name
    assert "MIT" in (vendor / "uPlot.LICENSE").read_text()


def test_both_languages_have_the_same_keys_and_arguments() -> None:
    assert set(WORDS["vi"]) == set(WORDS["en"])
    for key in WORDS["vi"]:
        arguments = [set(re.findall(r"\{(\w+)\}", WORDS[lang][key])) for lang in ("vi", "en")]
        assert arguments[0] == arguments[1], key


def test_every_word_that_code_or_template_names_exists() -> None:
    named: set[str] = set()
    for path in [*WEB.rglob("*.py"), *TEMPLATES, *(WEB / "static" / "js").glob("*.js")]:
        text = path.read_text("utf-8")
        named |= set(re.findall(r"""(?:\bt\[|words\[|say\[|say\(|words\(|\bt\()\s*["']([a-z][a-z0-9_.]+)["'] ?[\]),]""", text))
    missing = {key for key in named if key not in WORDS["vi"] and not key.endswith(".")}
    assert len(named) > 150
    assert not missing


STANDALONE = ("report_file.html",)
"""Pages that are files of their own: nobody serves them, so that they bring their style along."""


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.name not in STANDALONE], ids=lambda path: path.name)
def test_templates_carry_no_inline_style_script_or_foreign_address(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|<style|https?://", text)
    for tag in re.findall(r"<script\b[^>]*>", text):
        assert 'src="{{ static }}' in tag or 'type="application/json"' in tag


def test_the_cold_load_stays_within_its_budget() -> None:
    static = WEB / "static"
    own = sum(len(gzip.compress(path.read_bytes())) for path in (static / "js").glob("*.js"))
    css = len(gzip.compress((static / "css" / "page.css").read_bytes()))
    uplot = sum(len(gzip.compress(path.read_bytes())) for path in (static / "vendor").glob("uPlot.*min*"))
    assert own < 35_000
    assert css < 10_000
    assert own + css + uplot < 75_000
