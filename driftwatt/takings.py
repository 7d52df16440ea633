"""What a demo came to: the books of both sides side by side, and the alerts beside the waste that was hidden."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OPEN = frozenset({"unacked", "acked", "cleared_unacked", "shelved"})
_ALL_DAYS = "400"


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger of one side: per (meter, UTC day) a line of counters, and whether all of them add up.

    `unread` is what was said instead of the books where they could not be read, None where they were.
    """

    lines: Mapping[tuple[str, str], Mapping[str, Any]]
    balanced: bool
    unread: str | None = None

    def total(self, name: str) -> int:
        """Return one counter summed over everything."""
        return sum(count(line.get(name, 0)) for line in self.lines.values())


def count(value: object) -> int:
    """Return a counter of the ledger; those by reason are summed."""
    if isinstance(value, Mapping):
        return sum(int(each) for each in value.values())
    return int(value) if isinstance(value, int | float) else 0


def is_priced(alert: Mapping[str, Any]) -> bool:
    """Tell whether an alert is an open one about waste that names a cost."""
    return alert["kind"] == "waste" and alert["state"] in OPEN and alert.get("cost") is not None


def _is_closed(alert: Mapping[str, Any]) -> bool:
    return alert["kind"] == "waste" and alert["state"] == "closed" and alert.get("cost") is not None


