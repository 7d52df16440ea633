"""What to send next, and what an acknowledgement means. Decides; the forwarder acts.

Rows leave in order, epochs oldest first, the next one only when the last is fully acknowledged. What is
not acknowledged is sent again after a pause that grows. Nothing here knows of MQTT, SQLite or the time of day.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """What the outbox holds of one epoch.

    `base` is the oldest seq still held (`top + 1` when none is), the acknowledged tail included; `top` the newest
    seq ever committed (0: none); `acked` the plant's mark; `sent` the highest seq that may ever have been sent;
    `by` the processor's life that set the mark ("" before the first acknowledgement).
    """

    epoch: str
    base: int
    top: int
    acked: int = 0
    sent: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One row as it travels: its first seq, how many seqs it covers (more than 1 only for removed rows), its JSON."""

    seq: int
    count: int
    body: bytes
