"""The plant at its broker: which one, what is heard there, what it is told of alerts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from config.broker import broker_address
from config.broker_rules import EMBEDDED
from config.plant import PlantFile
from driftwatt.adapters.mqtt import BrokerAddress, MqttLink
from driftwatt.alerts import Alert
from driftwatt.topics import alert_topic, every_edge
from processors.adapters.child import BrokerChild
from processors.adapters.folder import Folder
from processors.live import Board
from processors.pure.document import document_bytes

log = logging.getLogger(__name__)

EMBEDDED_LISTEN = "127.0.0.1:1883"
SUBSCRIPTIONS = (
    (every_edge("hello"), 1),
    (every_edge("state"), 1),
    (every_edge("ledger"), 1),
    (every_edge("live"), 0),
    (every_edge("d"), 0),
)
"""What edges say of themselves comes before their data. Data needs no promise of the broker, whose answers to each message would halve
what it can hand over: what does not arrive here is not acknowledged, and the edge sends it again."""


class AtBroker:
    """See processors.ports.Link. Until `join` and after `leave` it is not connected.

    `alerts` gives those of now; the open ones are published again at every connection, for a broker that started empty.
    """

    def __init__(self, plant: PlantFile, file: Path, folder: Folder, board: Board) -> None:
        self._plant, self._file, self._folder = plant, file, folder
        self._board = board
        self.alerts: Callable[[], Iterable[Alert]] = tuple
        self._address: BrokerAddress
        self._child: BrokerChild | None = None
        self._link: MqttLink | None = None

    async def choose(self, group: asyncio.TaskGroup) -> None:
        """Settle on the address; an embedded broker is started, and watched in `group`. Raises Unavailable when it does not come up."""
        if self._plant.broker.url != EMBEDDED:
            self._address = broker_address(self._plant.broker, self._file.parent, self._plant.plant.id)
            return
        name, password, path = self._folder.broker_user()
        self._child = BrokerChild(EMBEDDED_LISTEN, path)
        url = await self._child.start()
        group.create_task(self._child.watch())
        log.info("embedded broker at %s, user in %s", url, path)
        self._address = BrokerAddress.parse(url, username=name, password=password)

    def join(self, on_message: Callable[[str, bytes], None]) -> None:
        """Begin to connect to the chosen address. `on_message` is called in the network thread."""
        self._link = MqttLink(
            self._address,
            client_id=f"plant-{self._plant.plant.id}",
            subscriptions=(*SUBSCRIPTIONS, *((topic, 1) for topic in _driver_topics(self._plant))),
            on_message=on_message,
            on_change=self._handed_over(asyncio.get_running_loop()),
        )
        self._link.start()

    async def leave(self) -> None:
        """Disconnect and end the embedded broker; again does nothing."""
        link, self._link = self._link, None
        if link:
            await asyncio.to_thread(link.stop)
        if self._child:
            await self._child.stop()

    @property
    def connected(self) -> bool:
        """See Link."""
        return self._link is not None and self._link.connected

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """See Link."""
        return self._link is not None and self._link.publish(topic, payload, qos=qos, retain=retain)

    def announce(self, alerts: Iterable[Alert]) -> None:
        """Publish alerts, retained while they are open; a closed one is told once and then taken off the broker.

        Waste below the plant's floor of money is listed on the page, not sent.
        """
        for alert in alerts:
            topic = alert_topic(self._plant.plant.id, alert.id)
            listed = alert.below_floor and alert.state == "unacked"
            if not listed:
                self.publish(topic, document_bytes(alert), retain=alert.state != "closed")
            if alert.state == "closed" or listed:
                self.publish(topic, b"", retain=True)

    def _handed_over(self, loop: asyncio.AbstractEventLoop) -> Callable[[bool], None]:
        def change(connected: bool) -> None:  # noqa: FBT001 - the link's own callback
            loop.call_soon_threadsafe(self._changed, connected)

        return change

    def _changed(self, connected: bool) -> None:  # noqa: FBT001 - called through the loop
        self._board.on_broker(connected=connected)
        if connected:
            self.announce(alert for alert in self.alerts() if alert.state != "closed")


def _driver_topics(plant: PlantFile) -> list[str]:
    return [driver.source.removeprefix("mqtt:") for driver in plant.driver if driver.source.startswith("mqtt:")]
