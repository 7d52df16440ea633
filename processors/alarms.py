"""Trouble of the plant that lasts, as status, metrics and page tell it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Alarm:
    """Trouble that lasts: first and last seen, and a text for people."""

    since_ms: int
    last_ms: int
    text: str


def renew(alarms: dict[str, Alarm], found: Mapping[str, str], now_ms: int) -> None:
    """Raise the alarms that were found, by code, and renew those that stand."""
    for code, text in found.items():
        if code not in alarms:
            log.warning("%s: %s", code, text)
        alarms[code] = Alarm(alarms[code].since_ms if code in alarms else now_ms, now_ms, text)
