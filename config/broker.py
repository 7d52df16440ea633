"""From a [broker] table to an address that can be dialled, secrets read."""

from __future__ import annotations

from pathlib import Path

from config.edge import Broker
from driftwatt.adapters.mqtt import BrokerAddress
from driftwatt.errors import ConfigError


def broker_address(broker: Broker, folder: Path, default_username: str | None = None) -> BrokerAddress:
    """Return where the broker is and how to sign in. Relative paths count from `folder`, that of the file.

    `default_username` (the edge's id) signs in when a password is given without a name. A url of "embedded" is the
    caller's to replace. Raises ConfigError when a secret or certificate cannot be read.
    """
    password = broker.password.reveal(folder) if broker.password else None
    username = broker.username or (default_username if password is not None else None)
    files = {name: _file(name, folder, path) for name, path in (("ca", broker.ca), ("cert", broker.cert), ("key", broker.key))}
    return BrokerAddress.parse(broker.url, username=username, password=password, **files)


def _file(name: str, folder: Path, path: Path | None) -> Path | None:
    if path is None:
        return None
    full = folder / path
    if not full.is_file():
        raise ConfigError("file is not there", key=f"broker.{name}", found=str(full))
    return full
