"""What a single fault is: how it is told, and what has to be seen of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.herd import Herd


class Missing(Exception):
    """The fault did not happen, or what it must lead to was not seen."""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault. What `fault` returns is how many stored readings the edge's books may not know.

    `drains` is false where the edge's rows have to wait at the end.
    """

    name: str
    fault: Callable[[Herd], int | None]
    settings: dict[str, Any] = field(default_factory=lambda: {"store": "sqlite"})
    short: bool = False
    drains: bool = True


def see(what: str, found: object) -> None:
    """Print something that has to be seen. Raises Missing when it is not there."""
    print(f"  {what}: {found}", flush=True)
    if not found:
        raise Missing(what)


def waiting(herd: Herd) -> int:
    """Return how many readings wait at the edge."""
    return int(herd.total("edge.toml")["waiting"])
