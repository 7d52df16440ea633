"""What may come by the thousand is told at most once a minute: the first of a kind at once, those after it as a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

QUIET_S = 60.0


@dataclass(slots=True)
class _Group:
    until_s: float
    more: int = 0
    last: str = ""


class Grouping:
    """Groups by kind. `now_s` is monotonic."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}

    def is_first(self, what: str, detail: str, now_s: float) -> bool:
        """Tell whether this one is told by itself; else it is counted for `due`."""
        group = self._groups.get(what)
        if group is None or (now_s >= group.until_s and not group.more):
            self._groups[what] = _Group(now_s + QUIET_S)
            return True
        group.more += 1
        group.last = detail
        return False

    def due(self, now_s: float) -> Iterator[tuple[str, str]]:
        """Yield (kind, text) of what was counted in a minute that is over."""
        for what, group in self._groups.items():
            if group.more and now_s >= group.until_s:
                yield what, f"{group.more} more within a minute, the last: {group.last}"
                self._groups[what] = _Group(now_s + QUIET_S)
