"""Where a broker may be, and how it may be spoken to."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from config.edge import Broker
from config.explain import shown
from config.source import Fault
from driftwatt.hosts import is_loopback

EMBEDDED = "embedded"
_ALLOWED = '"mqtts://host:8883", or "mqtt://127.0.0.1:1883" on this machine'


def split_url(url: str) -> SplitResult | None:
    """Return the parts of a URL with a host and a valid port, or None when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return parts if parts.hostname and port != 0 else None


def broker_faults(broker: Broker, *, may_be_embedded: bool) -> Iterator[Fault]:
    """Yield every broken rule of a [broker] table."""
    if broker.url == EMBEDDED:
        if not may_be_embedded:
            yield Fault(("broker", "url"), "only a plant can embed its broker", shown(broker.url), _ALLOWED)
        return
    parts = split_url(broker.url)
    allowed = f'{_ALLOWED}, or "embedded"' if may_be_embedded else _ALLOWED
    if parts is None or parts.scheme not in ("mqtt", "mqtts") or parts.path.strip("/") or parts.query:
        yield Fault(("broker", "url"), "is not the address of a broker", "…" if parts and parts.password else shown(broker.url), allowed)
        return
    if parts.username or parts.password:
        yield Fault(
            ("broker", "url"), "carries a user or password", "…@" + (parts.hostname or ""), "username = … and password = { file = … }"
        )
    if parts.scheme == "mqtt" and not broker.allow_plaintext and not is_loopback(parts.hostname or ""):
        yield Fault(("broker", "url"), "sends plain text over the network", shown(broker.url), "mqtts://, or allow_plaintext = true")
    if (broker.cert is None) != (broker.key is None):
        yield Fault(("broker", "cert" if broker.cert else "key"), "needs both cert and key")