def books(file: Path, run: Callable[..., str]) -> Books:
    """Return the books that `driftwatt ledger` tells. `run(*words)` runs a command and returns what it prints."""
    lines: dict[tuple[str, str], Mapping[str, Any]] = {}
    balanced = False
    unread: str | None = "nothing was said"
    for text in run("ledger", str(file), "--days", _ALL_DAYS, "--json").splitlines():
        if not text.startswith("{"):
            unread = unread and text  # a line of the log
            continue
        line = json.loads(text)
        if "total" in line:
            balanced, unread = bool(line["balanced"]), None
        else:
            lines[line["meter"], line["day"]] = line
    return Books(lines, balanced, unread)


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the end of a demo tells. `figures` holds seconds and megabytes by name."""

    edge: Books
    plant: Books
    alerts: Sequence[Mapping[str, Any]]
    labels: Sequence[Mapping[str, Any]]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Return how many readings the collector let go of that the plant has neither stored nor set aside.

        Counted per meter and day, so that one meter's surplus never hides another's loss. Rows that are stored but
        whose acknowledgement did not reach the collector before it ended are still `waiting` there: not a loss.
        """
        return sum(self._lost(key, line) for key, line in self.edge.lines.items())

    def _lost(self, key: tuple[str, str], line: Mapping[str, Any]) -> int:
        there = self.plant.lines.get(key, {})
        arrived = count(there.get("stored", 0)) + count(there.get("quarantined", 0))
        gone = count(line.get("dropped", 0)) + count(line.get("thinned", 0))
        return max(0, count(line.get("stored", 0)) - arrived) + gone

    @property
    def unread(self) -> dict[str, str]:
        """Return why books could not be read, by side."""
        sides = {"collector": self.edge, "plant": self.plant}
        return {side: told.unread for side, told in sides.items() if told.unread is not None}

    @property
    def balanced(self) -> bool:
        """Tell whether the books of both sides add up, each for itself."""
        return self.edge.balanced and self.plant.balanced

    @property
    def priced(self) -> list[Mapping[str, Any]]:
        """Return the open waste alerts that name a cost."""
        return [alert for alert in self.alerts if is_priced(alert)]

    @property
    def whole(self) -> bool:
        """Tell whether nothing is lost and the books balance."""
        return self.lost == 0 and self.balanced

    @property
    def good(self) -> bool:
        """Tell whether nothing is lost, the books balance and at least one waste was found, open or closed on the page."""
        return self.whole and any(is_priced(alert) or _is_closed(alert) for alert in self.alerts)

    def found(self, label: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the alert that names a hidden waste, if there is one."""
        mine = [alert for alert in self.priced if alert["meter"] == label["meter"]]
        right = [alert for alert in mine if alert["pattern"] == label["pattern"]]
        return next(iter(right or mine), None)

    def as_object(self) -> dict[str, Any]:
        """Return the summary for machines."""
        return {
            "committed": self.edge.total("committed"),
            "stored": self.plant.total("stored"),
            "waiting": self.edge.total("waiting"),
            "lost": self.lost,
            "imported": self.plant.total("imported"),
            "balanced": self.balanced,
            "alerts": len(self.priced),
            "hidden": [{**label, "found": self._short(self.found(label))} for label in self.labels],
            "others": [self._short(alert) for alert in self._unexpected()],
            "figures": {name: round(value, 1) for name, value in self.figures.items()},
            **({"unread": self.unread} if self.unread else {}),
            "good": self.good,
        }

    def as_text(self) -> str:
        """Return the summary as a small table; without books there are no figures, and nothing is known to be lost."""
        if self.unread:
            return "\n".join(["", *(f"  the books of the {side} could not be read: {why}" for side, why in self.unread.items())])
        rows = [
            ("readings committed by the collector", f"{self.edge.total('committed'):,}"),
            ("readings stored at the plant", f"{self.plant.total('stored'):,}"),
            ("still waiting at the collector", f"{self.edge.total('waiting'):,}"),
            ("lost", f"{self.lost:,}"),
            ("history imported", f"{self.plant.total('imported'):,}"),
            ("books balanced", "yes" if self.balanced else "NO"),
            *(_figure_rows(self.figures)),
        ]
        width = max(len(name) for name, _ in rows)
        lines = ["", *(f"  {name:<{width}}  {value:>12}" for name, value in rows), "", "  hidden waste, and what was found"]
        lines += [f"  {self._told(label)}" for label in self.labels]
        lines += [f"  {alert['meter']}: {alert['pattern']} was found beside them" for alert in self._unexpected()]
        return "\n".join([*lines, "", f"  {self._verdict()}"])

    def _verdict(self) -> str:
        if self.good:
            return "all is well"
        return "nothing is lost, but no waste was found yet" if self.whole else "something is wrong: see above"

    def _told(self, label: Mapping[str, Any]) -> str:
        head = f"{label['meter']}: {label['pattern']}, +{label['extra_kw']:.1f} kW since {label['since'][:16]}Z"
        alert = self.found(label)
        if alert is None:
            return f"{head} → {self._why_not(label)}"
        more_kw = (alert.get("actual_kw") or 0.0) - (alert.get("expected_kw") or 0.0)
        money = f"{alert['cost']:,.0f} {alert['currency']}"
        return f"{head} → {alert['pattern']}, +{more_kw:.1f} kW, {alert['excess_kwh']:,.0f} kWh, {money} so far"

    def _why_not(self, label: Mapping[str, Any]) -> str:
        closed = any(alert["meter"] == label["meter"] and _is_closed(alert) for alert in self.alerts)
        return "found, and closed on the page" if closed else "not found"

    def _unexpected(self) -> list[Mapping[str, Any]]:
        expected = {label["meter"] for label in self.labels}
        return [alert for alert in self.priced if alert["meter"] not in expected]

    @staticmethod
    def _short(alert: Mapping[str, Any] | None) -> dict[str, Any] | None:
        names = ("id", "meter", "pattern", "state", "since", "expected_kw", "actual_kw", "excess_kwh", "cost", "currency")
        return None if alert is None else {name: alert.get(name) for name in names}


def _figure_rows(figures: Mapping[str, float]) -> list[tuple[str, str]]:
    known = {
        "page_s": ("page up after", "s"),
        "caught_up_s": ("ten days caught up, after the page", "s"),
        "first_alert_s": ("first alert open, after the page", "s"),
        "collect_mb": ("collector, resident", "MB"),
        "process_mb": ("processor, resident", "MB"),
    }
    return [(text, f"{figures[name]:.1f} {unit}") for name, (text, unit) in known.items() if name in figures]
