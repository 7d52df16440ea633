"""Whether what is sent arrives: a broker may say yes to a message that its rules or its size limit keep back, or hang up on it.

Nothing is lost by that, the outbox keeps it all; but somebody has to be told why it fills. Seconds are monotonic.
"""

from __future__ import annotations

from dataclasses import dataclass

PATIENCE_S = 25.0
ASK_S = 10.0
"""After so long without an answer the plant is asked for one; again after six times that."""
SOON_S = 5.0
CUTS = 3
Trouble = tuple[str, str]
"""An alarm code and its text."""


@dataclass(slots=True)
class Unanswered:
    """What is known of one edge's messages since the plant last acknowledged some of them."""

    largest: int = 0
    _since_s: float | None = None
    _asked_s: float | None = None
    _heard: bool = False
    _begun_s: float = 0.0
    _cuts: int = 0

    def sent(self, now_s: float, size: int) -> None:
        """Take note of a message under way."""
        self.largest = max(self.largest, size)
        self._since_s = now_s if self._since_s is None else self._since_s

    def settled(self) -> None:
        """Take note that the plant acknowledged something new: all is well."""
        self.largest, self._since_s, self._asked_s, self._heard, self._cuts = 0, None, None, False, 0

    def heard(self) -> None:
        """Take note that the plant is there, whatever it said."""
        self._heard = self._asked_s is not None

    def connected(self, now_s: float) -> None:
        """Take note that the broker accepted us."""
        self._begun_s = now_s

    def lost(self, now_s: float) -> None:
        """Take note that the connection ended."""
        self._cuts = self._cuts + 1 if now_s - self._begun_s < SOON_S else 0
        self._since_s = self._asked_s = None

    def asks(self, now_s: float) -> bool:
        """Tell whether the plant should be asked now whether it is there."""
        due = self._since_s is not None and now_s - (self._since_s if self._asked_s is None else self._asked_s + 5 * ASK_S) >= ASK_S
        if due:
            self._asked_s = now_s
        return due

    def trouble(self, now_s: float) -> Trouble | None:
        """Return what has to be told, None while all may be well."""
        size = f"this edge's messages have up to {self.largest} bytes" if self.largest else "this edge's messages have up to 65,536 bytes"
        if self._cuts >= CUTS:
            return (
                "acl_denied",
                f"the broker hangs up as soon as this edge speaks: its size limit is too low ({size}), or its rules forbid it",
            )
        if self._since_s is None or now_s - self._since_s < PATIENCE_S:
            return None
        lasts = f"nothing sent was acknowledged for {int(now_s - self._since_s) // 10 * 10} s"
        if self._heard:
            return "acl_denied", f"{lasts}, though the plant answers: the broker keeps data back, by its rules or its size limit ({size})"
        return (
            "not_acknowledged",
            f"{lasts}: no processor, its store is away, or the broker keeps data back by rules or size limit ({size})",
        )
