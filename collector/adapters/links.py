"""From the `url` of a bus to the bus: which pipe, which framing."""

from __future__ import annotations

from urllib.parse import urlsplit

from collector.adapters.modbus import ModbusTcp
from collector.adapters.pipes import TcpPipe
from collector.ports import MeterBus
from collector.pure.adu import FUNCTION_AT_TCP
from driftwatt.errors import ConfigError


def open_bus(url: str, *, timeout_s: float = 1.0) -> MeterBus:
    """Return the bus of `url`, not yet connected: `await bus.open()` does that, `await bus.close()` ends it.

    `tcp://host:502`, `rtu-tcp://host:4001` or `rtu:///dev/ttyUSB0?baud=9600&format=8N1`. `timeout_s` is the longest wait
    for a reply and for a connection. Raises ConfigError when the url is not understood.
    """
    host, port = tcp_address(url)
    return ModbusTcp(TcpPipe(url, host, port, timeout_s=timeout_s, function_at=FUNCTION_AT_TCP), timeout_s=timeout_s)


def tcp_address(url: str) -> tuple[str, int]:
    """Return host and port of a `tcp://host[:port]` url. Raises ConfigError for anything else."""
    parts = urlsplit(url)
    if parts.scheme in ("rtu", "rtu-tcp"):
        raise ConfigError("serial lines come with a later version", found=repr(url), allowed="tcp://host:502")
    try:
        port = parts.port or 502
    except ValueError:
        port = 0
    if parts.scheme != "tcp" or not parts.hostname or not 0 < port < 65536:
        raise ConfigError("bus url is not understood", found=repr(url), allowed="tcp://host:502")
    return parts.hostname, port
