"""What people see of the stream: the live lane as it comes, and each cycle once it is committed."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from driftwatt.errors import WireError
from driftwatt.topics import parse
from driftwatt.wire import EdgeState, from_bytes, read_live
from processors.live import Board
from processors.ports import Mail, Message
from processors.pure.intake import Taken
from processors.pure.judge import Products

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Showing:
    """Brings news to the board."""

    board: Board

    async def run(self, mail: Mail) -> None:
        """Show what only matters while it is new, for ever. Cancel it to stop."""
        while True:
            await mail.shown_waiting.wait()
            for message in mail.shown():
                self._message(message)

    def cycle(self, taken: Taken, products: Products) -> None:
        """Show what a cycle brought; everything in it is committed."""
        for edge, rows in taken.rows.items():
            self.board.on_rows(edge, rows)
            if rows:
                self.board.on_stored(edge, max(row.t_ms for row in rows))
        for readiness in products.readiness:
            self.board.on_readiness(readiness)
        for advice in products.advice:
            self.board.on_advice(advice)
        if products.alerts:
            self.board.changed("alerts")

    def _message(self, message: Message) -> None:
        try:
            edge, kind = parse(message.topic)
            if kind == "live":
                self.board.on_rows(edge, read_live(message.payload))
            else:
                self.board.on_state(from_bytes(EdgeState, message.payload))
        except WireError as error:
            log.debug("not shown: %s: %s", message.topic, error)
