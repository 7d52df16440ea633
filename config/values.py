"""Texts in files that stand for values: durations, sizes, ids, secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from driftwatt.errors import ConfigError
from driftwatt.names import ID_PATTERN

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(kB|KB|MB|GB)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"kB": 1000, "KB": 1000, "MB": 1_000_000, "GB": 1_000_000_000}


def seconds(text: object) -> float:
    """Return the seconds in a duration such as `500ms`, `10s`, `15m`, `72h`, `90d`. Raises ValueError."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f'{text!r} is not a duration; allowed: "500ms", "10s", "15m", "72h", "90d"')
    return float(match[1]) * _SECONDS[match[2]]


def size_bytes(text: object) -> int:
    """Return the bytes in a size such as `64MB`. Raises ValueError."""
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f'{text!r} is not a size; allowed: "500kB", "64MB", "2GB"')
    return int(float(match[1]) * _BYTES[match[2]])


def limit(value: float, like: str) -> str:
    """Return seconds or bytes as a file writes them: bytes where `like` is written as a size.

    >>> limit(0.2, "10ms"), limit(30, "1h"), limit(1e6, "1KB"), limit(0, "0s")
    ('"200ms"', '"30s"', '"1MB"', '"0s"')
    """
    units = {"kB": 1e3, "MB": 1e6, "GB": 1e9} if _SIZE.fullmatch(like) else {"ms": 0.001, "s": 1.0}
    name = next((each for each in reversed(units) if value >= units[each]), "s" if not value else next(iter(units)))
    return f'"{value / units.get(name, 1):g}{name}"'


Duration = Annotated[float, BeforeValidator(seconds, json_schema_input_type=str)]
"""Seconds, written as a text with a unit."""
Size = Annotated[int, BeforeValidator(size_bytes, json_schema_input_type=str)]
"""Bytes, written as a text with a unit."""
Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]


class Strict(BaseModel):
    """Base of every model of a file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class Secret(Strict):
    """A reference to a secret: `{ file = "path" }` or `{ env = "NAME" }`. A literal is refused."""

    file: Path | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Secret:
        if (self.file is None) == (self.env is None):
            raise ValueError('a secret is { file = "…" } or { env = "NAME" }')
        return self

    def reveal(self, folder: Path) -> str:
        """Return the secret; a relative file counts from `folder`. Raises ConfigError when it is not there."""
        if self.env is not None:
            if self.env not in os.environ:
                raise ConfigError("secret is missing", found=f"environment variable {self.env} is not set")
            return os.environ[self.env]
        path = folder / (self.file or Path())
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError("secret cannot be read", file=str(path), found=error.strerror or str(error)) from error
