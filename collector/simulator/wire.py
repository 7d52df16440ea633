"""Where simulated meters listen, and how fast their line is: the URLs of `--listen`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from driftwatt.errors import ConfigError

ALLOWED = '"tcp://127.0.0.1:5020", "rtu-tcp://127.0.0.1:5020" or "pty:LINK?baud=9600&format=8N1&turnaround=0.02"'
_FORMAT = re.compile(r"8([NEO])([12])")
_SPEEDS = range(300, 4_000_001)


@dataclass(frozen=True, slots=True)
class Wire:
    """How bytes travel: framing, speed and form of characters (None: as fast as it goes), the slave's turnaround.

    `link` is the symbolic link to a pseudo-terminal, None for a TCP listener.
    """

    framing: Literal["tcp", "rtu"] = "tcp"
    baud: int | None = None
    form: str = "8N1"
    turnaround_s: float = 0.0
    link: Path | None = None

    @property
    def character_s(self) -> float:
        """Seconds that one character occupies the line: 10 bits for 8N1, 11 with parity or a second stop bit."""
        if self.baud is None:
            return 0.0
        parity, stop = self.form[1], int(self.form[2])
        return (1 + 8 + (parity != "N") + stop) / self.baud

    @property
    def silence_s(self) -> float:
        """The 3.5 characters between frames, 1.75 ms above 19200 baud."""
        return 0.00175 if self.baud and self.baud > 19200 else 3.5 * self.character_s


NETWORK = Wire()
"""Modbus TCP."""


@dataclass(frozen=True, slots=True)
class Listen:
    """One `--listen`: an address of a TCP listener (host "" for a pseudo-terminal) and its wire."""

    host: str
    port: int
    wire: Wire = NETWORK

    def url(self, port: int) -> str:
        """Return what a collector writes as `url` to reach it; `port` is the one that was opened."""
        if self.wire.link is not None:
            return f"rtu://{self.wire.link.absolute()}?baud={self.wire.baud}&format={self.wire.form}"
        return f"{'rtu-tcp' if self.wire.framing == 'rtu' else 'tcp'}://{self.host}:{port}"


def listen(url: str) -> Listen:
    """Return what a `--listen` asks for. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "pty" and parts.path and not parts.netloc:
            return Listen("", 0, _wire(parts.query, Path(parts.path)))
        if parts.scheme in ("tcp", "rtu-tcp") and parts.hostname and parts.port is not None and not parts.path:
            wire = NETWORK if parts.scheme == "tcp" else _wire(parts.query, None)
            return Listen(parts.hostname, parts.port, wire)
    except ValueError:
        pass
    raise ConfigError("--listen is not understood", found=repr(url), allowed=ALLOWED)


def _wire(query: str, link: Path | None) -> Wire:
    asked = dict(parse_qsl(query, strict_parsing=True)) if query else {}
    baud = int(asked.pop("baud")) if "baud" in asked else (9600 if link else None)
    form = asked.pop("format", "8N1").upper()
    turnaround_s = float(asked.pop("turnaround", "0.02" if baud else "0"))
    if asked or not _FORMAT.fullmatch(form) or (baud is not None and baud not in _SPEEDS) or not 0 <= turnaround_s <= 10:
        raise ValueError
    return Wire("rtu", baud, form, turnaround_s, link)
