"""The MQTT connection of a daemon. The only importer of paho.

Callbacks run in paho's network thread; each is wrapped so that no exception can escape and end that thread
unseen. Nothing is published while disconnected: the outbox is the queue, not the client's memory.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from driftwatt.adapters.read_ahead import ReadAhead
from driftwatt.errors import ConfigError

log = logging.getLogger(__name__)

KEEPALIVE_S = 15
RECONNECT_MIN_S, RECONNECT_MAX_S = 1, 15
MAX_INFLIGHT = 200


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and how to sign in. `password` is never printed."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @classmethod
    def parse(cls, url: str, **rest: Any) -> BrokerAddress:
        """Return the address in `mqtt://host[:port]` or `mqtts://host[:port]`. Raises ConfigError."""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ConfigError("broker url is not understood", found=repr(parts.scheme), allowed="mqtt://host:1883 or mqtts://host:8883")
        tls = parts.scheme == "mqtts"
        return cls(host=parts.hostname, port=parts.port or (8883 if tls else 1883), tls=tls, **rest)


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us when we vanish."""

    topic: str
    payload: bytes


class _Client(paho.Client):
    """Reads ahead."""

    def _create_socket(self) -> Any:
        return ReadAhead(super()._create_socket())


class MqttLink:
    """A connection that comes back by itself.

    `on_message(topic, payload)` and `on_change(connected)` are called in the network thread and must only
    hand over. Subscriptions are made anew at each connect; sessions are always clean.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        subscriptions: tuple[tuple[str, int], ...],
        on_message: Callable[[str, bytes], None],
        on_change: Callable[[bool], None],
        will: Will | None = None,
    ) -> None:
        self._address = address
        self._subscriptions = subscriptions
        self._on_message = on_message
        self._on_change = on_change
        self._connected = threading.Event()
        self.callback_errors = 0
        self.denied = 0
        self._complaint = ""
        client = _Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv311, clean_session=True)
        client.max_inflight_messages_set(MAX_INFLIGHT)
        client.reconnect_delay_set(RECONNECT_MIN_S, RECONNECT_MAX_S)
        if address.username:
            client.username_pw_set(address.username, address.password)
        if address.tls:
            client.tls_set(
                ca_certs=str(address.ca) if address.ca else None,
                certfile=str(address.cert) if address.cert else None,
                keyfile=str(address.key) if address.key else None,
            )
        if will:
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        client.on_connect = self._connect_happened
        client.on_connect_fail = self._connect_failed
        client.on_disconnect = self._disconnect_happened
        client.on_message = self._message_happened
        self._client = client

    @property
    def connected(self) -> bool:
        """True while the broker has accepted us and the line is up."""
        return self._connected.is_set()

    def start(self) -> None:
        """Begin connecting in the background, and keep trying."""
        self._client.connect_async(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Hand a message to the broker. Returns False when not connected; nothing is queued then."""
        if not self.connected:
            return False
        return self._client.publish(topic, payload, qos=qos, retain=retain).rc == paho.MQTT_ERR_SUCCESS

    def stop(self) -> None:
        """Disconnect cleanly and end the network thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def _guarded(self, work: Callable[[], None]) -> None:
        # An exception that leaves a paho callback ends the network thread for good while is_connected() stays true.
        try:
            work()
        except Exception:
            self.callback_errors += 1
            log.exception("mqtt callback failed")

    def _connect_happened(self, client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        def work() -> None:
            if reason.is_failure:
                self.denied += 1
                self._complain(f"refuses us: {reason} (broker.username, broker.password)")
                return
            self._complaint = ""
            if self._subscriptions:
                client.subscribe(list(self._subscriptions))
            self._connected.set()
            self._on_change(True)

        self._guarded(work)

    def _connect_failed(self, _client: paho.Client, _userdata: Any) -> None:
        def work() -> None:
            error = sys.exception()  # paho calls this from where it caught it
            reason = f": {(getattr(error, 'strerror', None) or str(error)).lower()}" if error else ""
            self._complain(f"cannot be reached{reason}")

        self._guarded(work)

    def _complain(self, what: str) -> None:
        """Warn of the first of equal attempts; the others are details."""
        level = logging.DEBUG if what == self._complaint else logging.WARNING
        self._complaint = what
        again = f"trying again every {RECONNECT_MIN_S} to {RECONNECT_MAX_S} s"
        log.log(level, "broker %s:%s %s; %s", self._address.host, self._address.port, what, again)

    def _disconnect_happened(self, _client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        def work() -> None:
            was = self._connected.is_set()
            self._connected.clear()
            if was:
                log.info("broker connection lost: %s", reason)
                self._on_change(False)

        self._guarded(work)

    def _message_happened(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        self._guarded(lambda: self._on_message(message.topic, bytes(message.payload)))
