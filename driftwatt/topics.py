"""MQTT topics of the wire, version 1: `dw/1/<edge>/<kind>`."""

from __future__ import annotations

from typing import Literal, get_args

from driftwatt.errors import WireError
from driftwatt.names import is_id

Kind = Literal["d", "ack", "live", "hello", "state", "ledger", "ctl"]
KINDS: frozenset[str] = frozenset(get_args(Kind))
PREFIX = "dw/1"


def topic(edge: str, kind: Kind) -> str:
    """Return the topic of one kind for one edge."""
    return f"{PREFIX}/{edge}/{kind}"


def every_edge(kind: Kind) -> str:
    """Return the subscription filter for one kind over all edges."""
    return f"{PREFIX}/+/{kind}"


def alert_topic(plant: str, alert: str) -> str:
    """Return the topic on which one alert of one plant is published."""
    return f"{PREFIX}/alerts/{plant}/{alert}"


def parse(text: str) -> tuple[str, str]:
    """Return (edge, kind) of a topic. Raises WireError when it is not one of ours."""
    parts = text.split("/")
    if len(parts) == 4 and parts[:2] == ["dw", "1"] and is_id(parts[2]) and parts[3] in KINDS:
        return parts[2], parts[3]
    raise WireError("topic", text[:200])
