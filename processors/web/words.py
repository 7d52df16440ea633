"""The words of the pages: one JSON file per language, keys as in docs/glossary.md."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Literal

LANGS: tuple[Literal["vi", "en"], ...] = ("vi", "en")


class Words:
    """The catalogue of one language. `words[key]` is a word, `words(key, name=text)` fills a sentence.

    A key that is missing shows itself; a test keeps both files complete.
    """

    def __init__(self, lang: Literal["vi", "en"], table: dict[str, str]) -> None:
        self.lang: Literal["vi", "en"] = lang
        self._table = table

    def __getitem__(self, key: str) -> str:
        return self._table.get(key, key)

    def get(self, key: str, default: str) -> str:
        """Return the word of a key, `default` where there is none."""
        return self._table.get(key, default)

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __call__(self, key: str, **args: str) -> str:
        """Return the sentence with `{name}` replaced; an argument that is missing leaves its place visible.

        Where `n` is 1 the sentence `key.one` is taken, if there is one.
        """
        sentence = self[f"{key}.one"] if args.get("n") == "1" and f"{key}.one" in self._table else self[key]
        for name, value in args.items():
            sentence = sentence.replace("{" + name + "}", value)
        return sentence


@cache
def words(lang: str) -> Words:
    """Return the catalogue of a language, Vietnamese for one that is not shipped."""
    known: Literal["vi", "en"] = "en" if lang == "en" else "vi"
    text = resources.files("processors.web").joinpath("locales", f"{known}.json").read_text("utf-8")
    table: dict[str, str] = json.loads(text)
    return Words(known, table)


def choose(wishes: Iterable[str | None], default: str) -> Words:
    """Return the catalogue of the first wish that is a shipped language (`vi-VN` counts as `vi`)."""
    for wish in wishes:
        for part in (wish or "").split(","):
            tag = part.split(";")[0].strip().lower().split("-")[0]
            if tag in LANGS:
                return words(tag)
    return words(default)


def fold(text: str) -> str:
    """Return text for searching: lower case, without diacritics, đ as d."""
    plain = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return "".join(char for char in plain if not unicodedata.combining(char))
