"""Where keys stand in a TOML text. tomllib keeps no positions, so this is a second, simple look.

It is asked only about texts that tomllib accepted, and only for messages: what it does not find, such as a
key inside an inline table, falls back to the line of what encloses it.
"""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]
_KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_VALUE = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*|[\[\]{}]')


def positions(text: str) -> dict[Path, int]:
    """Return the 1-based line of every table and key; elements of arrays of tables carry their index."""
    return _Scan(text).run()


def line_of(found: dict[Path, int], key: Path) -> int:
    """Return the line of the key, or of the nearest thing that encloses it, or 0."""
    while key:
        if key in found:
            return found[key]
        key = key[:-1]
    return 0


class _Scan:
    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._found: dict[Path, int] = {}
        self._last_index: dict[Path, int] = {}
        self._table: Path = ()
        self._depth = 0
        self._quote = ""

    def run(self) -> dict[Path, int]:
        for number, line in enumerate(self._lines, 1):
            if self._depth or self._quote:
                self._skip_value(line)
            elif line.lstrip().startswith("["):
                self._header(line.strip(), number)
            else:
                self._assignment(line, number)
        return self._found

    def _header(self, line: str, number: int) -> None:
        many = line.startswith("[[")
        names, _ = _names(line, 2 if many else 1)
        if not names:
            return
        path: Path = ()
        for name in names[:-1]:
            self._found.setdefault((*path, name), number)
            path = self._element((*path, name))
        path = (*path, names[-1])
        if many:
            self._last_index[path] = self._last_index.get(path, -1) + 1
            self._found.setdefault(path, number)
            path = self._element(path)
        self._table = path
        self._found.setdefault(path, number)

    def _element(self, path: Path) -> Path:
        return (*path, self._last_index[path]) if path in self._last_index else path

    def _assignment(self, line: str, number: int) -> None:
        names, end = _names(line, 0)
        if not names or not line[end:].startswith("="):
            return
        for count in range(1, len(names) + 1):
            self._found.setdefault((*self._table, *names[:count]), number)
        self._skip_value(line[end + 1 :])

    def _skip_value(self, rest: str) -> None:
        at = 0
        while at < len(rest):
            if self._quote:
                end = rest.find(self._quote, at)
                if end < 0:
                    return
                at = end + 3
                self._quote = ""
                continue
            match = _VALUE.search(rest, at)
            if not match:
                return
            at = match.end()
            self._mark(match[0])

    def _mark(self, mark: str) -> None:
        if mark in ('"""', "'''"):
            self._quote = mark
        elif mark in "[{":
            self._depth += 1
        elif mark in "]}":
            self._depth = max(0, self._depth - 1)


def _names(line: str, start: int) -> tuple[list[str], int]:
    names: list[str] = []
    at = start
    while match := _KEY.match(line, at):
        names.append(_unescaped(match[1]) if match[1] is not None else match[2] if match[2] is not None else match[3])
        at = match.end()
        if line[at : at + 1] != ".":
            break
        at += 1
    return names, at


def _unescaped(key: str) -> str:
    try:
        return str(tomllib.loads(f'x = "{key}"')["x"]) if "\\" in key else key
    except tomllib.TOMLDecodeError:
        return key
