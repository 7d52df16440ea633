"""How long to wait before trying again. A function; waiting is somebody else's."""

from __future__ import annotations

FIRST_S, LONGEST_S = 0.5, 60.0


def wait_s(failures: int, *, asked_s: float | None = None, chance: float = 1.0) -> float:
    """Return the pause after that many failures in a row (1 is the first), doubling up to a minute.

    `asked_s` is what the other side asked for, honoured up to a minute. `chance` in 0…1 spreads many
    waiters: the pause lies between a half and the whole of its length.
    """
    planned = FIRST_S * 2.0 ** min(max(failures, 1) - 1, 16)
    if asked_s is not None:
        planned = max(planned, asked_s)
    return float(min(LONGEST_S, planned) * (0.5 + 0.5 * chance))
