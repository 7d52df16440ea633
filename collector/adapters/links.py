"""From the `url` of a bus to the bus: which pipe, which framing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from collector.adapters.line import ModbusLine, NoIds, Rtu
from collector.adapters.modbus import ModbusTcp
from collector.adapters.pipes import TcpPipe
from collector.adapters.serial import SerialPipe, Settings
from collector.ports import MeterBus
from collector.pure.adu import FUNCTION_AT_RTU, FUNCTION_AT_TCP
from collector.pure.plan import Line
from config.edge_rules import BAUDS, FORMATS, NO_IDS, PYMODBUS
from driftwatt.errors import ConfigError
from driftwatt.extras import needing

ALLOWED = '"tcp://host:502", "rtu-tcp://host:4001" or "rtu:///dev/ttyUSB0?baud=9600&format=8N1"'


def open_bus(url: str, *, timeout_s: float = 1.0) -> MeterBus:
    """Return the bus of `url`, not yet connected: `await bus.open()` does that, `await bus.close()` ends it.

    `tcp://host:502` (with `?ids=none` for a gateway that answers with transaction 0, with `?client=pymodbus` through that
    library), `rtu-tcp://host:4001` or `rtu:///dev/ttyUSB0?baud=9600&format=8N1`. `timeout_s` is the longest wait for a
    reply and for a connection.
    Raises ConfigError when the url is not understood, MissingExtra without pymodbus.
    """
    scheme = url.partition(":")[0]
    if scheme == "rtu":
        path, settings, line = serial_line(url)
        return ModbusLine(SerialPipe(url, path, settings), Rtu(), timeout_s=timeout_s, line=line)
    host, port = tcp_address(url)
    if urlsplit(url).query == PYMODBUS:
        return _through_pymodbus(host, port, timeout_s)
    function_at = FUNCTION_AT_RTU if scheme == "rtu-tcp" else FUNCTION_AT_TCP
    pipe = TcpPipe(url, host, port, timeout_s=timeout_s, function_at=function_at)
    if scheme == "rtu-tcp":
        return ModbusLine(pipe, Rtu(), timeout_s=timeout_s)
    if has_no_ids(url):
        return ModbusLine(pipe, NoIds(), timeout_s=timeout_s)
    return ModbusTcp(pipe, timeout_s=timeout_s)


def tcp_address(url: str) -> tuple[str, int]:
    """Return host and port of a `tcp://` or `rtu-tcp://` url; the port may be left out. Raises ConfigError for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port or 502
    except ValueError as error:
        raise _not_understood(url) from error
    strange = parts.path.strip("/") or (parts.query and (parts.scheme != "tcp" or parts.query not in (NO_IDS, PYMODBUS)))
    if parts.scheme not in ("tcp", "rtu-tcp") or not parts.hostname or strange:
        raise _not_understood(url)
    return parts.hostname, port


def serial_line(url: str) -> tuple[Path, Settings, Line]:
    """Return port, settings and timing of a `rtu://` url. Raises ConfigError."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    baud, form = options.get("baud", ""), options.get("format", "")
    if parts.scheme != "rtu" or parts.netloc or len(parts.path) < 2 or options.keys() - {"baud", "format"}:
        raise _not_understood(url)
    if baud not in map(str, BAUDS):
        raise ConfigError("bus url needs the speed of the line", found=repr(url), allowed="baud=" + ", ".join(map(str, BAUDS)))
    if form not in FORMATS:
        raise ConfigError("bus url needs the format of the line", found=repr(url), allowed="format=" + ", ".join(FORMATS))
    return Path(parts.path), Settings(int(baud), form), Line(int(baud), 10 if form == "8N1" else 11)


def has_no_ids(url: str) -> bool:
    """Tell whether a url says that the gateway answers with transaction 0."""
    return urlsplit(url).query == NO_IDS


def _through_pymodbus(host: str, port: int, timeout_s: float) -> MeterBus:
    with needing("collector"):
        from collector.adapters.pymodbus_tcp import PymodbusTcp  # noqa: PLC0415 – loaded only where a file asks for it
    return PymodbusTcp(host, port, timeout_s=timeout_s)


def _not_understood(url: str) -> ConfigError:
    return ConfigError("bus url is not understood", found=repr(url), allowed=ALLOWED)
