"""Alerts and alarms: their shape, states and names. How they live is decided in processors/pure/alerts.py.

An *alert* is something a person should act on (waste, doubtful data, a broken limit, a silent device); an
*alarm* is the daemons' own trouble, shown in `status`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["waste", "data", "limit", "device"]
State = Literal["unacked", "acked", "cleared_unacked", "closed", "shelved", "suppressed"]
Severity = Literal["high", "medium", "low"]
Pattern = Literal[
    "base_load",
    "off_hours",
    "schedule",
    "running_hours",
    "total",
    "site",
    "gap",
    "stuck",
    "jump",
    "ct",
    "reset",
    "replaced",
    "multiplier",
    "silent",
    "edge_lost",
]

PATTERN_OF_CHANNEL: dict[str, Pattern] = {
    "base": "base_load",
    "off": "off_hours",
    "edge": "schedule",
    "on": "running_hours",
    "tot": "total",
}
"""Pattern of an alert by the detector channel that opened it."""

ACK_REASONS = ("checking", "production", "planned", "known", "other")
DISMISS_REASONS = ("new_normal", "production", "planned", "wrong_baseline", "false_alarm")

ALARM_CODES: dict[str, str] = {
    "acl_denied": "the broker refuses this edge's messages, by its rules or its size limit",
    "books_unbalanced": "the books of some meters do not add up",
    "broker_down": "the broker cannot be reached",
    "bus_down": "a line to meters is down",
    "clock_unsynced": "the clock is not synchronised",
    "commit_failed": "the outbox cannot be written",
    "config_invalid": "the plant file was read again and is wrong; nothing was changed",
    "identity_used_twice": "two boxes use the same edge id",
    "meter_replaced": "a meter's serial number changed",
    "meter_silent": "a meter does not answer",
    "multiplier_changed": "a meter's CT or PT ratio changed",
    "not_acknowledged": "nobody acknowledges what this edge sends",
    "outbox_damaged": "the outbox was damaged and set aside; what could be read of it goes on",
    "outbox_filling": "the outbox is more than half full",
    "outbox_full": "the outbox is full and drops by policy",
    "quarantine_growing": "readings are being set aside",
    "restart_needed": "the plant file has changes that only a restart brings into force",
    "state_damaged": "the plant's own memory was damaged; what could be read of it goes on",
    "store_down": "the store cannot be reached",
    "store_refuses": "the store refuses what it is sent",
    "too_many_edges": "somebody invents edges or epochs: what goes over the quota is not taken",
    "unknown_major": "an edge speaks a newer version of the wire",
}
"""The closed list of alarm codes with their meaning."""


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate with its 90 % band."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One thing that happened to an alert: when, what (`opened`, `acked`, `undo`, `commented`, …), by whom, why.

    `of_ms` is when it happened in the plant, where somebody told it later: the repair of `fixed`.
    """

    at_ms: int
    what: str
    by: str = ""
    reason: str = ""
    note: str = ""
    of_ms: int | None = None


Outcome = Literal["verified", "within_band", "not_seen", "no_data"]
"""What a look at the saving found: proved by its band, seen but smaller than its band, not there, too few days."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A look at the saving after a repair, `day` days after it: 14, 30 or 90.

    `kwh` is the saving per day over the `days` valid days since the repair, `coverage` their share 0…1 of all;
    `cost` and `co2e_kg` are per year.
    """

    at_ms: int
    day: int
    outcome: Outcome
    days: int
    coverage: float
    kwh: Range
    cost: Range | None = None
    co2e_kg: float | None = None


