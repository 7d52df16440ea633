"""Hosts: whether one can be reached from elsewhere."""

from __future__ import annotations

from ipaddress import ip_address

DEMO_PORT = 8080
"""Where the demo shows its page unless told otherwise or taken."""


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address never leaves this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
