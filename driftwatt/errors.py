"""The errors of driftwatt. Adapters translate foreign exceptions into these at the border.

DriftwattError
├── ConfigError     a file, key or argument is wrong; exit 2
├── WireError       a payload cannot be taken as it is: quarantine, count, acknowledge
│   ├── UnknownMajor    a payload of a newer major version: held, never acknowledged
│   └── Outdated        a state kept by an earlier version: made again from what is stored
├── Unavailable     the other side cannot be reached now; try again, after `wait_s` if given
├── Refused         the other side said no; trying the same again is pointless
├── PartialWrite    some points were accepted, `rejected` says which were not and why
└── MissingExtra    an optional package is not installed; exit 3 with the install line
"""

from __future__ import annotations

from dataclasses import dataclass, field


class DriftwattError(Exception):
    """Base of every error that driftwatt raises on purpose."""


@dataclass(eq=False)
class ConfigError(DriftwattError):
    """A configuration file or command-line argument is wrong.

    `file` and `key` name the place (`key` is a path such as `bus[1].meter[3].unit`), `line` is 1-based
    where it could be found, `found` is what stands there and `allowed` what may.
    """

    problem: str
    file: str | None = None
    key: str | None = None
    line: int | None = None
    found: str | None = None
    allowed: str | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.file and self.line:
            place += f":{self.line}"
        head = ": ".join(part for part in (place, self.key or "", self.problem) if part)
        tail = []
        if self.found is not None:
            tail.append(f"found {self.found}")
        if self.allowed is not None:
            tail.append(f"allowed: {self.allowed}")
        return f"{head} ({'; '.join(tail)})" if tail else head


class ConfigErrors(DriftwattError):
    """Several configuration errors of one load, so that all are mended in one go."""

    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


@dataclass(eq=False)
class WireError(DriftwattError):
    """A payload from the wire is malformed. `reason` is a short word for the ledger, `detail` for people."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class UnknownMajor(WireError):
    """A payload of an unknown major version. It stays at the sender until somebody upgrades."""


class Outdated(WireError):
    """A kept state of an earlier version, which this program does not read. What it says follows from stored readings."""


@dataclass(eq=False)
class Unavailable(DriftwattError):
    """The other side does not answer. Nothing is known to be wrong with what was sent."""

    problem: str
    wait_s: float | None = None

    def __str__(self) -> str:
        return self.problem


@dataclass(eq=False)
class Refused(DriftwattError):
    """The other side answered and said no."""

    problem: str

    def __str__(self) -> str:
        return self.problem


@dataclass(eq=False)
class PartialWrite(DriftwattError):
    """Some points were stored. `rejected` maps the index of each refused point to the server's message."""

    rejected: dict[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{len(self.rejected)} points refused"


@dataclass(eq=False)
class MissingExtra(DriftwattError):
    """An optional package is missing."""

    extra: str
    module: str

    def __str__(self) -> str:
        return f"{self.module} is not installed; install it with: pip install 'driftwatt[{self.extra}]'"


def meant_for_people(error: BaseException) -> DriftwattError | None:
    """Return the error meant for people that a task group has wrapped, if there is one."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(meant_for_people, error.exceptions)), None)
    return error if isinstance(error, DriftwattError) else None
