"""A repaired alert: what its waste amounted to until the repair, and the clean reference frozen, against which the saving is measured."""

from __future__ import annotations

from driftwatt.alerts import Alert
from processors.pure import alerts, clean, savings
from processors.pure.answers import Told
from processors.pure.appraise import AlertContext
from processors.pure.detector import DetectorState
from processors.pure.settings import Settings


def begin(alert: Alert, told: Told, state: DetectorState | None, settings: Settings, context: AlertContext) -> Alert:
    """Return an alert that was told `fixed`, its saving followed from the repair on; ask before the detector lets go of the event.

    Of a repair that was told later the waste is counted anew: the days since then are none of it.
    """
    if state is None:
        return savings.begin(alert, None, (), told.at_ms)
    over_ms = told.at_ms if told.repaired_ms is None else told.repaired_ms
    if told.repaired_ms is not None:
        finding = clean.until(state, settings, told.channel, told.since_ms, repaired_ms=over_ms, at_ms=told.at_ms)
        alert = alert if finding is None else alerts.figured(alert, finding, context)
    found = clean.reference(state, told.channel, told.since_ms)
    days = [] if found is None else clean.waste_days(state, found, told.channel, told.since_ms)
    return savings.begin(alert, found, [day for day in days if day.start_ms + savings.DAY_MS <= over_ms], over_ms)
