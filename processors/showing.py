"""What people see of the stream: the live lane as it comes, and each cycle once it is committed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from driftwatt.errors import WireError
from driftwatt.topics import parse
from driftwatt.wire import EdgeState, from_bytes, read_live
from processors.live import Board
from processors.ports import Mail, Message
from processors.pure.commit import Deed
from processors.pure.edge_deeds import EdgeDeeds
from processors.pure.intake import Taken
from processors.pure.products import Products

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Showing:
    """Brings news to the board. `owners` tells whose the meters are; `note` puts on record what an edge tells of itself."""

    board: Board
    owners: Callable[[], Mapping[str, str | None]]
    note: Callable[[Deed], Awaitable[None]]
    _deeds: EdgeDeeds = field(default_factory=EdgeDeeds)

    async def run(self, mail: Mail) -> None:
        """Show what only matters while it is new, for ever. Cancel it to stop."""
        while True:
            await mail.shown_waiting.wait()
            for message in mail.shown():
                for deed in self._message(message):
                    await self.note(deed)
                await asyncio.sleep(0)

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

    def _message(self, message: Message) -> list[Deed]:
        """Show a message; returns what of it belongs into the audit log. What an edge says of others is not heard."""
        try:
            edge, kind = parse(message.topic)
            owners = self.owners()
            if kind == "live":
                rows = read_live(message.payload)
                self.board.on_rows(edge, (row for row in rows if owners.get(row.meter) in (edge, None)))
                return []
            said = from_bytes(EdgeState, message.payload)
            if said.edge != edge:
                raise WireError("edge", f"payload of {said.edge}")
            self.board.on_state(said)
            return self._deeds.fresh(said, {owner for owner in owners.values() if owner}, now_ms=self.board.clock.now_ms())
        except WireError as error:
            log.debug("not shown: %s: %s", message.topic, error)
            return []
