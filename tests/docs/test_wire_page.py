"""The messages shown in docs/wire.md are what the code writes and reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from driftwatt.quantities import QUANTITIES
from driftwatt.readings import Quality
from driftwatt.topics import KINDS, parse
from driftwatt.wire import (
    Ack,
    Control,
    EdgeLedger,
    EdgeState,
    Hello,
    from_bytes,
    live_bytes,
    message_bytes,
    read_live,
    read_message,
    row_bytes,
    to_bytes,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json (dw/\S+)\n(.*?)\n```", PAGE, re.DOTALL)
OTHERS = {"ack": Ack, "hello": Hello, "state": EdgeState, "ledger": EdgeLedger, "ctl": Control}


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_a_message_of_the_page_is_read_and_written_byte_for_byte(name: str, text: str) -> None:
    edge, kind = parse(name)
    payload = text.encode()
    if kind == "d":
        batch = read_message(payload)
        assert batch.bad == ()
        assert message_bytes(edge, batch.epoch, batch.base, batch.seq, [row_bytes(row) for _, row in batch.rows], n=batch.n) == payload
    elif kind == "live":
        assert live_bytes(edge, [row_bytes(row) for row in read_live(payload)]) == payload
    else:
        message = from_bytes(OTHERS[kind], payload)
        assert kind == "ctl" or message.edge == edge
        assert to_bytes(message) == payload


def test_the_page_shows_every_kind_of_message_and_every_bit_of_doubt() -> None:
    assert {parse(name)[1] for name, _ in EXAMPLES} == KINDS
    for kind in KINDS:
        assert f"`dw/1/<edge>/{kind}`" in PAGE
    for quality in Quality:
        words = quality.name.lower().replace("_", " ") if quality.name else ""
        assert f"{int(quality)} {words}" in " ".join(PAGE.split())
    assert "active_power" in QUANTITIES


def test_the_books_of_the_page_balance() -> None:
    ledger = next(from_bytes(EdgeLedger, text.encode()) for name, text in EXAMPLES if name.endswith("/ledger"))
    for line in ledger.lines:
        assert line.polled == line.committed + sum(line.failed.values())
        assert line.committed == line.stored + line.waiting + sum(line.dropped.values()) + line.thinned + line.quarantined
