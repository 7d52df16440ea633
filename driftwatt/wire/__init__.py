"""The wire, version 1: how rows and messages become bytes and back. The layout is told in docs/wire.md.

`encoding` writes rows and data messages, `decoding` reads them, `messages` are all others, `fields` what they share.
"""

from driftwatt.wire.decoding import read_header, read_live, read_message, read_row
from driftwatt.wire.encoding import MESSAGE_OVERHEAD_BYTES, live_bytes, message_bytes, row_bytes
from driftwatt.wire.fields import MAJOR, MAX_PAYLOAD_BYTES, MAX_ROWS, MAX_SEQS
from driftwatt.wire.messages import (
    Ack,
    Control,
    CounterFacts,
    EdgeAlarm,
    EdgeDeed,
    EdgeLedger,
    EdgeState,
    EpochSpan,
    Hello,
    HelloMeter,
    LedgerLine,
    Span,
    from_bytes,
    read_control,
    to_bytes,
)
from driftwatt.wire.told import told

__all__ = [
    "MAJOR",
    "MAX_PAYLOAD_BYTES",
    "MAX_ROWS",
    "MAX_SEQS",
    "MESSAGE_OVERHEAD_BYTES",
    "Ack",
    "Control",
    "CounterFacts",
    "EdgeAlarm",
    "EdgeDeed",
    "EdgeLedger",
    "EdgeState",
    "EpochSpan",
    "Hello",
    "HelloMeter",
    "LedgerLine",
    "Span",
    "from_bytes",
    "live_bytes",
    "message_bytes",
    "read_control",
    "read_header",
    "read_live",
    "read_message",
    "read_row",
    "row_bytes",
    "to_bytes",
    "told",
]
