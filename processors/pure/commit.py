"""What one state transaction makes true: a value built by the pipeline, written whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from driftwatt.alerts import Alert
from driftwatt.readings import FailedPoll, Reading
from driftwatt.wire import LedgerLine
from processors.pure.delivery import Checkpoint, Gap
from processors.pure.maintenance import Maintenance
from processors.pure.past import Move, Snapshot

NOBODY = "-"
"""Meter under which the books count what belongs to no known meter."""

BookKey = tuple[str, str, str]
"""(meter, UTC day, what): what is `stored`, `quarantined`, `duplicates`, `replayed`, `imported`, `gaps`, `damaged`, `thinned`,
`corrupt`, `state_damaged`, `not_admitted`,
`unlisted` (of what is quarantined: rows of meters that the plant file does not list for that edge) or `failed:<reason>`."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row or message that is not stored, and why; `raw` is cut to a few kilobytes. `t_ms` is its own time if known.

    `counted` tells whether the books count it as quarantined; what only a replay brought is outside of them.
    """

    at_ms: int
    reason: str
    detail: str
    raw: str
    edge: str = ""
    meter: str = NOBODY
    t_ms: int | None = None
    counted: bool = True


BY_EDGE = "edge "
"""How `who` begins of what an edge told; with its id behind."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did, for the audit log: `who` is a user of the page, `command`, `processor` or an edge; `what` a short word."""

    at_ms: int
    who: str
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """A row as the quarantine holds it. `number` rises; the other fields are those of SetAside."""

    number: int
    at_ms: int
    reason: str
    detail: str
    edge: str
    meter: str
    t_ms: int | None
    raw: str
    counted: bool


@dataclass(slots=True)
class Commit:
    """Everything that belongs together; empty parts change nothing. `books` are increments, the rest is absolute.

    `released` are the numbers of rows that leave the quarantine. `late` says from which instant on the state of a meter has
    to be made again, None when that is done; `cut` removes its snapshots from an instant on, before `snapshots` are kept.
    """

    checkpoints: list[Checkpoint] = field(default_factory=list)
    forgotten: list[tuple[str, str]] = field(default_factory=list)
    parts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    books: Counter[BookKey] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    edge_lines: dict[tuple[str, str, str], LedgerLine] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)
    late: dict[str, int | None] = field(default_factory=dict)
    at_ms: int = 0

    def __bool__(self) -> bool:
        return bool(
            self.checkpoints
            or self.forgotten
            or self.parts
            or self.books
            or self.gaps
            or self.set_aside
            or self.released
            or self.alerts
            or self.edge_lines
            or self.notes
            or self.moves
            or self.snapshots
            or self.late
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """What a processor finds on disk when it starts; `parts` are by meter and name.

    `plans` names the policy of the newest snapshot of each meter with its instant, `number` is that of the newest move,
    `facts` is what the edges' part of each policy was. `damage` tells what was not what had been written.
    """

    checkpoints: tuple[Checkpoint, ...] = ()
    parts: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    plans: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    number: int = 0
    late: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    damage: tuple[str, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()


def verdict(row: Reading | FailedPoll, edge: str, *, owners: Mapping[str, str | None], latest_ms: int) -> str:
    """Return why a row is set aside, or nothing. `owners` maps the plant's meters to their edges, None for any edge."""
    if row.meter not in owners:
        return "unknown_meter"
    owner = owners[row.meter]
    if owner is not None and owner != edge:
        return "wrong_edge"
    return "future" if row.t_ms > latest_ms else ""
