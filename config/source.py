"""Reads a TOML file that nobody vouches for, and keeps what a message needs: its name and where its keys stand."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from config.lines import Path as KeyPath
from config.lines import line_of, positions
from driftwatt.errors import ConfigError, ConfigErrors

MAX_BYTES = 1024 * 1024
"""A larger file is refused before it is parsed."""

MAX_DOTS_LINE, MAX_DOTS = 100, 20_000
"""More dots in a line or in all are refused before parsing: tomllib takes long over keys of many dotted parts."""

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_SECRET = re.compile(r"password|token|secret|key\s*=", re.IGNORECASE)
_CLOCK = re.compile(r"=\s*\d{1,2}:\d{2}\s*(?:#|$)")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the rules of a file refuse, at a key path."""

    key: KeyPath
    problem: str
    found: str | None = None
    allowed: str | None = None


@dataclass(frozen=True)
class Source:
    """A parsed file. `name` is how the user called it; `folder` is what relative paths in it count from."""

    path: Path
    name: str
    data: dict[str, Any]
    text: str = field(repr=False)

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self.path.parent

    @cached_property
    def _positions(self) -> dict[KeyPath, int]:
        return positions(self.text)

    def error(self, key: KeyPath, problem: str, *, found: str | None = None, allowed: str | None = None) -> ConfigError:
        """Return an error at the key path, with the nearest line that a simple look-up finds."""
        line = line_of(self._positions, key) or None
        return ConfigError(
            printable(problem), self.name, printable(key_text(key)), line, found and printable(found), allowed and printable(allowed)
        )


def printable(text: str) -> str:
    """Return the text with everything that could play tricks on a terminal or a log replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def key_text(key: KeyPath) -> str:
    """Return a key path as people write it, such as `bus[1].meter[3].unit`. Indices count from 0."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(path: Path) -> Source:
    """Return the parsed file. Raises ConfigErrors with the line of a syntax error."""
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _one(ConfigError("cannot be read", file=name, found=error.strerror or str(error))) from error
    except ValueError as error:  # a path with a NUL in it
        raise _one(ConfigError("cannot be read", file=repr(name), found=str(error))) from error
    if len(raw) > MAX_BYTES:
        raise _one(ConfigError("is too large", file=name, found=f"more than {MAX_BYTES} bytes", allowed="1 MiB"))
    text = _text(raw, name)
    _refuse_slow(text, name)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _one(_syntax(str(error), name, text)) from error
    except RecursionError as error:
        raise _one(ConfigError("is nested too deeply", file=name)) from error
    except ValueError as error:  # a number of thousands of digits
        raise _one(ConfigError("is not valid TOML", file=name, found=str(error)[:200])) from error
    return Source(path, name, data, text)


def _one(error: ConfigError) -> ConfigErrors:
    return ConfigErrors([error])


def _text(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _one(
            ConfigError("is not UTF-8", file=name, line=line, found=f"byte 0x{raw[error.start]:02X}", allowed="UTF-8 text")
        ) from error


def _refuse_slow(text: str, name: str) -> None:
    if (dots := text.count(".")) > MAX_DOTS:
        raise _one(ConfigError("has too many dots", file=name, found=f"{dots}", allowed=f"{MAX_DOTS}"))
    for number, line in enumerate(text.split("\n"), 1):
        if (dots := line.count(".")) > MAX_DOTS_LINE:
            raise _one(ConfigError("has too many dots in a line", file=name, line=number, found=f"{dots}", allowed=f"{MAX_DOTS_LINE}"))


def _syntax(message: str, name: str, text: str) -> ConfigError:
    lines = text.splitlines()
    match = _AT_LINE.search(message)
    number = int(match[1]) if match else len(lines)
    shown = printable(lines[number - 1].strip()[:80]) if 0 < number <= len(lines) else ""
    problem = "is not valid TOML: " + printable(_AT_LINE.sub("", message.replace(" (at end of document)", ", the file ends")))
    allowed = None
    if _CLOCK.search(shown):
        allowed = 'a time of day as text: "22:30"'
    elif "Illegal character '\\n'" in problem:
        allowed = "a text that ends with its quote on the same line"
    elif re.search(r"=\s*[+-]?0\d", shown):
        allowed = "numbers without leading zero; hexadecimal as 0x10"
    elif re.search(r"=\s*(?:yes|no|on|off)\b", shown, re.IGNORECASE):
        allowed = "true or false"
    hidden = _SECRET.search(shown) is not None
    return ConfigError(problem, file=name, line=number or None, found=f"`{shown}`" if shown and not hidden else None, allowed=allowed)
