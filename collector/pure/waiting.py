"""How long to wait for a reply: what the unit has shown, never less than half of what the file allows."""

from __future__ import annotations

from dataclasses import dataclass

ENOUGH = 8
"""So many replies must be known before a wait is shortened."""
MARGIN_S = 0.1


@dataclass(slots=True)
class _Unit:
    mean_s: float = 0.0
    spread_s: float = 0.0
    known: int = 0
    late_s: float = 0.0


class Patience:
    """Learns the reply times of the units of one bus. A reply within half the time-out is always waited for."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._units: dict[int, _Unit] = {}

    def of(self, unit: int) -> float:
        """Return how long to wait for this unit, in seconds."""
        known = self._units.get(unit)
        if known is None or known.known < ENOUGH:
            return self._timeout_s
        return min(self._timeout_s, max(self._timeout_s / 2, known.mean_s + 6 * known.spread_s + MARGIN_S))

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

    def timed_out(self, unit: int) -> None:
        """Wait the whole time again until the unit has proved itself anew."""
        if unit in self._units:
            self._units[unit].known = 0

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
