"""Maintenance windows that people set on the page: what is measured in them is stored and shown, not judged, not learned.

A window begins when it is set or later, never before, and ending it early cuts off what is still to come. So no hour that was
judged is ever un-judged, and a state that is made again from the store comes out the same (docs/decisions/0036).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from processors.pure.calendar import ClosedWindow
from processors.pure.policy import MeterPolicy

LONGEST_MS = 62 * 86_400_000
MOST_AHEAD = 200
"""Windows that are not over yet; nobody plans more, and the detector looks at each of them every hour."""
LONGEST_REASON = 500
LATE_MS = 10 * 60_000
"""A beginning so long ago is taken for now: a form is filled in while the clock runs on."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One window `[from_ms, to_ms)` over some meters.

    `id` is 16 hex digits. `area` is what was chosen, an area's id, `*` for the whole plant or empty for single meters; `meters` are those
    it meant then. `ended_ms` is when somebody ended it early.
    """

    id: str
    meters: tuple[str, ...]
    from_ms: int
    to_ms: int
    reason: str
    by: str
    set_ms: int
    area: str = ""
    ended_ms: int | None = None
    ended_by: str = ""

    @property
    def until_ms(self) -> int:
        """Where the window really ends; its beginning when it was taken back before."""
        return self.to_ms if self.ended_ms is None else max(self.from_ms, min(self.to_ms, self.ended_ms))

    def runs(self, t_ms: int) -> bool:
        """Tell whether an instant lies in the window."""
        return self.from_ms <= t_ms < self.until_ms

    def over(self, t_ms: int) -> bool:
        """Tell whether the window has ended at an instant, or was taken back."""
        return self.until_ms <= t_ms or self.until_ms == self.from_ms


class NotPlannedError(Exception):
    """A window cannot be set or ended; `word` names why, for the page to say."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def planned(window: Maintenance, others: Iterable[Maintenance]) -> Maintenance:
    """Return a new window as it will be kept: it begins at `set_ms` at the earliest. Raises NotPlannedError."""
    now_ms = window.set_ms
    if not window.meters:
        raise NotPlannedError("nobody")
    if not window.reason.strip():
        raise NotPlannedError("reason")
    if window.from_ms < now_ms - LATE_MS:
        raise NotPlannedError("past")
    window = replace(window, from_ms=max(window.from_ms, now_ms), reason=window.reason.strip()[:LONGEST_REASON])
    if window.to_ms <= window.from_ms:
        raise NotPlannedError("order")
    if window.to_ms - window.from_ms > LONGEST_MS:
        raise NotPlannedError("long")
    if sum(not each.over(now_ms) for each in others) >= MOST_AHEAD:
        raise NotPlannedError("many")
    return window


def ended(window: Maintenance, *, by: str, at_ms: int) -> Maintenance:
    """Return a window that somebody ends now, or takes back before it began. Raises NotPlannedError."""
    if window.over(at_ms):
        raise NotPlannedError("over")
    return replace(window, ended_ms=at_ms, ended_by=by)


def policy_with(policy: MeterPolicy, windows: Mapping[str, Maintenance]) -> MeterPolicy:
    """Return the policy of a meter with the windows set for it, beside those of the plant file; the same object where nothing differs."""
    calendar = policy.calendar
    mine = (each for each in windows.values() if policy.meter in each.meters and each.until_ms > each.from_ms)
    closed = [each for each in calendar.closed_windows if not each.set_on_page]
    closed += [ClosedWindow(each.from_ms, each.until_ms, each.reason, set_on_page=True) for each in mine]
    together = tuple(sorted(closed, key=lambda each: (each.from_ms, each.to_ms)))
    if together == calendar.closed_windows:
        return policy
    calendar = replace(calendar, closed_windows=together)
    return replace(policy, calendar=calendar, settings=replace(policy.settings, calendar=calendar))
