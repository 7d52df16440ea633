"""What the delivery core can say about a message: values, for the shell to act on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from driftwatt.readings import Row


@dataclass(frozen=True, slots=True)
class Apply:
    """Take these rows, in order. Afterwards the checkpoint of the epoch is `upto`.

    `bad` are rows that could not be read (seq, reason, raw text); `unreadable` counts their seqs. With
    `replay` the rows go into the store only: no checkpoint, no ledger.
    """

    edge: str
    epoch: str
    rows: tuple[tuple[int, Row], ...]
    upto: int
    bad: tuple[tuple[int, str, str], ...] = ()
    unreadable: int = 0
    replay: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows `first` … `last` are not here and the edge no longer holds them: they will never come."""

    edge: str
    epoch: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """These rows were taken before; only counted."""

    edge: str
    epoch: str
    rows: tuple[tuple[int, Row], ...]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Tell the edge that everything up to `upto` is stored, once it is."""

    edge: str
    epoch: str
    upto: int


@dataclass(frozen=True, slots=True)
class Held:
    """A message waits for an earlier one (`order`) or for people (`identity`). `kept` is false when it was let go: it comes again."""

    edge: str
    epoch: str
    seq: int
    why: Literal["order", "identity"]
    kept: bool


@dataclass(frozen=True, slots=True)
class Damaged:
    """A message whose checksum is wrong; it is sent again."""

    edge: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class IdentityAlarm:
    """Two boxes use one edge id; the younger epoch is held until one is renamed."""

    edge: str
    older: str
    younger: str


Action = Apply | Gap | Duplicate | Acknowledge | Held | Damaged | IdentityAlarm
