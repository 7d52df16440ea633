"""A repaired alert: what its waste amounted to until the repair, and the clean reference frozen, against which the saving is measured."""

from __future__ import annotations

from dataclasses import replace

from driftwatt.alerts import Alert, Frozen
from processors.pure import alert_figures, clean, savings
from processors.pure.answers import Told
from processors.pure.appraise import AlertContext
from processors.pure.calendar import local
from processors.pure.clean import Excess, Reference
from processors.pure.detector import DetectorState
from processors.pure.outputs import Output, WasteFinding
from processors.pure.settings import Settings


def begin(alert: Alert, told: Told, state: DetectorState | None, settings: Settings, context: AlertContext) -> Alert:
    """Return an alert that was told `fixed`, its saving followed from the repair on; ask before the detector lets go of the event.

    Of a repair that was told later the waste is counted anew: the days since then are none of it. Of waste that had gone away by
    itself the alert holds the reference, and without a word of when it was repaired the last day with waste tells.
    """
    if state is None:
        return savings.begin(alert, None, (), told.at_ms)
    if alert.reference is not None:
        return _late(alert, alert.reference, told, state, settings)
    over_ms = told.at_ms if told.repaired_ms is None else told.repaired_ms
    if told.repaired_ms is not None:
        finding = clean.until(state, settings, told.channel, told.since_ms, repaired_ms=over_ms, at_ms=told.at_ms)
        alert = alert if finding is None else alert_figures.figured(alert, finding, context)
    found = clean.reference(state, told.channel, told.since_ms)
    days = [] if found is None else clean.waste_days(state, found, told.channel, told.since_ms)
    return savings.begin(alert, found, _before(days, over_ms), over_ms)


def freeze(output: Output, before: DetectorState | None) -> Frozen | None:
    """Return the clean reference of an event that closes, out of the state that still had it."""
    if not isinstance(output, WasteFinding) or output.state != "closed" or before is None:
        return None
    found = clean.reference(before, output.channel, output.since_ms)
    return None if found is None else Frozen(found.channel, found.all_day, found.theta, found.level)


def _late(alert: Alert, kept: Frozen, told: Told, state: DetectorState, settings: Settings) -> Alert:
    found = Reference(kept.channel, kept.all_day, kept.theta, kept.level)  # type: ignore[arg-type]
    since = local(settings.zone, told.since_ms).toordinal()
    days = list(clean.excess_after(state, found, since - 1))
    over_ms = told.repaired_ms or savings.ended_ms(days) or alert.cleared_ms or told.at_ms
    return savings.begin(replace(alert, reference=None), found, _before(days, over_ms), over_ms)


def _before(days: list[Excess], over_ms: int) -> list[Excess]:
    return [day for day in days if day.start_ms + savings.DAY_MS <= over_ms]
