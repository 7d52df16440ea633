"""In which hours an alert's excess may run: what is drawn as waste outside of them would be waste that no alert tells of."""

from __future__ import annotations

from driftwatt.alerts import Alert
from processors.view import PlantView


def runs(view: PlantView, meter: str, t_ms: int) -> bool | None:
    """Tell whether a meter is in a shift of its calendar at an instant, None where the plant named no shifts for it."""
    policy = view.policies.get(meter)
    return policy.calendar.shift_at(t_ms) is not None if policy is not None and policy.calendar.week else None


def may_be(view: PlantView, alert: Alert, t_ms: int) -> bool:
    """Tell whether an instant belongs to the hours of an alert's pattern: any, where nothing is known of shifts or they do not matter."""
    running = runs(view, alert.meter, t_ms)
    if running is None or alert.pattern not in {"off_hours", "running_hours"}:
        return True
    return running == (alert.pattern == "running_hours")
