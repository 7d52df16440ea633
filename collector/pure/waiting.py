"""How long to wait for a reply: what the unit has shown, never less than half of what the file allows; less for a silent one."""

from __future__ import annotations

from dataclasses import dataclass

ENOUGH = 8
"""So many replies must be known before a wait is shortened."""
MARGIN_S = 0.1
SILENT = 3
"""After so many time-outs in a row a unit counts as silent, and its probes are not waited for as long as the file allows."""
WHOLE_EVERY = 4
LATE_MARGIN = 1.25
"""A silent unit whose last reply came after its time is waited for that much longer than it took."""


@dataclass(slots=True)
class _Unit:
    mean_s: float = 0.0
    spread_s: float = 0.0
    known: int = 0
    late_s: float = 0.0
    silent: int = 0

    @property
    def usual_s(self) -> float:
        """How long a reply may take that is no slower than the known ones."""
        return self.mean_s + 6 * self.spread_s + MARGIN_S


class Patience:
    """Learns the reply times of the units of one bus. A reply within half the time-out is always waited for, but for probes.

    A probe of a silent unit keeps the others waiting. It is waited for as long as the slowest unit of the bus that is well
    known would take, the silent one's own earlier replies included; a reply that comes later all the same (it is seen, and
    brings no value) makes the next wait long enough. Every fourth probe of a unit that never answered waits the whole time.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._units: dict[int, _Unit] = {}

    def of(self, unit: int) -> float:
        """Return how long to wait for this unit, in seconds."""
        known = self._units.get(unit)
        if known is None:
            return self._timeout_s
        if known.silent >= SILENT:
            return self._probe_s(known)
        if known.known < ENOUGH:
            return self._timeout_s
        return min(self._timeout_s, max(self._timeout_s / 2, known.usual_s))

    def answered(self, unit: int, took_s: float) -> None:
        """Learn from a reply (Jacobson's estimator, RFC 6298)."""
        known = self._units.get(unit)
        if known is None:
            known = self._units[unit] = _Unit()
        if not known.known:
            known.mean_s, known.spread_s = took_s, took_s / 2
        else:
            known.spread_s += (abs(took_s - known.mean_s) - known.spread_s) / 4
            known.mean_s += (took_s - known.mean_s) / 8
        known.known += 1
        known.silent = 0

    def timed_out(self, unit: int) -> None:
        """Wait the whole time again until the unit has proved itself anew, or is silent."""
        known = self._units.setdefault(unit, _Unit())
        known.known = 0
        known.silent += 1

    def late(self, unit: int, took_s: float) -> None:
        """Note a reply that came after its time."""
        known = self._units.setdefault(unit, _Unit())
        known.late_s = max(known.late_s, took_s)

    def advice(self, unit: int) -> str:
        """Return what would have got the reply, when late ones were seen."""
        known = self._units.get(unit)
        if known is None or known.late_s <= self._timeout_s:
            return ""
        return f'; one came after {known.late_s:.1f} s: timeout = "{known.late_s * 1.5:.1f}s" would get it'

    def _probe_s(self, silent: _Unit) -> float:
        usual_s = max((each.usual_s for each in self._units.values() if each.known >= ENOUGH), default=self._timeout_s)
        if not silent.mean_s and silent.silent % WHOLE_EVERY == SILENT - 1:
            return self._timeout_s
        return min(self._timeout_s, max(usual_s, silent.usual_s, silent.late_s * LATE_MARGIN))
