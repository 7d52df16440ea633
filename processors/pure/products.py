"""What judging some readings produced, in the order in which it came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from driftwatt.alerts import Alert
from processors.pure.outputs import Advice, DataFinding, DriverHour, ExpectedPower, IntervalEnergy, Output, Readiness, WasteFinding


@dataclass(slots=True)
class Products:
    """What some steps produced, oldest first; `alerts` holds the last state of each alert that changed."""

    intervals: list[IntervalEnergy] = field(default_factory=list)
    expected: list[ExpectedPower] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    drivers: list[DriverHour] = field(default_factory=list)
    events: list[Alert] = field(default_factory=list)
    readiness: list[Readiness] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)

    def take(self, outputs: Iterable[Output]) -> Iterable[WasteFinding | DataFinding]:
        """Take what an engine put out and yield the findings, which alerts are made of, each in its place."""
        for output in outputs:
            if isinstance(output, IntervalEnergy):
                self.intervals.append(output)
            elif isinstance(output, ExpectedPower):
                self.expected.append(output)
            elif isinstance(output, Readiness):
                self.readiness.append(output)
            elif isinstance(output, Advice):
                self.advice.append(output)
            else:
                yield output

    def show(self, alert: Alert) -> None:
        """Take an alert that changed."""
        self.alerts[alert.id] = alert
        self.events.append(alert)
