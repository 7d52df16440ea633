"""From the outbox to the plant: data until it is acknowledged, and what the edge says about itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from collector.ports import OpenLink, OutboxReader
from driftwatt.adapters.mqtt import BrokerAddress
from driftwatt.clock import Clock
from driftwatt.readings import Row
from driftwatt.wire import EdgeAlarm, Hello


def mqtt(edge_id: str, address: BrokerAddress) -> OpenLink:
    """Return what opens the MQTT connection of an edge, with its subscriptions and its last will."""
    raise NotImplementedError


class Forwarder:
    """Sends what the outbox holds, in order, until the plant says it is stored.

    `open_link` makes the connection (`mqtt(edge_id, address)`); `hello` describes the edge, its epochs are filled
    in here; `alarms` adds the daemon's own alarms to those of the outbox.
    """

    def __init__(
        self,
        edge_id: str,
        outbox: OutboxReader,
        open_link: OpenLink,
        hello: Callable[[], Hello],
        clock: Clock,
        *,
        alarms: Callable[[], tuple[EdgeAlarm, ...]] = lambda: (),
    ) -> None:
        raise NotImplementedError

    @property
    def connected(self) -> bool:
        """True while the broker has accepted us."""
        raise NotImplementedError

    def wake(self) -> None:
        """Something was committed: look again soon."""
        raise NotImplementedError

    def live(self, rows: Sequence[Row]) -> None:
        """Publish the rows of one poll cycle at once on the live lane. Never waits, never raises, may be lost."""
        raise NotImplementedError

    async def run(self) -> None:
        """Connect and forward for ever. Cancel it to stop; the connection is closed on the way out."""
        raise NotImplementedError

    async def drain(self, deadline_s: float) -> bool:
        """Wait until everything is acknowledged, at most `deadline_s`; for `--once`. Returns whether it was."""
        raise NotImplementedError