@dataclass(frozen=True, slots=True)
class Saving:
    """The saving after a repair at `fixed_ms`, measured against the clean reference as it was frozen (IPMVP option B).

    `channel` is the gauge, `all_day` tells that its excess runs round the clock, `theta` and `level` are its frozen
    baseline. `before` is the waste in kWh per day over `before_days`; `cost` and `co2e_kg` are those of one kWh of it.
    `days` valid days since the repair had `kwh` of excess; `ordinal` is the last of them, `high` how many in a row up
    to it ran as before the repair, `low` how many did not. `claim` tells that the baseline is long enough for a claim.
    """

    fixed_ms: int
    channel: str
    all_day: bool
    theta: tuple[float, ...]
    level: float
    before: Range
    before_days: int
    cost: float | None = None
    co2e_kg: float | None = None
    claim: bool = False
    days: int = 0
    kwh: float = 0.0
    ordinal: int = 0
    end_ms: int = 0
    high: int = 0
    low: int = 0
    verdicts: tuple[Verdict, ...] = ()
    came_back_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Frozen:
    """The clean reference of waste that went away by itself, for a repair that is told later. Fields as in Saving."""

    channel: str
    all_day: bool
    theta: tuple[float, ...]
    level: float


@dataclass(frozen=True, slots=True)
class Cause:
    """A meter that explains an alert: `kw` of its mean excess, `share` 0…1 of it.

    `why`: `waste` (its own alert), `usual` (it runs as it should, by its own calendar), `moved` (a load went from it
    to here; `kw` is negative), `maintenance` (it was in a maintenance window and may have drawn so much), `member` (of an
    event of the whole site).
    """

    meter: str
    kw: float
    share: float
    why: Literal["waste", "usual", "moved", "maintenance", "member"]
    alert: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, whole. Money is before VAT in `currency`; times are UTC milliseconds; powers are kW.

    `since_ms` is when it began, `opened_ms` when it could first be known. `per_day` holds `kwh`, `cost`
    and `hours` for a day at the present rate. `priced` says at which prices `cost` came about: (tariff period, price per
    kWh, kWh); `unpriced_kwh` lies before the first price and is not in it. `unconfirmed` names the inputs whose source is not confirmed.
    `shelved_until_ms` is set while `state` is `shelved`. `saving` follows a repair, `reference` waits for one, `explained` names the meters
    behind an alert of the feeder tree, `below_floor` tells that its money is below what the plant wants to be sent.
    """

    id: str
    state: State
    kind: Kind
    severity: Severity
    meter: str
    area: str
    since_ms: int
    opened_ms: int
    updated_ms: int
    pattern: Pattern
    cleared_ms: int | None = None
    expected_kw: float | None = None
    actual_kw: float | None = None
    excess_kwh: Range | None = None
    cost: Range | None = None
    co2e_kg: float | None = None
    currency: str = "VND"
    tariff: str = ""
    schedule: str = ""
    factor: str = ""
    vat: float | None = None
    per_day: dict[str, float] = field(default_factory=dict)
    priced: tuple[tuple[str, float, float], ...] = ()
    unpriced_kwh: float = 0.0
    per_month_cost: Range | None = None
    provisional: bool = False
    days_learned: int = 0
    unconfirmed: tuple[str, ...] = ()
    confidence: Literal["high", "medium", "low"] = "medium"
    evidence: tuple[dict[str, float | str], ...] = ()
    message_args: dict[str, float | str] = field(default_factory=dict)
    parent: str | None = None
    ack_by: str | None = None
    ack_at_ms: int | None = None
    ack_reason: str | None = None
    ack_note: str = ""
    closed_reason: str | None = None
    shelved_until_ms: int | None = None
    history: tuple[HistoryLine, ...] = ()
    channel: str = ""
    told: str = ""
    shelved_excess_kw: float | None = None
    saving: Saving | None = None
    explained: tuple[Cause, ...] = ()
    below_floor: bool = False
    reference: Frozen | None = None

    @property
    def message_key(self) -> str:
        """Key of the sentence in the locales."""
        return f"{self.kind}.{self.pattern}"


def alert_id(plant: str, meter: str, channel: str, since_ms: int) -> str:
    """Return the deterministic id of an alert: the same cause found again is the same alert."""
    return hashlib.sha256(f"{plant}\n{meter}\n{channel}\n{since_ms}".encode()).hexdigest()[:16]
